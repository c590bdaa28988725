# SPDX-License-Identifier: MIT
"""Random partitions and random walks on them: what an operator, a hypervisor and a migration may do."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, NODE, V1, V2
from drmemctl.model.run import Run
from drmemctl.tree.node import Tree
from tests.kernel.partitions import BOOT_MEMORY, DOMAINS, DRC, LMB, UNSET, memory_node, tree

KERNELS = ["4.16", "4.20", "5.2", "5.7", "5.8", "5.9", "5.10", "5.13", "5.14", "5.15", "6.1", "6.7", "6.12", "7.2"]

_STATES = [0, 0, 0, 0x8, 0x8, 0x8, 0x108, 0x80, 0x88, 0x20, 0x28, 0x40, 0x200, 0xA0, 1 << 31, 1 << 31 | 8]
"""Flags of sets: free, assigned, and the odd ones, the kernel's private mark among them."""

_COUNTS = [0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 7, 1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]

Rows = list[tuple[int, ...]]


@dataclass
class Partition:
    """What a walk starts from."""

    kernel: str
    hypervisor: str
    entries: list[Run]
    rows: Rows
    v1: bool
    cpu_node: int
    memory_node: int
    limit: int | None

    def tree(self) -> Tree:
        """Return its tree."""
        return tree(
            *self.entries,
            rows=self.rows,
            v1=self.v1,
            cpu_node=self.cpu_node,
            memory=[memory_node(0, 2 * LMB, self.memory_node)],
            bootargs="" if self.limit is None else f"mem={self.limit * (LMB >> 20)}M",
        )

    def sets(self) -> list[Run]:
        """Return what firmware makes of the property: v2's own sets, v1's runs."""
        if not self.v1:
            return self.entries
        runs: list[Run] = []
        for run in (BOOT_MEMORY, *self.entries):
            last = runs[-1] if runs else Run(0, 0, 0, 0, 0)
            end = (last.base + last.lmbs * LMB, last.drc_index + last.lmbs, last.aa_index, last.flags)
            if runs and end == (run.base, run.drc_index, run.aa_index, run.flags):
                runs[-1] = last._replace(lmbs=last.lmbs + run.lmbs)
            else:
                runs.append(run)
        return runs


def random_partition(random: Random) -> Partition:
    """Return a small partition: sets with and without gaps, any order, all flags that a boot survives."""
    width, hypervisor = random.choice([1, 1, 1, 4]), random.choice(["qemu", "qemu", "powervm"])
    rows = [_row(random, width) for _ in range(random.randint(1, 4))]
    entries: list[Run] = []
    lmb = drc = 2
    for _ in range(random.randint(2, 8)):
        count, flags = random.randint(1, 4), random.choice(_STATES)
        lmb += random.choice([0, 0, 0, 1])
        drc = max(drc, lmb) + random.choice([0, 0, 0, 0, 5])
        if hypervisor == "powervm" and random.random() < 0.05:
            drc = max(2, drc - 2)  # DRC indexes that several LMBs have
        aa = random.randrange(len(rows)) if flags & 8 else UNSET
        entries.append(Run(lmb * LMB, count, DRC + drc, aa, flags))
        lmb, drc = lmb + count, drc + count
    if random.random() < 0.15:
        random.shuffle(entries)
    return Partition(
        kernel=random.choice(KERNELS),
        hypervisor=hypervisor,
        entries=entries,
        rows=rows,
        v1=random.random() < 0.3,
        cpu_node=random.choice([0, 0, 1]),
        memory_node=random.choice([0, 0, 1]),
        limit=random.randint(2, lmb) if random.random() < 0.1 else None,
    )


def _row(random: Random, width: int) -> tuple[int, ...]:
    return (random.choice([*range(DOMAINS), *range(DOMAINS), DOMAINS + 3]), *([0] * (width - 1)))


@dataclass
class Walker:
    """What a walk may choose from as the partition is now; the walk itself is blind to what comes of a step."""

    random: Random
    kernel: tuple[int, int]
    drcs: Sequence[int]
    dimms: Sequence[tuple[int, int]]
    entries: Sequence[Run]
    lookup: bytes | None
    v1: bool

    def step(self) -> str:
        """Return the next step."""
        kinds: list[tuple[int, Callable[[], str]]] = [
            (5, self.plug),
            (3, self.unplug),
            (10, self.dlpar),
            (2, self.unmovable),
            (2, self.new_lookup),
            (3, self.new_lmbs),
            (1, self.removed),
            (2, self.rtas),
            (1, lambda: "kexec"),
        ]
        return self.random.choices([make for _, make in kinds], [weight for weight, _ in kinds])[0]()

    def drc(self) -> int:
        """Return a DRC index, mostly of an LMB."""
        return self.random.choice(self.drcs) if self.random.random() < 0.95 else DRC + self.random.randint(0, 60)

    def plug(self) -> str:
        """Attach, and mostly tell the guest."""
        verb = "plug" if self.random.random() < 0.7 else "attach"
        where = "row 0" if self.random.random() < 0.4 else f"assoc {','.join(map(str, self.row()))}"
        return f"{verb} {self.drc():#x} {self.random.randint(1, 4)} {where}"

    def row(self) -> tuple[int, ...]:
        """Return an associativity list as wide as the lookup arrays are now."""
        width = struct.unpack_from(">I", self.lookup, 4)[0] if self.lookup else 1
        return _row(self.random, width)

    def unplug(self) -> str:
        """Detach a DIMM that is there, or else what is none."""
        verb = "unplug" if self.random.random() < 0.7 else "detach"
        first, count = self.random.choice(self.dimms) if self.dimms else (self.drc(), 1)
        return f"{verb} {first:#x} {count}"

    def dlpar(self) -> str:
        """Ask for something at /sys/kernel/dlpar."""
        action = self.random.choice(["add", "add", "remove"])
        kind = self.random.choice(["count", "index", "indexed-count"])
        count, drc = self.random.choice(_COUNTS), self.drc()
        numbers = {"count": f"{count}", "index": f"{drc:#x}", "indexed-count": f"{count} {drc:#x}"}[kind]
        return f"dlpar memory {action} {kind} {numbers}"

    def unmovable(self) -> str:
        """Pin or unpin some memory."""
        drcs = " ".join(f"{self.drc():#x}" for _ in range(self.random.randint(1, 3)))
        return f"{self.random.choice(['unmovable', 'unmovable', 'movable'])} {drcs}"

    def new_lookup(self) -> str:
        """Deliver lookup arrays: in another order, with one more, one less, or room behind them."""
        if self.lookup is None:
            return f"firmware {NODE} {LOOKUP_ARRAYS} {struct.pack('>4I', 2, 1, 0, 1).hex()}"
        count, width = struct.unpack_from(">II", self.lookup)
        rows = [struct.unpack_from(f">{width}I", self.lookup, 8 + 4 * width * row) for row in range(count)]
        self.random.shuffle(rows)
        if self.random.random() < 0.4:
            rows.insert(self.random.randint(0, len(rows)), _row(self.random, width))
        if rows and self.random.random() < 0.3:
            rows.pop(self.random.randrange(len(rows)))
        data = struct.pack(">II", len(rows), width) + b"".join(struct.pack(f">{width}I", *row) for row in rows)
        slack = bytes(4 * self.random.randint(1, 6)) if self.random.random() < 0.2 else b""
        return f"firmware {NODE} {LOOKUP_ARRAYS} {(data + slack).hex() or '-'}"

    def new_lmbs(self) -> str:
        """Deliver an LMB property: other aa_index, other flags, sets left out or unknown, the other version."""
        v1 = self.v1 if self.random.random() < 0.9 or self.kernel <= (5, 2) else not self.v1
        kept = 1 if self._minds_assigned(v1) else 0.95
        entries = [self._changed(entry, v1) for entry in self.entries if self.random.random() < kept]
        if self.random.random() < 0.1:
            entries.append(Run(60 * LMB, 2, DRC + 60, 0, 0))
        if v1:
            single = [(base + i * LMB, drc + i, 0, aa, f) for base, n, drc, aa, f in entries for i in range(n)]
            data = b"".join(struct.pack(">QIIII", *one) for one in single)
            slack = bytes(24) if self.random.random() < 0.1 else b""
            return f"firmware {NODE} {V1} {(struct.pack('>I', len(single)) + data + slack).hex()}"
        data = b"".join(struct.pack(">IQIII", n, base, *rest) for base, n, *rest in entries)
        return f"firmware {NODE} {V2} {(struct.pack('>I', len(entries)) + data).hex()}"

    def _changed(self, entry: Run, v1: bool) -> Run:
        base, count, drc, aa, flags = entry
        if self.random.random() < 0.4:
            aa = self.random.choice([0, 1, 2, 3, UNSET])
        if self.random.random() < 0.1 and not self._minds_assigned(v1):
            flags ^= self.random.choice([0x8, 0x40, 0x80, 0x100])
        return Run(base, count, drc, aa, flags)

    def _minds_assigned(self, v1: bool) -> bool:
        """Whether the kernel acts on v1's assigned flags, entry by entry, which is another test's matter."""
        return v1 and self.kernel <= (5, 8)

    def removed(self) -> str:
        """Remove a property, mostly one of two."""
        return f"firmware {NODE} {self.random.choice([LOOKUP_ARRAYS, V1, V2])} -"

    def rtas(self) -> str:
        """Call firmware past the kernel."""
        calls = (
            f"get-sensor 9003 {self.drc():#x}",
            f"set-indicator {self.random.choice([9001, 9003])} {self.drc():#x} {self.random.randint(0, 1)}",
            f"configure-connector {self.drc():#x}",
        )
        return f"rtas {self.random.choice(calls)}"
