# SPDX-License-Identifier: MIT
"""The kernel's log, oldest message first: the ring of 5.10 and later, and the buffer of records before.

Source: Linux kernel/printk/printk_ringbuffer.h, kernel/printk/printk.c (struct printk_log), both described by
VMCOREINFO (log_buf_vmcoreinfo_setup).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from drmemctl.memory.kernel_memory import KernelMemory
from drmemctl.memory.physical import AbsentMemoryError

_MOST_MESSAGES = 1 << 17
_MOST_BYTES = 4 << 20
_COMMITTED, _FINALIZED = 1, 2
"""desc_state of messages that are complete, in the two uppermost bits of state_var."""


def log_text(memory: KernelMemory) -> bytes:
    """Return the log as `dmesg` prints it; what of it is in the dump, and empty where VMCOREINFO does not tell."""
    lines: list[bytes] = []
    size = 0
    try:
        for nanoseconds, text in _ring(memory) if memory.vmcoreinfo.symbol("prb") else _buffer(memory):
            lines.append(b"[%5d.%06d] %s\n" % (nanoseconds // 10**9, nanoseconds % 10**9 // 1000, text))
            size += len(lines[-1])
            if size > _MOST_BYTES or len(lines) >= _MOST_MESSAGES:
                break
    except (AbsentMemoryError, _NotDescribedError):
        pass
    return b"".join(lines)


class _NotDescribedError(Exception):
    """VMCOREINFO does not have a member."""


class _Struct:
    """Members and sizes by VMCOREINFO."""

    def __init__(self, memory: KernelMemory) -> None:
        self._info = memory.vmcoreinfo

    def offset(self, member: str) -> int:
        return _within(self._info.offset(member), range(1 << 16), member)

    def size(self, name: str) -> int:
        return _within(self._info.size(name), range(1, 1 << 16), name)

    def symbol(self, name: str) -> int:
        return _within(self._info.symbol(name), range(1 << 64), name)


def _within(value: int | None, bounds: range, name: str) -> int:
    if value is None or value not in bounds:
        raise _NotDescribedError(name)
    return value


def _ring(memory: KernelMemory) -> Iterator[tuple[int, bytes]]:
    members = _Struct(memory)
    offset = members.offset
    ring = memory.u64(members.symbol("prb"))
    descriptors = ring + offset("printk_ringbuffer.desc_ring")
    texts = ring + offset("printk_ringbuffer.text_data_ring")
    counter = offset("atomic_long_t.counter")
    count_bits = memory.u32(descriptors + offset("prb_desc_ring.count_bits"))
    size_bits = memory.u32(texts + offset("prb_data_ring.size_bits"))
    if count_bits > 30 or size_bits > 30:
        return
    first, infos = (memory.u64(descriptors + offset(f"prb_desc_ring.{name}")) for name in ("descs", "infos"))
    head, tail = (
        memory.u64(descriptors + offset(f"prb_desc_ring.{name}_id") + counter) for name in ("head", "tail")
    )
    data = memory.u64(texts + offset("prb_data_ring.data"))
    positions = offset("prb_desc.text_blk_lpos")
    begin_at, next_at = (offset(f"prb_data_blk_lpos.{name}") for name in ("begin", "next"))
    count = min((head - tail & (1 << 62) - 1) + 1, 1 << count_bits)
    descriptor_size, info_size = members.size("prb_desc"), members.size("printk_info")
    state_at = offset("prb_desc.state_var") + counter
    for number in range(max(0, count - _MOST_MESSAGES), count):
        index = tail + number & (1 << count_bits) - 1
        descriptor = first + index * descriptor_size
        info = infos + index * info_size
        state = memory.u64(descriptor + state_at) >> 62
        begin = memory.u64(descriptor + positions + begin_at)
        end = memory.u64(descriptor + positions + next_at)
        if state not in (_COMMITTED, _FINALIZED) or begin & 1:
            continue
        mask = (1 << size_bits) - 1
        begin, end = begin & mask, end & mask
        begin = 0 if begin > end else begin  # a text that does not fit before the end of the ring begins anew
        (length,) = struct.unpack(memory.byte_order + "H", memory.read(info + offset("printk_info.text_len"), 2))
        text = memory.read(data + begin + 8, max(0, min(length, end - begin - 8)))
        yield memory.u64(info + offset("printk_info.ts_nsec")), text


def _buffer(memory: KernelMemory) -> Iterator[tuple[int, bytes]]:
    members = _Struct(memory)
    offset = members.offset
    buffer = memory.u64(members.symbol("log_buf"))
    size = memory.u32(members.symbol("log_buf_len"))
    at, end = (memory.u32(members.symbol(name)) for name in ("log_first_idx", "log_next_idx"))
    if size > 1 << 30:
        return
    header = members.size("printk_log")
    for _ in range(_MOST_MESSAGES):
        if at == end or at >= size:
            return
        record = memory.read(buffer + at, header)
        (nanoseconds,) = struct.unpack_from(memory.byte_order + "Q", record, offset("printk_log.ts_nsec"))
        length, text_length = (
            struct.unpack_from(memory.byte_order + "H", record, offset(f"printk_log.{name}"))[0]
            for name in ("len", "text_len")
        )
        if not length:  # the rest of the buffer was too small for a record
            at = 0
            continue
        yield nanoseconds, memory.read(buffer + at + header, text_length)
        at += length
