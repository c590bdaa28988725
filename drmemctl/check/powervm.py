# SPDX-License-Identifier: MIT
"""What is known of each rule on PowerVM: QEMU's trees are at hand in numbers, those of PowerVM as reports only.

Public are single properties (lsprop and logs on linuxppc-dev, a description of a guest's drmem node), the CPUs of
two machines in hwloc's tests, and what the tools of IBM expect (powerpc-utils, ppc64-diag). The tests have a
partition put together from these and from what prom_init writes down (package handles beside ibm,phandle).
"""

from __future__ import annotations

_QUIET = (
    "tried on a partition put together from public reports, where it finds nothing; "
    "no whole tree of PowerVM was at hand."
)
_HANDLES = (
    "seen: Open Firmware's package handle (phandle, linux,phandle) differs from ibm,phandle on every node. "
    "That is as it should be, and no finding."
)
_INDEXES = (
    "seen: ibm,phandle of a CPU or a device is its DRC index, and lists of updates name LMBs by theirs "
    "(ppc64-diag, rtas_errd/prrn.c). An LMB of the drmem node has no node to collide with."
)
_INPUT = "the same on any hypervisor: it is about the input as a container."
_OF_QEMU = "not to be expected: what it finds is made by QEMU."
_UNTRIED = "not tried: no public report shows what it is about; LoPAR and Linux say what it should be."
_RECORDS = "not tried: it judges by LoPAR and Linux, and was tried on records of Linux on QEMU."

_GROUPS: tuple[tuple[str, str], ...] = (
    (_INPUT, "2 3 4"),
    (_OF_QEMU, "8 89"),
    (_QUIET, "1 6 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29"),
    (_QUIET, "30 31 32 33 34 35 36 37 38 39 40 47 48 50 51 52 53 55 56 57"),
    (_QUIET, "60 61 62 63 64 65 66 67 68 69 100 101 102"),
    (_UNTRIED, "42 43 44 45 46 58 103 104"),
    (_RECORDS, "70 71 72 75 77 78 79 80 81 82 83 84 85 86 87 88 90 91 92 93 94 95 96 97"),
    (_RECORDS, "110 111 112 114 115 116 117 118 119 120 121 122 123 124 125 126"),
    (_RECORDS, "140 141 142 143 150 160 161"),
    (_HANDLES, "5"),
    (_INDEXES, "7 113"),
    ("seen: ibm,current-associativity-domains 1 2 2 2 16 below a maximum of 1 8 32 32 256; no finding.", "41"),
    ("not to be expected: partitions in public reports have reference points 4 2, two levels.", "49"),
    ("seen: names count from 1 there, LMB 2 is 0x80000001 (powerpc-utils d7e9a49); no finding.", "54"),
    ("seen: 0x80000000 + address / LMB size holds for every LMB in public logs; no finding.", "59"),
    ("seen: partitions that migrate between firmware with v2 and v1 (linuxppc-dev, N. Lynch, 2019).", "73 74"),
    ("seen: the aa_index of the source written back after a migration (linuxppc-dev, L. Dufour, 2021).", "76"),
    (
        "not to be expected: reference points there are 4 2. Two equal ones are those of QEMU's older machines.",
        "130",
    ),
)

POWERVM: dict[str, str] = {f"DRM{int(number):03}": text for text, numbers in _GROUPS for number in numbers.split()}
"""What is known on PowerVM of each rule, by its id; every rule has it."""
