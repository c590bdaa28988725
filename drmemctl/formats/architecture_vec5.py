# SPDX-License-Identifier: MIT
"""`/chosen/ibm,architecture-vec-5`: what partition and platform agreed on, option vector 5.

Source: LoPAR 2.9, "ibm,client-architecture-support" (table of option vectors) and "ibm,architecture-vec-5";
Linux arch/powerpc/include/asm/prom.h (`OV5_*`) and arch/powerpc/platforms/pseries/firmware.c
`fw_vec5_feature_init`; QEMU hw/ppc/spapr_ovec.c `spapr_dt_ovec`.

The value is the vector with its length byte: byte 0 holds n, n+1 option bytes follow, so that option byte k
is byte k of the value. Bit 0 is the most significant. Linux never looks at byte 0, and takes every byte
beyond the value as zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from drmemctl.defect import Defect
from drmemctl.formats.cells import read_cells
from drmemctl.formats.lists import judge_length
from drmemctl.wording import count_of

ARCHITECTURE_VEC5 = "ibm,architecture-vec-5"

DRCONF_MEMORY = "DRCONF_MEMORY"
FORM1 = "FORM1"
PRRN = "PRRN"
FORM2 = "FORM2"
HP_EVT = "HP_EVT"
DRMEM_V2 = "DRMEM_V2"
DRC_INFO = "DRC_INFO"
"""Names of features, for `ArchitectureVec5.has`; `FEATURES` has all of them."""

_MAX_CPUS = 9


def vector() -> Any:
    """Return the declaration of the whole value."""
    from construct import Bytes, Int8ub, Struct, this

    return Struct("length" / Int8ub, "options" / Bytes(this.length + 1))


class Feature(NamedTuple):
    """One thing that can be agreed on: on where the bits of `mask` in option byte `byte` are `value`.

    Attributes:
        name: Linux's name where it has one (`OV5_` left out), else one made of LoPAR's words.
        byte: number of the option byte.
        mask: the bits that decide.
        meaning: what it means when on.
        source: who defines it.
        value: what the bits must be; all of them set, unless said otherwise.

    """

    name: str
    byte: int
    mask: int
    meaning: str
    source: str
    value: int


_BOTH = "LoPAR 2.9; Linux asm/prom.h"
_LOPAR = "LoPAR 2.9"
_LINUX = "Linux asm/prom.h"


def _bit(name: str, byte: int, mask: int, meaning: str, source: str = _BOTH) -> Feature:
    return Feature(name, byte, mask, meaning, source, mask)


def _choice(name: str, byte: int, value: int, meaning: str) -> Feature:
    return Feature(name, byte, 0xC0, meaning, _LINUX, value)


FEATURES: tuple[Feature, ...] = (
    _bit("IGNORE", 1, 0x80, "the platform need not look at this vector"),
    _bit("CESSATION_POLICY", 1, 0x40, "halt where an option is on that the partition does not support"),
    _bit("TCE_64BIT", 1, 0x20, "64-bit TCEs from ibm,query-pe-dma-window", _LOPAR),
    _bit("LPAR", 2, 0x80, "logical partitioning"),
    _bit("SPLPAR", 2, 0x40, "shared-processor logical partitioning"),
    _bit(DRCONF_MEMORY, 2, 0x20, "memory may be in /ibm,dynamic-reconfiguration-memory"),
    _bit("LARGE_PAGES", 2, 0x10, "pages larger than 4 KiB"),
    _bit("ALPHA_PARTITION", 2, 0x08, "alpha partition", _LOPAR),
    _bit("LONG_MIGRATE_DMA", 2, 0x04, "long delays in H_MIGRATE_DMA are tolerated", _LOPAR),
    _bit("DONATE_DEDICATE_CPU", 2, 0x02, "idle cycles of dedicated processors are donated"),
    _bit("MSI", 2, 0x01, "PCI Express with message signaled interrupts"),
    _bit("IO_SUPER_PAGE", 3, 0x80, "I/O pages larger than 4 KiB", _LOPAR),
    _bit("CMO", 4, 0x80, "cooperative memory over-commitment"),
    _bit("XCMO", 4, 0x40, "extended over-commitment: page coalescing"),
    _bit(FORM1, 5, 0x80, "associativity of form 1"),
    _bit(PRRN, 5, 0x40, "platform resource reassignment notification"),
    _bit(FORM2, 5, 0x20, "associativity of form 2: distances by table", _LINUX),
    _bit("MTT", 6, 0x80, "MTT option", _LOPAR),
    _bit("ACTIVE_MEMORY_COMPRESSION", 6, 0x20, "active memory compression", _LOPAR),
    _bit("TIMEBASE_SYNC", 6, 0x10, "timebase in step with the partition of bytes 28 and 29", _LOPAR),
    _bit(HP_EVT, 6, 0x04, "hotplug interrupts"),
    _bit("MULTIPLE_SLOTS_PER_PHB", 6, 0x02, "several hotplug slots per PCI host bridge", _LOPAR),
    _bit("RESIZE_HPT", 6, 0x01, "the hash page table can be resized"),
    _bit("SRIOV_DDW", 8, 0x80, "dynamic DMA windows for SR-IOV virtual functions", _LOPAR),
    _bit("REFERENCE_HISTORY", 15, 0x80, "reference history array", _LOPAR),
    _bit("ACCESS_RATE", 15, 0x40, "access rate array", _LOPAR),
    _bit("DOMAIN_ACCESS_LOG", 15, 0x20, "affinity domain access log", _LOPAR),
    _bit("PFO_HW_RNG", 17, 0x80, "random number generator"),
    _bit("PFO_HW_842", 17, 0x40, "compression engine"),
    _bit("PFO_HW_ENCR", 17, 0x20, "encryption engine"),
    Feature("SUB_PROCESSORS", 21, 0xFF, "1, 2 or 4 sub-processors per core", _BOTH, 1),
    _bit(DRMEM_V2, 22, 0x80, "memory as ibm,dynamic-memory-v2"),
    _bit(DRC_INFO, 22, 0x40, "connectors as ibm,drc-info"),
    _choice("XIVE_LEGACY", 23, 0x00, "interrupts through XICS"),
    _choice("XIVE_EXPLOIT", 23, 0x40, "interrupts through XIVE"),
    _choice("XIVE_EITHER", 23, 0x80, "interrupts through XICS or XIVE"),
    _choice("MMU_HASH", 24, 0x00, "hash page tables"),
    _choice("MMU_RADIX", 24, 0x40, "radix page tables"),
    _choice("MMU_EITHER", 24, 0x80, "hash or radix page tables"),
    _choice("MMU_DYNAMIC", 24, 0xC0, "hash or radix page tables, to be switched later"),
    _bit("NMMU", 24, 0x20, "nest MMU", _LINUX),
    _bit("HASH_SEG_TBL", 25, 0x80, "segment tables in memory", _LINUX),
    _bit("HASH_GTSE", 25, 0x40, "the partition may invalidate hash translations itself", _LINUX),
    _bit("RADIX_GTSE", 26, 0x40, "the partition may invalidate radix translations itself", _LINUX),
)
"""All that LoPAR 2.9 and Linux define, by byte."""

BY_NAME: dict[str, Feature] = {feature.name: feature for feature in FEATURES}

# Bytes that hold numbers, not features: I/O migration limits, maximum of CPUs, LoPAR level, partition id.
_NUMBER_BITS = {3: 0x7F, **dict.fromkeys((9, 10, 11, 12, 13, 14, 28, 29), 0xFF)}


_LONGEST = 257
"""Bytes of the longest vector that byte 0 can tell of."""


class UnknownBits(NamedTuple):
    """Bits that are set and that no source defines: of option byte `byte`, those in `mask`."""

    byte: int
    mask: int


@dataclass(frozen=True, slots=True)
class ArchitectureVec5:
    """The option vector.

    Attributes:
        data: the raw value, so that nothing in it is lost.
        defects: where byte 0 and the length disagree; their property is not filled in.

    """

    data: bytes
    defects: tuple[Defect, ...] = ()

    def byte(self, number: int) -> int:
        """Return an option byte (from 1 on); 0 beyond the value, as in Linux."""
        return self.data[number] if 1 <= number < len(self.data) else 0

    def has(self, name: str) -> bool:
        """Tell whether a feature of `FEATURES` is on; KeyError for a name that is not there."""
        feature = BY_NAME[name]
        return self.byte(feature.byte) & feature.mask == feature.value

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features that some bit turns on, by byte; a choice of zero (`MMU_HASH`) is not among them."""
        return tuple(feature for feature in FEATURES if feature.value and self.has(feature.name))

    @property
    def unknown(self) -> tuple[UnknownBits, ...]:
        """The bits that are set without being part of a feature that is on, or of a number.

        What lies behind the longest vector there can be is not looked at.
        """
        defined = dict(_NUMBER_BITS)
        for feature in self.features:
            defined[feature.byte] = defined.get(feature.byte, 0) | feature.value
        masks = ((k, self.data[k] & ~defined.get(k, 0)) for k in range(1, min(len(self.data), _LONGEST)))
        return tuple(UnknownBits(byte, mask) for byte, mask in masks if mask)

    @property
    def max_cpus(self) -> int | None:
        """Bytes 9 to 12: the highest number of `cpu` nodes; None where the value ends before them."""
        return read_cells(self.data, _MAX_CPUS, 1)


def decode_architecture_vec5(data: bytes, total: int | None = None) -> ArchitectureVec5:
    """Return the vector, judged against the length that byte 0 gives."""
    if not data:
        return ArchitectureVec5(data, judge_length("vec5", "the length byte", 0, 1, total=total))
    options = count_of(data[0] + 1, "option byte")
    return ArchitectureVec5(data, judge_length("vec5", options, len(data), data[0] + 2, total=total))
