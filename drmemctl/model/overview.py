# SPDX-License-Identifier: MIT
"""One screen about a partition: what machine, what firmware and Linux agreed on, its memory by state and node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drmemctl.arguments import checked
from drmemctl.defect import Defect
from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5, decode_architecture_vec5
from drmemctl.formats.capture_text import Provenance
from drmemctl.formats.cells import read_cells
from drmemctl.formats.dynamic_memory import NODE, V1, V2
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY
from drmemctl.model.associativity import CHOSEN, NEWEST, AffinityRules
from drmemctl.model.memory import Memory, Tally
from drmemctl.model.numa import NumaLayout
from drmemctl.model.standard_properties import first_string
from drmemctl.notebook import short_repr
from drmemctl.tree.node import Node, Tree


@dataclass(frozen=True, slots=True)
class Identity:
    """What the root says about the machine; untrusted text, None where it says nothing.

    Attributes:
        model: e.g. `IBM,9080-HEX`.
        serial: `system-id`; of a QEMU guest without one its UUID.
        partition_name: the partition's name.
        partition_number: the partition's number.

    """

    model: str | None
    serial: str | None
    partition_name: str | None
    partition_number: int | None

    __repr__ = short_repr

    @classmethod
    def of(cls, root: Node) -> Identity:
        """Return what the root node says."""
        # QEMU gives a guest a UUID; one of zeros, of a guest that was given none, says nothing.
        uuid = first_string(root, "vm,uuid")
        return cls(
            first_string(root, "model"),
            first_string(root, "system-id") or (uuid if uuid and uuid.strip("0-") else None),
            first_string(root, "ibm,partition-name"),
            read_cells(root.get("ibm,partition-no") or b"", 0, 1),
        )


@dataclass(frozen=True, slots=True)
class DynamicMemory:
    """The LMBs, summed up.

    Attributes:
        lmb_size: bytes of an LMB, None where the tree gives none.
        property: the property that Linux reads, None where there is none.
        format: `v1`, `v2` or None.
        both: whether v1 and v2 are there, of which Linux reads v1.
        entries: how many entries the property has: LMBs in v1, sets of LMBs in v2.
        lmbs: the number of LMBs.
        runs: the number of runs they make.
        states: the number of LMBs in each state.
        usable_only: whether kexec restricts a crash kernel to parts of them (`linux,drconf-usable-memory`).

    """

    lmb_size: int | None
    property: str | None
    format: str | None
    both: bool
    entries: int
    lmbs: int
    runs: int
    states: dict[str, int]
    usable_only: bool = False

    __repr__ = short_repr

    @classmethod
    def of(cls, tree: Tree, memory: Memory, tally: Tally) -> DynamicMemory | None:
        """Return the sums, None where the partition has no dynamic memory."""
        drmem = memory.drmem
        if drmem is None:
            return None
        table = drmem.table
        node = tree.node(NODE)
        return cls(
            lmb_size=table.lmb_size,
            property=table.property_name or None,
            format={V1: "v1", V2: "v2"}.get(table.property_name),
            both=node.find(V1) is not None and node.find(V2) is not None,
            entries=0 if drmem.entries is None else drmem.entries.present,
            lmbs=table.n_lmbs,
            runs=len(table.runs),
            states=tally.states,
            usable_only=node.find(DRCONF_USABLE_MEMORY) is not None,
        )


@dataclass(frozen=True, slots=True)
class Overview:
    """What `drmemctl show` shows.

    Attributes:
        source: the input as the user named it.
        kind: what it was read from.
        identity: which machine and partition.
        provenance: when a capture was taken, and of which host; untrusted text.
        features: names of what option vector 5 turns on.
        dynamic: the LMBs, None where there is no dynamic memory.
        boot_bytes: memory of `memory@` nodes.
        numa: nodes, affinity form, reference points.
        lookup: number and length of the lookup arrays, None without them.
        defects: what the reader and the decoders saw that is wrong.
        findings: how many findings of each severity the checker has; None where it was not asked.

    """

    source: str
    kind: str
    identity: Identity
    provenance: Provenance
    features: tuple[str, ...]
    dynamic: DynamicMemory | None
    boot_bytes: int
    numa: NumaLayout
    lookup: tuple[int, int] | None
    defects: tuple[Defect, ...]
    findings: Mapping[str, int] | None = None

    __repr__ = short_repr

    @classmethod
    @checked()
    def from_tree(
        cls, tree: Tree, findings: Mapping[str, int] | None = None, rules: AffinityRules = NEWEST
    ) -> Overview:
        """Return the overview, with nodes as a kernel with these rules has them.

        `NotInTreeError` for a tree that was made before the firmware could describe it.
        """
        memory = Memory.from_tree(tree, rules)
        tally = Tally.of(memory)
        numa = NumaLayout.of(tree, memory, tally)
        features, defects = _features(tree)
        lookup = memory.associativity.lookup
        return cls(
            source=tree.source,
            kind=tree.kind,
            identity=Identity.of(tree.root),
            provenance=tree.provenance,
            features=features,
            dynamic=DynamicMemory.of(tree, memory, tally),
            boot_bytes=memory.boot.size,
            numa=numa,
            lookup=None if lookup is None else (lookup.n_arrays, lookup.array_sz),
            defects=tree.defects + memory.defects + numa.defects + defects,
            findings=findings,
        )


def _features(tree: Tree) -> tuple[tuple[str, ...], tuple[Defect, ...]]:
    node = tree.find(CHOSEN)
    prop = None if node is None else node.find(ARCHITECTURE_VEC5)
    if prop is None:
        return (), ()
    vector = decode_architecture_vec5(prop.value, prop.total)
    defects = tuple(defect.at(CHOSEN, ARCHITECTURE_VEC5) for defect in vector.defects)
    return tuple(feature.name for feature in vector.features), defects
