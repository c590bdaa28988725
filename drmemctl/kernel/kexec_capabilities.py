# SPDX-License-Identifier: MIT
"""What kernels differ in where the next kernel, or a crash kernel, is loaded; part of the table of capabilities.

Read in Linux 5.10.262, 6.1.176, 6.12.118 and 7.2.13 (arch/powerpc/kexec) and in the messages of the commits.
"""

from __future__ import annotations

from drmemctl.kernel.capability import Capability

_FILE_LOAD = "arch/powerpc/kexec/file_load_64.c"

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
        source="arch/powerpc/kexec/crash.c",
    ),
)
