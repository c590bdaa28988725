# SPDX-License-Identifier: MIT
"""Hostile answers of RTAS and events, as `decode` is given them.

Each function makes one below a directory, of about `size` bytes, and returns its path.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from tests.hostile.archives import Make, written
from tests.hostile.trees import MANY, NASTY, noise, words


def areas(head: bytes, record: bytes, folder: Path, size: int) -> Path:
    """Write work areas of 4096 bytes, each filled with as many records as it holds."""
    area = (head + record * (4096 // len(record)))[:4096].ljust(4096, b"\0")
    return written(folder, "areas.bin", [area] * max(size // 4096, 1))


def answer_noise(folder: Path, size: int) -> Path:
    return written(folder, "noise.bin", noise(size))


def answer_nodes(folder: Path, size: int) -> Path:
    return areas(bytes(16), words(0x02000001, 7), folder, size)


def answer_claims(folder: Path, size: int) -> Path:
    return areas(words(MANY, MANY, MANY, MANY, MANY, MANY), words(MANY), folder, size)


def answer_properties(folder: Path, size: int) -> Path:
    return areas(words(1, 0, 0, 0, 0, 400) + b"\0" + words(0), b"p\0" + words(0), folder, size)


def answer_names(folder: Path, size: int) -> Path:
    record = b"".join(text.replace(b"\0", b"") + b"\0" + words(len(text)) + text for text in NASTY)
    return areas(words(1, 0, 0, 0, 0, 20), record, folder, size)


def answer_hex(folder: Path, size: int) -> Path:
    return written(folder, "answer.txt", b"0x00000001, " * (size // 12))


def answer_json(folder: Path, size: int) -> Path:
    record = {"call": "ibm,update-nodes", "answer": "00" * 16 + "0200000100000007", "status": 0}
    return written(folder, "answer.json", json.dumps([record] * max(size // 110, 1)).encode())


def answer_nesting(folder: Path, size: int) -> Path:
    return written(folder, "nesting.json", b"[" * size)


def answer_event(folder: Path, size: int) -> Path:
    """An event of very many sections, each as short as may be."""
    head = bytes.fromhex("06206000") + struct.pack(">I", size) + bytes(48)
    return written(folder, "event.bin", head + (b"HP\0\x08\x01\0\0\0" * (size // 8)))


def steps_many(folder: Path, size: int) -> Path:
    return written(folder, "many.steps", b"unmovable 0x80000004\n" * min(10_000, size // 21))


def steps_too_many(folder: Path, size: int) -> Path:
    return written(folder, "many.steps", b"reboot\n" * (size // 7))


def steps_words(folder: Path, size: int) -> Path:
    return written(folder, "words.steps", (b"prrn 4" + b" 1" * 65_000 + b"\n") * (size // 130_007))


def steps_one_word(folder: Path, size: int) -> Path:
    return written(folder, "word.steps", b"firmware / p " + b"00" * (size // 2) + b"\n")


def steps_lines(folder: Path, size: int) -> Path:
    return written(folder, "lines.steps", b"\n" * size)


STEPS: dict[str, Make] = {
    make.__name__: make for make in (steps_many, steps_too_many, steps_words, steps_one_word, steps_lines)
}
"""Name → what makes a FILE of steps."""

ANSWERS: dict[str, Make] = {
    make.__name__: make
    for make in (
        *(answer_noise, answer_nodes, answer_claims, answer_properties, answer_names),
        *(answer_hex, answer_json, answer_nesting, answer_event),
    )
}
"""Name → what makes a FILE for `decode`."""
