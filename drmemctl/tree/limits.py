# SPDX-License-Identifier: MIT
"""How much of an input is read before it is refused: every reader of this package asks here.

An input comes from a customer, a bug report or a fuzzer. Each figure is far above what real machines have
(a QEMU guest's tree has 400 properties in 25 kB, one of 1,048,576 LMBs in version 1 cells has 24 MiB) and low
enough that reading ends in seconds and in some hundred MiB whatever the bytes say.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from drmemctl.errors import LimitError

MIB = 1 << 20
MAX_DEFECTS = 1000
"""Defects noted of one tree: one of nothing but duplicates must not cost more in remarks than in content."""

RAISE_VARIABLE = "DRMEMCTL_MAX_MIB"
"""Environment variable that raises `Limits.max_bytes`; its value is a number of MiB."""

LARGEST_MIB = 1 << 11
"""What `RAISE_VARIABLE` may say at most: libfdt refuses blobs of more than 2 GiB (INT32_MAX)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one run; sizes in bytes.

    Attributes:
        max_bytes: one tree: a blob, a text, or all values of a directory or archive together. 64 MiB holds
            2,796,202 LMBs in version 1 cells, 682 TiB in LMBs of 256 MiB.
        max_text: the same where it is text, which is several times as long as what it says: 262,144 LMBs in
            version 1 cells as fdtdump prints them.
        max_nodes: nodes of one tree. A reserved-memory-heavy POWER10 has some thousand.
        max_properties: properties of one tree.
        max_runs: LMBs that do not follow from the one before, where more is done than to list them. A partition
            of 64 TiB has 262,144 LMBs of 256 MiB, and a handful of runs.
        max_listed_runs: the same where they are only listed.
        max_listed_blocks: stretches of memory blocks that are listed: runs that overlap one another come to twice
            as many.
        max_simulated_runs: the same as `max_runs` in a simulated kernel, which is looked at again after each step.
        max_searched_nodes: updates of nodes in a simulated migration, times the nodes of the tree: 16,777,216 are
            all 4,096 nodes of one.
        max_value: one value, where it is decoded: 65,536 lookup arrays of 16 domains, a distance table of 2,048
            nodes. Linux has 256 nodes at most.
        max_value_by_lmb: the same of a property that grows with the number of LMBs; 1,048,576 connectors have
            names of 12 MiB. One of version 1 has no other bound than `max_bytes`.
        max_value_by_connector: the same of one that has four bytes for each: 1,310,720 connectors.
        max_answers: recorded answers of RTAS: 1,024 work areas. Those of a migration come to some hundred KiB.
        max_script: the text of steps of a simulation.
        max_steps: its steps; each takes about a millisecond on a tree of few runs.
        max_rebuilt: nodes and properties of the tree, counted again for each step that looks at all of it: a boot,
            a migration, an update by firmware.
        max_words: words of one step: `unmovable` names LMBs one by one.
        max_depth: nodes on the way from the root to a leaf, the root included. Linux refuses deeper ones as
            well (drivers/of/fdt.c, FDT_MAX_DEPTH 64), and writers of this depth may recurse.
        max_reservations: entries of the memory reservation block.
        max_name: bytes of one node's or property's name: NAME_MAX, since Linux shows each as a file name.
        max_members: members of an archive. The largest sosreports have some hundred thousand.
        max_frames: members or frames of one compressed stream: each takes some 25 µs, empty or not. bgzip makes
            16,384 of a GiB.
        max_unpacked: bytes that one compressed input may have in all, read as a stream and not kept.
        max_ratio: decompressed bytes to each compressed one, counted from `ratio_floor` decompressed bytes
            on. gzip cannot pass 1032; logs come to 10 to 30.
        ratio_floor: bytes that any compressed input may have, however small it is.
        max_layers: compressions inside one another (`.dtb.gz` in `.tar.zst` is two).
        max_candidates: trees of one archive that are named, or looked at, for choosing among them.

    """

    max_bytes: int = 64 * MIB
    max_text: int = 18 * MIB
    max_nodes: int = 65_536
    max_properties: int = 262_144
    max_runs: int = 262_144
    max_listed_runs: int = 1_048_576
    max_listed_blocks: int = 393_216
    max_simulated_runs: int = 65_536
    max_searched_nodes: int = 16_777_216
    max_value: int = 4 * MIB
    max_value_by_lmb: int = 16 * MIB
    max_value_by_connector: int = 5 * MIB
    max_answers: int = 4 * MIB
    max_script: int = 4 * MIB
    max_steps: int = 10_000
    max_rebuilt: int = 262_144
    max_words: int = 65_536
    max_depth: int = 64
    max_reservations: int = 4_096
    max_name: int = 255
    max_members: int = 500_000
    max_frames: int = 100_000
    max_unpacked: int = 1024 * MIB
    max_ratio: int = 200
    ratio_floor: int = 64 * MIB
    max_layers: int = 3
    max_candidates: int = 64


_BY_SIZE = tuple(
    f"max_{of_what}"
    for of_what in (
        *("nodes", "properties", "runs", "listed_runs", "listed_blocks", "simulated_runs", "searched_nodes"),
        *("value", "value_by_lmb", "value_by_connector", "answers", "script", "steps", "rebuilt", "words"),
    )
)
"""Counts that grow with the bytes of a tree, so that the variable alone lets a larger one in."""


def limits_from(environment: Mapping[str, str]) -> Limits:
    """Return the limits with what `DRMEMCTL_MAX_MIB` sets: a tree's bytes; the counts grow in proportion.

    A value that is no number of MiB leaves them as they are; `check_environment` is there to complain.
    """
    mib = _asked_for(environment)
    default = Limits()
    if mib is None:
        return default
    max_bytes = mib * MIB
    factor = max(1, -(-max_bytes // default.max_bytes))
    return replace(
        default,
        max_bytes=max_bytes,
        max_text=max_bytes,
        max_unpacked=max(default.max_unpacked, 4 * max_bytes),
        ratio_floor=max(default.ratio_floor, max_bytes),
        **{name: getattr(default, name) * factor for name in _BY_SIZE},
    )


def check_environment() -> None:
    """Raise `LimitError` if `DRMEMCTL_MAX_MIB` says something that is no size from 1 to 2048 MiB."""
    if os.environ.get(RAISE_VARIABLE) and _asked_for(os.environ) is None:
        raise LimitError(
            f"{RAISE_VARIABLE} is no number of MiB from 1 to {LARGEST_MIB}",
            hint=f"set it to a plain number, such as {RAISE_VARIABLE}=256, or unset it",
        )


def _asked_for(environment: Mapping[str, str]) -> int | None:
    text = environment.get(RAISE_VARIABLE, "").strip()
    # isdecimal takes digits of every script; int() does as well, but nobody means them.
    if not (text.isascii() and text.isdecimal()) or len(text) > 4:
        return None
    mib = int(text)
    return mib if 1 <= mib <= LARGEST_MIB else None


def too_large(size: int | None, source: str, part: str = "the input", *, text: bool = False) -> LimitError:
    """Return the error for a tree of more bytes than `LIMITS` allows; `size` is None where unknown."""
    have = "has more" if size is None else f"has {size:,} bytes, more"
    most, of_what = (LIMITS.max_text, "the text of a device tree") if text else (LIMITS.max_bytes, "a device tree")
    return LimitError(
        f"{part} {have} than the {most // MIB} MiB that {of_what} may have",
        source=source,
        hint=f"if it is one all the same, set {RAISE_VARIABLE} to as many MiB",
    )


NOT_REAL = f"no real partition has a tree like this; if one does, set {RAISE_VARIABLE} to a multiple of 64"
"""What to do about a tree that has too many of something."""

LIMITS = limits_from(os.environ)
"""The limits of this process."""
