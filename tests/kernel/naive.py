# SPDX-License-Identifier: MIT
"""A kernel on a plain list of LMBs, written down from the kernel's functions, to hold the runs against.

It decides by release numbers, walks every LMB each time, and shares no code with what it is compared with.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.hypervisor.naive import Domains, NaiveFirmware
from tests.kernel.naive_property import TOUCHED, UNSET, V1, V2, NaiveLmb, as_int, read_property, write_v1, write_v2

LOOKUP = "ibm,associativity-lookup-arrays"

ASSIGNED, AI_INVALID, RESERVED = 0x8, 0x40, 0x80
EPERM, EBUSY, EEXIST, ENODEV, EINVAL = -1, -16, -17, -19, -22
HP = "pseries-hotplug-mem: "


class NaiveBugError(Exception):
    """The kernel died in a BUG."""


@dataclass
class NaiveKernel:
    """A running kernel; `properties` are those of the drmem node, `blocks` map memory blocks to nodes."""

    release: tuple[int, int]
    firmware: NaiveFirmware
    lmbs: list[NaiveLmb]
    properties: dict[str, bytes]
    blocks: dict[int, int]
    size: int
    possible: set[int]
    with_cpus: set[int]
    unmovable: set[int] = field(default_factory=set)
    listed: set[tuple[int, int]] = field(default_factory=set)
    with_distances: set[int] = field(default_factory=set)
    log: list[str] = field(default_factory=list)

    def say(self, message: str) -> None:
        self.log.append(HP + message)

    # RTAS, dlpar.c

    def rtas_rc(self, status: int) -> int:
        return {0: 0, -1: -5, -3: EINVAL}[status]

    def acquire(self, drc: int) -> int:
        if self.firmware.sense(drc) != (0, 2):
            return -1
        rc = self.rtas_rc(self.firmware.usable(drc))
        if rc:
            return rc
        rc = self.rtas_rc(self.firmware.unisolate(drc))
        if rc:
            self.firmware.unusable(drc)
        return rc

    def release_drc(self, drc: int) -> None:
        if self.firmware.sense(drc) == (0, 1) and self.firmware.isolate(drc) == 0 and self.firmware.unusable(drc):
            self.firmware.unisolate(drc)

    # Associativity

    def find_aa_index(self, domains: Domains) -> int:
        data = self.properties[LOOKUP]
        count, width = struct.unpack_from(">II", data)
        wanted = struct.pack(f">{width}I", *(*domains, *[0] * width)[:width])
        for index in range(count):
            if data[8 + 4 * width * index :][: 4 * width] == wanted:
                return int(index)
        grown = bytearray(data + bytes(4 * width))
        struct.pack_into(">I", grown, 0, count + 1)
        at = 8 + 4 * width * count
        grown[at : at + 4 * width] = wanted
        self.properties[LOOKUP] = bytes(grown)
        return int(count)

    def node_of(self, lmb: NaiveLmb) -> int:
        """of_drconf_to_nid_single, with the primary domain at position 1; -1 for none."""
        none = 0 if self.release < (5, 3) else -1
        data = self.properties.get(LOOKUP)
        if data is None or len(data) < 8:
            return none
        count, width = struct.unpack_from(">II", data)
        if len(data) < 8 + 4 * count * width or width < 1 or lmb.flags & AI_INVALID or lmb.aa >= count:
            return none
        found: int = struct.unpack_from(">I", data, 8 + 4 * lmb.aa * width)[0]
        return none if found == 0xFFFF or found >= 256 else found

    def online(self) -> set[int]:
        return self.with_cpus | set(self.blocks.values())

    def node_to_add_on(self, lmb: NaiveLmb) -> int:
        # Up to 4.19 the LMB to be added is assigned by now, and found if no other is at its address.
        if self.release < (5, 10):
            node = -1
            for one in self.lmbs:
                if one.flags & RESERVED or not one.flags & ASSIGNED:
                    continue
                if one.base <= lmb.base < one.base + self.size:
                    node = self.node_of(one)
                    break
        else:
            node = self.node_of(lmb)
        return node if node in self.possible else min(self.online())

    # One LMB

    def removable(self, lmb: NaiveLmb) -> bool:
        if lmb.flags & RESERVED and self.release >= (5, 14):
            return False
        if not lmb.flags & ASSIGNED:
            return False
        return not (self.release <= (5, 7) and lmb.drc in self.unmovable)

    def remove_lmb(self, lmb: NaiveLmb) -> int:
        block = lmb.base // self.size
        if not self.removable(lmb) or block not in self.blocks:
            return EINVAL
        if lmb.drc in self.unmovable:
            return EBUSY
        del self.blocks[block]
        self.remove_device_tree_lmb(lmb)
        return 0

    def remove_device_tree_lmb(self, lmb: NaiveLmb) -> None:
        lmb.aa = UNSET
        lmb.flags &= ~ASSIGNED
        if self.release < (4, 20):
            self.flush()

    def add_device_tree_lmb(self, lmb: NaiveLmb) -> int:
        lmb.flags |= ASSIGNED
        rc = self.update_aa_index(lmb)
        if rc:
            self.say(f"Couldn't find associativity index for drc index {lmb.drc:x}")
        else:
            rc = self.flush()
        if rc:
            self.say(f"Couldn't update device tree for drc index {lmb.drc:x}")
        return rc

    def update_aa_index(self, lmb: NaiveLmb) -> int:
        status, domains = self.firmware.configure(lmb.drc)
        if status:
            self.log.append(f"Unexpected Error ({status}) returned from configure-connector")
            return EINVAL
        # update_numa_distance in form 2, also of 5.10.178; 5.10 stands for a later one.
        warns = self.release >= (5, 15) or self.release == (5, 10)
        if warns and domains[0] <= max(self.possible) and domains[0] not in self.with_distances:
            self.log.append(f"NUMA distance details for node {domains[0]} not provided")
        if LOOKUP not in self.properties:
            return ENODEV
        lmb.aa = self.find_aa_index(domains)
        return 0

    def add_lmb(self, lmb: NaiveLmb) -> int:
        if lmb.flags & ASSIGNED:
            return EINVAL
        rc = self.add_device_tree_lmb(lmb) if self.release < (4, 20) else self.update_aa_index(lmb)
        if rc:
            self.release_drc(lmb.drc)
            if self.release >= (6, 8):
                self.say(f"Failed to configure LMB 0x{lmb.drc:x}")
            return rc
        node, block = self.node_to_add_on(lmb), lmb.base // self.size
        if block in self.blocks:
            if self.release >= (6, 8):
                self.say(f"Failed to add LMB 0x{lmb.drc:x} to node {node}")
            if self.release < (4, 20):
                self.remove_device_tree_lmb(lmb)
            else:
                lmb.aa = UNSET
            return EEXIST
        if (4, 19) <= self.release <= (5, 8) and (block, node) in self.listed:
            raise NaiveBugError  # add_memory_resource: the link from the node to the block is there already
        self.blocks[block] = node
        lmb.flags |= ASSIGNED
        return 0

    # Requests

    def marked(self, lmbs: Iterable[NaiveLmb], act: Callable[[NaiveLmb], None], reserved: int | None) -> None:
        """Act on what this request touched; `reserved` is how many that were, where the kernel counts them."""
        for lmb in lmbs:
            if not lmb.flags & TOUCHED:
                continue
            act(lmb)
            lmb.flags &= ~TOUCHED
            if reserved is not None and self.release >= (5, 14):
                reserved -= 1
                if reserved == 0:
                    break

    def take_back(self, lmb: NaiveLmb) -> None:
        if self.remove_lmb(lmb):
            self.say(f"Failed to remove LMB, drc index {lmb.drc:x}")
        else:
            self.release_drc(lmb.drc)

    def hot_added(self, lmb: NaiveLmb) -> None:
        self.say(f"Memory at {lmb.base:x} (drc index {lmb.drc:x}) was hot-added")

    def try_add(self, lmb: NaiveLmb) -> int:
        rc = self.acquire(lmb.drc)
        if rc == 0:
            rc = self.add_lmb(lmb)
            if rc:
                self.release_drc(lmb.drc)
        return rc

    def add_count(self, count: int) -> int:
        self.say(f"Attempting to hot-add {as_int(count)} LMB(s)")
        free = [one for one in self.lmbs if not one.flags & ASSIGNED]
        if self.release >= (5, 14):
            free = [one for one in free if not one.flags & RESERVED]
        if count == 0 or len(free) < count:
            return EINVAL
        added = 0
        for lmb in self.lmbs:
            if lmb.flags & ASSIGNED or self.try_add(lmb):
                continue
            added += 1
            lmb.flags |= TOUCHED
            if added == count:
                break
        if added != count:
            self.say("Memory hot-add failed, removing any added LMBs")
            self.marked(self.lmbs, self.take_back, added)
            return EINVAL
        # The message was lowered to debug level in 5.11, and in 5.10's stable series.
        quiet = self.release >= (5, 10)
        self.marked(self.lmbs, (lambda _: None) if quiet else self.hot_added, added)
        return 0

    def add_index(self, drc: int) -> int:
        self.say(f"Attempting to hot-add LMB, drc index {drc:x}")
        found = [one for one in self.lmbs if one.drc == drc][:1]
        rc = self.try_add(found[0]) if found else EINVAL
        if rc:
            self.say(f"Failed to hot-add memory, drc index {drc:x}")
        else:
            self.hot_added(found[0])
        return rc

    def lmb_range(self, count: int, drc: int) -> list[NaiveLmb] | None:
        first = next((at for at, one in enumerate(self.lmbs) if one.drc == drc), None)
        if first is None or first + as_int(count) > len(self.lmbs):
            return None
        if as_int(count) < 0:
            # The range ends before it begins; releases that count what is available find too little.
            return [] if self.release >= (5, 14) else None
        found = self.lmbs[first : first + count]
        for lmb in found:
            if lmb.flags & RESERVED:
                if self.release >= (5, 14):
                    self.say(f"Memory at {lmb.base:x} (drc index {lmb.drc:x}) is reserved")
                return None
        return found

    def add_ic(self, count: int, drc: int) -> int:
        self.say(f"Attempting to hot-add {count} LMB(s) at index {drc:x}")
        found = self.lmb_range(count, drc) if count else None
        if found is None:
            return EINVAL
        for lmb in found:
            if lmb.flags & ASSIGNED:
                continue
            if self.try_add(lmb):
                self.say("Memory indexed-count-add failed, removing any added LMBs")
                self.marked(found, self.take_back, None)
                return EINVAL
            lmb.flags |= TOUCHED
        self.marked(found, self.hot_added, None)
        return 0

    def add_back(self, lmb: NaiveLmb, back: str = " back") -> None:
        if self.add_lmb(lmb):
            self.say(f"Failed to add LMB{back}, drc index {lmb.drc:x}")

    def given_up(self, lmb: NaiveLmb) -> None:
        self.release_drc(lmb.drc)
        self.say(f"Memory at {lmb.base:x} was hot-removed")

    def remove_count(self, count: int) -> int:
        self.say(f"Attempting to hot-remove {as_int(count)} LMB(s)")
        if count == 0:
            return EINVAL
        available = sum(self.removable(one) for one in self.lmbs)
        if available < count:
            self.say(f"Not enough LMBs available ({available} of {as_int(count)}) to satisfy request")
            return EINVAL
        removed = 0
        for lmb in self.lmbs:
            if self.remove_lmb(lmb):
                continue
            lmb.flags |= TOUCHED
            removed += 1
            if removed == count:
                break
        if removed != count:
            self.say("Memory hot-remove failed, adding LMB's back")
            self.marked(self.lmbs, self.add_back, removed)
            return EINVAL
        self.marked(self.lmbs, self.given_up, removed)
        return 0

    def remove_index(self, drc: int) -> int:
        loud = self.release < (5, 10)
        if loud:
            self.say(f"Attempting to hot-remove LMB, drc index {drc:x}")
        found = [one for one in self.lmbs if one.drc == drc][:1]
        rc = self.remove_lmb(found[0]) if found else EINVAL
        if rc == 0:
            self.release_drc(drc)
        if loud:
            base = found[0].base if found else 0
            said = f"Failed to hot-remove memory at {base:x}" if rc else f"Memory at {base:x} was hot-removed"
            self.say(said)
        return rc

    def roll_back(self, lmb: NaiveLmb) -> None:
        if self.release >= (5, 14) and self.firmware.sense(lmb.drc) == (0, 1):
            self.firmware.unisolate(lmb.drc)
        self.add_back(lmb, "")

    def gone(self, lmb: NaiveLmb) -> None:
        self.release_drc(lmb.drc)
        self.say(f"Memory at {lmb.base:x} (drc index {lmb.drc:x}) was hot-removed")

    def remove_ic(self, count: int, drc: int) -> int:
        self.say(f"Attempting to hot-remove {count} LMB(s) at {drc:x}")
        found = self.lmb_range(count, drc) if count else None
        if found is None:
            return EINVAL
        for lmb in found:
            if not lmb.flags & ASSIGNED:
                continue
            if self.remove_lmb(lmb):
                self.say("Memory indexed-count-remove failed, adding any removed LMBs")
                self.marked(found, self.roll_back, None)
                return EINVAL
            lmb.flags |= TOUCHED
        self.marked(found, self.gone, None)
        return 0

    def request(self, action: str, kind: str, *numbers: int) -> int:
        """dlpar_memory: a request, then from 4.20 on the array is written back if it came to 0."""
        doing: dict[tuple[str, str], Callable[..., int]] = {
            ("add", "count"): self.add_count,
            ("add", "index"): self.add_index,
            ("add", "indexed-count"): self.add_ic,
            ("remove", "count"): self.remove_count,
            ("remove", "index"): self.remove_index,
            ("remove", "indexed-count"): self.remove_ic,
        }
        rc = doing[action, kind](*numbers)
        return rc if rc or self.release < (4, 20) else self.flush()

    # The property

    def flush(self) -> int:
        if V1 in self.properties:
            self.properties[V1] = write_v1(self.lmbs, len(self.properties[V1]))
        elif V2 in self.properties:
            self.properties[V2] = write_v2(self.lmbs)
        else:
            return EPERM
        return 0

    def update(self, name: str, data: bytes) -> None:
        """of_update_property of the drmem node, and what the memory notifier makes of it."""
        self.properties[name] = data
        if self.release < (5, 15) or name not in (V1, V2):
            return
        for new in read_property(name, data, self.size):
            for lmb in self.lmbs:
                if lmb.drc == new.drc:
                    lmb.aa = new.aa
                    break

    def boot(self, reserved: dict[int, int]) -> bool:
        """Read the LMBs of the tree, and find their memory, besides what memory nodes describe; False for an oops.

        `reserved` is the memory of memory nodes, by block.
        """
        name = V1 if V1 in self.properties else V2
        data = self.properties.get(name, bytes(4))
        self.lmbs, self.blocks, self.unmovable = read_property(name, data, self.size), dict(reserved), set()
        for lmb in self.lmbs:
            if lmb.flags & ASSIGNED and not lmb.flags & RESERVED:
                node = self.node_of(lmb)
                if node < 0:
                    return False
                self.blocks[lmb.base // self.size] = node
        self.possible |= set(self.blocks.values())
        return True

    def list_blocks(self) -> None:
        """Let each node list all blocks of boot between its first and its last one, whose ever they are."""
        self.listed = set()
        for node in set(self.blocks.values()):
            own = [block for block in self.blocks if self.blocks[block] == node]
            foreign = (block for block in self.blocks if min(own) <= block <= max(own) and block not in own)
            self.listed |= {(block, node) for block in foreign}
