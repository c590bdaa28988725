# SPDX-License-Identifier: MIT
"""`ibm,pmemory` nodes under `/ibm,persistent-memory`: memory that outlives the partition's power.

Source: Linux arch/powerpc/platforms/pseries/papr_scm.c `papr_scm_probe` (DRC index, block size, number of
blocks and guid are required there; it reads block size and number of blocks as u64, the rest as u32); QEMU
hw/ppc/spapr_nvdimm.c `spapr_dt_nvdimm`. Not in LoPAR 2.9. Where the memory is mapped is not in the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from drmemctl.defect import Defect
from drmemctl.formats.associativity import ASSOCIATIVITY, AssociativityLists, decode_associativity
from drmemctl.formats.cells import decode_number
from drmemctl.formats.drc import MY_DRC_INDEX
from drmemctl.formats.lists import judge_length
from drmemctl.formats.strings import decode_strings

NODE = "/ibm,persistent-memory"

REG = "reg"
UNIT_GUID = "ibm,unit-guid"
BLOCK_SIZE = "ibm,block-size"
NUMBER_OF_BLOCKS = "ibm,number-of-blocks"
METADATA_SIZE = "ibm,metadata-size"
APPLICATION = "ibm,pmem-application"
CACHE_FLUSH = "ibm,cache-flush-required"
HCALL_FLUSH = "ibm,hcall-flush-required"


@dataclass(frozen=True, slots=True)
class Pmemory:
    """A region of persistent memory; what the node does not say, or says in too few bytes, is None.

    Attributes:
        reg: its unit address, which is its DRC index.
        drc_index: its DRC index.
        unit_guid: its UUID as text.
        block_size: bytes of a block.
        blocks: the number of blocks.
        metadata_size: bytes of the label area, beside the blocks.
        application: who uses it, e.g. `operating-system`.
        associativity: its associativity lists.
        cache_flush_required: whether writes must be flushed by the CPU.
        hcall_flush_required: whether writes must be flushed by H_SCM_FLUSH.
        defects: length faults of any of these; the property is filled in, the path is not.

    """

    reg: int | None = None
    drc_index: int | None = None
    unit_guid: str | None = None
    block_size: int | None = None
    blocks: int | None = None
    metadata_size: int | None = None
    application: str | None = None
    associativity: AssociativityLists | None = None
    cache_flush_required: bool = False
    hcall_flush_required: bool = False
    defects: tuple[Defect, ...] = ()

    @property
    def size(self) -> int | None:
        """Bytes of the region, without its label area."""
        return None if self.block_size is None or self.blocks is None else self.block_size * self.blocks


_Decoded = tuple[object, tuple[Defect, ...]]


_u32 = partial(decode_number, "pmemory")
_u64 = partial(decode_number, "pmemory", number=2)


def _string(data: bytes) -> _Decoded:
    strings = decode_strings(data)
    return (strings.items[0] if strings.items else None), strings.defects


def _flag(data: bytes) -> _Decoded:
    return True, judge_length("pmemory", "a flag", len(data), 0)


def _lists(data: bytes) -> _Decoded:
    lists = decode_associativity(data)
    return lists, lists.defects


_DECODERS: dict[str, tuple[str, Callable[[bytes], _Decoded]]] = {
    "reg": (REG, _u32),
    "drc_index": (MY_DRC_INDEX, _u32),
    "block_size": (BLOCK_SIZE, _u64),
    "blocks": (NUMBER_OF_BLOCKS, _u64),
    "metadata_size": (METADATA_SIZE, _u32),
    "unit_guid": (UNIT_GUID, _string),
    "application": (APPLICATION, _string),
    "cache_flush_required": (CACHE_FLUSH, _flag),
    "hcall_flush_required": (HCALL_FLUSH, _flag),
    "associativity": (ASSOCIATIVITY, _lists),
}


def decode_pmemory(properties: Mapping[str, bytes]) -> Pmemory:
    """Return what the properties of an `ibm,pmemory` node say; others are passed over."""
    values: dict[str, Any] = {}
    defects: list[Defect] = []
    for field, (name, decode) in _DECODERS.items():
        if name in properties:
            values[field], faults = decode(properties[name])
            defects.extend(replace(defect, property=name) for defect in faults)
    return Pmemory(**values, defects=tuple(defects))
