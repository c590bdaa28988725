# SPDX-License-Identifier: MIT
"""The kernel's log: rings and buffers laid out by hand after printk_ringbuffer.h and struct printk_log."""

from __future__ import annotations

import pytest

from drmemctl.memory import log
from drmemctl.memory.log import log_text
from drmemctl.memory.physical import LINEAR
from tests.cases import each
from tests.memory.images import Image

RING, DESCRIPTORS, INFOS, TEXT = 0x10000, 0x11000, 0x12000, 0x13000
COMMITTED, FINALIZED, REUSABLE = 1, 2, 3


def ring(byte_order: str, head: int, tail: int) -> Image:
    """Return a ring of 4 descriptors and 256 bytes of text, without messages."""
    image = Image(
        byte_order,
        SYMBOL_prb=0x8100,
        OFFSET_printk_ringbuffer__desc_ring=0,
        OFFSET_printk_ringbuffer__text_data_ring=64,
        OFFSET_atomic_long_t__counter=0,
        OFFSET_prb_desc_ring__count_bits=0,
        OFFSET_prb_desc_ring__descs=8,
        OFFSET_prb_desc_ring__infos=16,
        OFFSET_prb_desc_ring__head_id=24,
        OFFSET_prb_desc_ring__tail_id=32,
        OFFSET_prb_data_ring__size_bits=0,
        OFFSET_prb_data_ring__data=8,
        OFFSET_prb_desc__state_var=0,
        OFFSET_prb_desc__text_blk_lpos=8,
        OFFSET_prb_data_blk_lpos__begin=0,
        OFFSET_prb_data_blk_lpos__next=8,
        OFFSET_printk_info__ts_nsec=8,
        OFFSET_printk_info__text_len=16,
        SIZE_prb_desc=24,
        SIZE_printk_info=88,
    )
    image.put(0x8100, "Q", LINEAR + RING)
    image.put(RING, "I", 2)
    image.put(RING + 8, "4Q", LINEAR + DESCRIPTORS, LINEAR + INFOS, head, tail)
    image.put(RING + 64, "I", 8)
    image.put(RING + 72, "Q", LINEAR + TEXT)
    return image


def message(image: Image, identity: int, begin: int, text: bytes, state: int = FINALIZED) -> None:
    """Put a message into a ring: its text is behind an identity of 8 bytes at a position that goes on growing."""
    index, end = identity & 3, begin + 8 + len(text)
    if end >> 8 != begin >> 8:
        end = (begin >> 8) + 1 << 8 | 8 + len(text)
    image.put(DESCRIPTORS + 24 * index, "3Q", state << 62 | identity, begin, end)
    image.put(INFOS + 88 * index + 8, "QH", 1_500_000_000 * identity, len(text))
    at = 0 if end >> 8 != begin >> 8 else begin & 0xFF
    image.data[TEXT + at + 8 : TEXT + at + 8 + len(text)] = text


@each("byte_order", ["<", ">"])
def test_the_ring_is_printed_from_its_tail_on(byte_order: str) -> None:
    image = ring(byte_order, head=5, tail=3)
    message(image, 3, 0x80, b"first")
    message(image, 4, 0x1F8, b"beyond the end", COMMITTED)  # begins anew at the start of the ring
    message(image, 5, 0x240, b"last")
    assert log_text(image.kernel()) == (
        b"[    4.500000] first\n[    6.000000] beyond the end\n[    7.500000] last\n"
    )


def test_what_is_not_complete_is_left_out() -> None:
    image = ring("<", head=5, tail=4)
    message(image, 4, 0x80, b"gone", REUSABLE)
    message(image, 5, 0xA0, b"there")
    image.put(DESCRIPTORS + 24 * 0 + 8, "Q", 0x81)
    assert log_text(image.kernel()) == b"[    7.500000] there\n"


def test_a_damaged_ring_ends() -> None:
    image = ring("<", head=1 << 60, tail=0)
    message(image, 0, 0x10, b"text")
    assert log_text(image.kernel()).count(b"\n") <= 4
    image.put(RING, "I", 63)
    assert log_text(image.kernel()) == b""


@each("byte_order", ["<", ">"])
def test_the_buffer_of_older_kernels(byte_order: str) -> None:
    image = Image(
        byte_order,
        SYMBOL_log_buf=0x8100,
        SYMBOL_log_buf_len=0x8108,
        SYMBOL_log_first_idx=0x8110,
        SYMBOL_log_next_idx=0x8118,
        SIZE_printk_log=16,
        OFFSET_printk_log__ts_nsec=0,
        OFFSET_printk_log__len=8,
        OFFSET_printk_log__text_len=10,
    )
    image.put(0x8100, "QI4xI4xI", LINEAR + TEXT, 64, 32, 24)
    image.put(TEXT + 32, "QHH", 2_000_000, 24, 3)
    image.data[TEXT + 48 : TEXT + 51] = b"one"
    image.put(TEXT + 56, "QHH", 0, 0, 0)  # the rest is too small for a record: go on at the beginning
    image.put(TEXT, "QHH", 3_000_000, 24, 3)
    image.data[TEXT + 16 : TEXT + 19] = b"two"
    assert log_text(image.kernel()) == b"[    0.002000] one\n[    0.003000] two\n"


def test_records_without_length_end() -> None:
    image = Image(
        SYMBOL_log_buf=0x8100,
        SYMBOL_log_buf_len=0x8108,
        SYMBOL_log_first_idx=0x8110,
        SYMBOL_log_next_idx=0x8118,
        SIZE_printk_log=16,
        OFFSET_printk_log__ts_nsec=0,
        OFFSET_printk_log__len=8,
        OFFSET_printk_log__text_len=10,
    )
    image.put(0x8100, "QI4xI4xI", LINEAR + TEXT, 64, 32, 24)
    assert log_text(image.kernel()) == b""


@pytest.mark.parametrize("hole", [None, TEXT >> 12])
def test_without_description_or_pages_there_is_none(hole: int | None) -> None:
    image = Image() if hole is None else ring("<", head=3, tail=3)
    if hole is not None:
        message(image, 3, 0x80, b"first")
        image.holes.add(hole)
    assert log_text(image.kernel()) == b""


@each("line", ["OFFSET(printk_ringbuffer.desc_ring)", "SIZE(prb_desc)"])
def test_a_ring_that_is_not_described_is_none(line: str) -> None:
    image = ring("<", head=3, tail=3)
    message(image, 3, 0x80, b"first")
    image._lines.pop(line)
    assert log_text(image.kernel()) == b""


def test_a_buffer_that_is_not_described_or_too_large_is_none() -> None:
    image = Image(SYMBOL_log_buf=0x8100, SYMBOL_log_buf_len=0x8108, SYMBOL_log_first_idx=0x8110)
    image.put(0x8100, "QI", LINEAR + TEXT, (1 << 32) - 1)
    assert log_text(image.kernel()) == b""
    image._lines["SYMBOL(log_next_idx)"] = f"{LINEAR + 0x8118:x}"
    assert log_text(image.kernel()) == b""


def test_a_log_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    image = ring("<", head=5, tail=3)
    for number in (3, 4, 5):
        message(image, number, 0x20 * number, b"text")
    monkeypatch.setattr(log, "_MOST_BYTES", 30)
    assert log_text(image.kernel()).count(b"\n") == 2
