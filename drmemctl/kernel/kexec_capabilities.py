# SPDX-License-Identifier: MIT
"""What kernels differ in where the next kernel, or a crash kernel, is loaded; part of the table of capabilities.

Read in Linux 5.10.262, 6.1.176, 6.12.118 and 7.2.13 (arch/powerpc/kexec, arch/powerpc/kernel/fadump.c, kernel/)
and in the messages of the commits; releases of the stable series are those whose review lists name the commit.
"""

from __future__ import annotations

from drmemctl.kernel.capability import Capability

_FILE_LOAD = "arch/powerpc/kexec/file_load_64.c"
_CRASH = "arch/powerpc/kexec/crash.c"

KEXEC_CAPABILITIES: tuple[Capability, ...] = (
    KEXEC_FILE_CRASH := Capability(
        "kexec-file-crash",
        "kexec_file_load (kexec -s -p) loads crash kernels; without, it refuses them",
        first=(5, 9),
        source=_FILE_LOAD,
    ),
    KEXEC_LMBS_COUNTED := Capability(
        "kexec-lmbs-counted",
        "kexec_file_load makes room in a crash kernel's tree by the LMBs of booted memory; without, it doubles it",
        first=(5, 12),
        commit="2377c92e37fe",
        source=_FILE_LOAD,
        # 5.10.262 has it; the commit asks for 5.9 and later, and 5.10.20 is the release that took that batch.
        stable=(((5, 10), 20),),
    ),
    KEXEC_PLUGGABLE_COUNTED := Capability(
        "kexec-pluggable-counted",
        "kexec_file_load makes room in a crash kernel's tree also for LMBs that can be added; "
        "without, many free LMBs make it refuse a crash kernel",
        first=(6, 2),
        commit="fc546faa5595",
        source=_FILE_LOAD,
    ),
    KEXEC_ROOM_DIVIDED := Capability(
        "kexec-room-divided",
        "kexec_file_load divides by the LMB size to count LMBs: by zero on a partition without LMBs",
        first=(5, 12),
        last=(6, 1),
        commit="7294194b47e9",
        source=_FILE_LOAD,
        stable=(((5, 10), 20),),
    ),
    CRASH_HOTPLUG := Capability(
        "crash-hotplug",
        "memory that comes or goes is written into a loaded crash kernel's elfcorehdr in place; without, user "
        "space has to load it anew",
        first=(6, 10),
        commit="849599b702ef",
        source=_CRASH,
    ),
    CRASH_RANGE_SPLIT := Capability(
        "crash-range-split",
        "memory that goes from the middle of a range leaves a sound range behind it in that elfcorehdr; without, "
        "the size of that range is negative, and no dump can be made",
        first=(6, 19),
        commit="7afe2383eff0",
        source="arch/powerpc/kexec/ranges.c",
        stable=(((6, 12), 63), ((6, 17), 13), ((6, 18), 2)),
    ),
    CRASH_BACKUP_OFFSET := Capability(
        "crash-backup-offset",
        "the elfcorehdr that is written in place says where the first 64 KiB were copied to; without, the dump "
        "has what the crash kernel keeps there",
        first=(7, 1),
        commit="f53b24d1fa26",
        source=_CRASH,
        stable=(((6, 12), 91), ((6, 18), 33), ((7, 0), 10)),
    ),
    FADUMP_HOTPLUG := Capability(
        "fadump-hotplug",
        "after a crash the second kernel of fadump makes the elfcorehdr of its own memory; without, it is made "
        "when the dump is registered",
        first=(6, 10),
        commit="c6c5b14dac0d",
        source="arch/powerpc/kernel/fadump.c",
    ),
    CRASHKERNEL_CMA_SUFFIX := Capability(
        "crashkernel-cma-suffix",
        "crashkernel=SIZE,cma is known and passed over; without, it is taken for the size of the crash kernel, "
        "and as the last one leaves that without memory",
        first=(6, 17),
        commit="35c18f2933c5",
        source="kernel/crash_reserve.c",
    ),
    CRASHKERNEL_CMA := Capability(
        "crashkernel-cma",
        "powerpc reserves what crashkernel=SIZE,cma asks for",
        first=(6, 19),
        commit="b4a96ab50f36",
        source="arch/powerpc/kexec/core.c",
    ),
)
