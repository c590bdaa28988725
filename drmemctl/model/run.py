# SPDX-License-Identifier: MIT
"""A run of LMBs: what Linux's `drmem_info` array holds of neighbours that follow from one another.

A 64 TiB partition has 262,144 LMBs of 256 MiB, but a handful of runs. Fields have one order everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from drmemctl.formats.dynamic_memory import ASSIGNED, HOTREMOVABLE, RESERVED, flag_names

ADDRESSES = 1 << 64
DRC_INDEXES = 1 << 32
"""Addresses are u64 and DRC indexes u32 in `struct drmem_lmb`: both wrap there."""


@dataclass(frozen=True, slots=True)
class Lmb:
    """One LMB of the array.

    Attributes:
        base: its address, None where that is unknown (a set's later LMBs without an LMB size).
        drc_index: its DRC index.
        aa_index: its row of the lookup arrays.
        flags: its flags.
        node: its Linux node, None for none and where the table was not asked for nodes.

    """

    base: int | None
    drc_index: int
    aa_index: int
    flags: int
    node: int | None = field(default=None, compare=False)

    @property
    def flag_names(self) -> list[str]:
        """The names of its flags."""
        return flag_names(self.flags)

    @property
    def assigned(self) -> bool:
        """Whether Linux takes it for memory: ASSIGNED and not RESERVED (`early_init_drmem_lmb`)."""
        return is_assigned(self.flags)

    @property
    def state(self) -> str:
        """`assigned`, `free` or `reserved`."""
        return state_of(self.flags)

    def __repr__(self) -> str:
        base = "None" if self.base is None else f"{self.base:#x}"
        drc, aa, flags = f"{self.drc_index:#010x}", f"{self.aa_index:#x}", f"{self.flags:#x}"
        return f"Lmb(base={base}, drc_index={drc}, aa_index={aa}, flags={flags}, node={self.node})"


class Run(NamedTuple):
    """Consecutive LMBs with consecutive addresses and DRC indexes, the same aa_index and flags.

    Attributes:
        base: address of the first LMB. Addresses wrap at 64 bits, as in Linux.
        lmbs: number of LMBs; `count` is the same.
        drc_index: DRC index of the first LMB. DRC indexes wrap at 32 bits.
        aa_index: row of the lookup arrays, of all LMBs.
        flags: of all LMBs.

    """

    base: int
    lmbs: int
    drc_index: int
    aa_index: int
    flags: int

    @property
    def count(self) -> int:  # type: ignore[override]
        """Number of LMBs, under the name that it has in JSON."""
        return self.lmbs

    @property
    def flag_names(self) -> list[str]:
        """The names of the flags."""
        return flag_names(self.flags)

    @property
    def state(self) -> str:
        """`assigned`, `free` or `reserved`."""
        return state_of(self.flags)

    @property
    def assigned(self) -> bool:
        """Whether Linux takes these LMBs for memory: ASSIGNED and not RESERVED (`early_init_drmem_lmb`)."""
        return is_assigned(self.flags)

    def part(self, first: int, lmbs: int, lmb_size: int | None) -> Run:
        """Return `lmbs` LMBs of the run from position `first` on."""
        base = (self.base + first * (lmb_size or 0)) % ADDRESSES
        return Run(base, lmbs, (self.drc_index + first) % DRC_INDEXES, self.aa_index, self.flags)

    def lmb(self, position: int, lmb_size: int | None, node: int | None = None) -> Lmb:
        """Return the LMB at a position, which is on `node`.

        Its address is not known without an LMB size, but for the first.
        """
        base = None
        if position == 0 or lmb_size is not None:
            base = (self.base + position * (lmb_size or 0)) % ADDRESSES
        return Lmb(base, (self.drc_index + position) % DRC_INDEXES, self.aa_index, self.flags, node)

    def position_of_drc(self, drc_index: int) -> int | None:
        """Return the position in the run of the first LMB with this DRC index, or None."""
        position = (drc_index - self.drc_index) % DRC_INDEXES
        return position if position < self.lmbs else None

    def position_of_address(self, address: int, lmb_size: int | None) -> int | None:
        """Return the position in the run of the LMB that holds this address, or None."""
        if not lmb_size:
            return 0 if address == self.base else None
        position = (address - self.base) % ADDRESSES // lmb_size
        return position if position < self.lmbs else None

    def positions_in(self, start: int, end: int, lmb_size: int) -> range:
        """Return the positions of the LMBs that have some of the addresses from `start` up to `end`."""
        return range(max(0, (start - self.base) // lmb_size), min(self.lmbs, -(-(end - self.base) // lmb_size)))


def is_assigned(flags: int) -> bool:
    """Whether Linux takes an LMB with these flags for memory (`early_init_drmem_lmb`)."""
    return flags & (ASSIGNED | RESERVED) == ASSIGNED


def state_of(flags: int) -> str:
    """Return `assigned`, `free` or `reserved`. Reserved wins, as in `early_init_drmem_lmb`."""
    if flags & RESERVED:
        return "reserved"
    return "assigned" if flags & ASSIGNED else "free"


def has_state(flags: int, state: str) -> bool:
    """Whether an LMB counts as `assigned`, `free`, `reserved` or `hot-removable`."""
    if state == "hot-removable":
        return bool(flags & HOTREMOVABLE)
    return state_of(flags) == state


STATES = ("assigned", "free", "reserved", "hot-removable")
