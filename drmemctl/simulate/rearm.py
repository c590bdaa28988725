# SPDX-License-Identifier: MIT
"""Whether a crash kernel, or a dump registered with firmware, has to be armed again after memory came or went.

What a crash kernel dumps stands in its elfcorehdr: a list of ranges, made of the memory that there is when it is
loaded. It is taken to be loaded, and the dump to be registered, right after the last boot.

Source: Linux kernel/crash_core.c `crash_memhp_notifier`, `crash_handle_hotplug_event`; arch/powerpc/kexec/crash.c
`arch_crash_hotplug_support`, `arch_crash_handle_hotplug_event`, `update_crash_elfcorehdr`;
arch/powerpc/kexec/ranges.c `get_crash_memory_ranges`, `remove_mem_range`; arch/powerpc/kernel/fadump.c
`fadump_populate_elfcorehdr`, `registered_store`; kexec-tools kexec/kexec.c `get_hotplug_kexec_flag`;
Documentation/ABI/testing sysfs-devices-memory and sysfs-kernel-fadump. Read, not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from drmemctl.errors import NotInTreeError
from drmemctl.kernel.kdump import CrashMemory
from drmemctl.kernel.kexec_capabilities import (
    CRASH_BACKUP_OFFSET,
    CRASH_HOTPLUG,
    CRASH_RANGE_SPLIT,
    FADUMP_HOTPLUG,
)
from drmemctl.kernel.kexec_load import Route
from drmemctl.notebook import short_repr
from drmemctl.simulate.memory_events import LmbSpan, MemoryEvents
from drmemctl.simulate.session import Session

MEMORY_FLAG = "/sys/devices/system/memory/crash_hotplug"
FADUMP_FLAG = "/sys/kernel/fadump/hotplug_ready"
_MOST_RANGES = 8192
"""Ranges that an elfcorehdr has room for (CONFIG_CRASH_MAX_MEMORY_RANGES, /sys/kernel/crash_elfcorehdr_size)."""

_FURTHER_RANGES = 3
"""Ranges that are no region: the first 64 KiB, RTAS, what lies behind the crash kernel's own memory."""

_NOTHING = "no memory came or went since the last boot"
_IN_PLACE = "the kernel writes the elfcorehdr anew, in place, as memory comes or goes (849599b702ef, 6.10)"
_TOO_OLD = "before 6.10 the kernel does not touch what was loaded (849599b702ef)"
_NOT_ALLOWED = (
    "kexec -c tells the kernel only with --hotplug (kexec-tools 2.0.29) that it may touch what was loaded"
    " (KEXEC_CRASH_HOTPLUG_SUPPORT)"
)
_BY_SECOND_KERNEL = "the kernel that saves the dump makes the elfcorehdr of its own memory (c6c5b14dac0d, 6.10)"
_AT_REGISTRATION = "before 6.10 the elfcorehdr is made when the dump is registered (c6c5b14dac0d)"
_AS_BEFORE = "; what came or went is as it was then"
_QUIETLY_GONE = "a block that was offline when it was removed makes no event: the elfcorehdr still lists it"
_NO_ROOM = f"there are more than {_MOST_RANGES:,} ranges: the elfcorehdr has no room for them and stays as it was"
_SPLIT = (
    "the memory that went last was in the middle of a range: the size of the range behind it is below nothing, and"
    " makedumpfile fails (mended by 7afe2383eff0, 6.19)"
)
_BYTE = "the range behind the memory that went last is a byte too long (read in 6.12.118 and 7.2.13)"
_FIRST_64K = (
    "the first 64 KiB in the dump are the crash kernel's: the elfcorehdr that was written anew does not say where"
    " they were copied to (mended by f53b24d1fa26, 7.1)"
)
_ONCE_MORE = {
    Route.FILE: "; they are also when it is loaded again (mended by 789335cacdf3, 7.1)",
    Route.CLASSIC: "; loading it again mends that until memory comes or goes",
}


class KeptBy(StrEnum):
    """Who makes what is dumped follow what memory there is."""

    KERNEL = "kernel"
    SECOND_KERNEL = "second-kernel"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Rearm:
    """What became of an armed dump.

    Attributes:
        needed: whether it has to be armed again.
        kept_by: who makes it follow.
        why: what that goes by, in words.
        events: how often a memory block came online or went offline since it was armed.
        came: LMBs whose memory is there since then.
        went: LMBs whose memory was there and is not any more.
        lacks: LMBs that it does not dump and should.
        stale: LMBs that it would dump though their memory is gone.
        command: what arms it again.
        flag: the file of sysfs by which user space knows.
        flag_value: what is in it; None: this kernel has no such file.
        notes: defects of this kernel that do not ask for it.

    """

    needed: bool
    kept_by: KeptBy
    why: str
    events: int
    came: tuple[LmbSpan, ...]
    went: tuple[LmbSpan, ...]
    lacks: tuple[LmbSpan, ...]
    stale: tuple[LmbSpan, ...]
    command: str
    flag: str
    flag_value: int | None
    notes: tuple[str, ...] = ()

    __repr__ = short_repr

    @classmethod
    def of_crash_kernel(
        cls, session: Session, route: Route, memory: CrashMemory | None = None, *, hotplug: bool = False
    ) -> Rearm:
        """Return what became of the crash kernel in the traced steps of a session.

        Args:
            session: the steps.
            route: how it was loaded.
            memory: what is reserved for it; None for what the tree's /chosen says.
            hotplug: whether kexec-tools loaded it with --hotplug.

        """
        has_support = session.simulation.profile.has(CRASH_HOTPLUG)
        is_kept = has_support and (hotplug or route is Route.FILE)
        options = "-s" if route is Route.FILE else "-c --hotplug" if hotplug else "-c"
        command, flag = f"kexec {options} -p", int(is_kept) if has_support else None
        events = MemoryEvents.of(session)
        if not is_kept:
            return cls._kept_by_nobody(
                events, _NOT_ALLOWED if has_support else _TOO_OLD, command, MEMORY_FLAG, flag
            )
        came, went = events.came_and_went()
        stale = tuple(events.lmbs((block, block + 1) for block in sorted(events.quiet)))
        defect, notes = _defects(session, events, route, memory)
        why = defect or (_QUIETLY_GONE if stale else _IN_PLACE if events.count else _NOTHING)
        lost = came if defect == _NO_ROOM else ()
        return cls(
            bool(defect or stale),
            KeptBy.KERNEL,
            why,
            events.count,
            came,
            went,
            lost,
            went if defect == _NO_ROOM else stale,
            command,
            MEMORY_FLAG,
            flag,
            notes,
        )

    @classmethod
    def of_fadump(cls, session: Session) -> Rearm:
        """Return what became of the dump that is registered with firmware in the traced steps of a session."""
        events, command = MemoryEvents.of(session), "echo 1 > /sys/kernel/fadump/registered"
        if not session.simulation.profile.has(FADUMP_HOTPLUG):
            return cls._kept_by_nobody(events, _AT_REGISTRATION, command, FADUMP_FLAG, None)
        keeper, (came, went) = KeptBy.SECOND_KERNEL, events.came_and_went()
        return cls(False, keeper, _BY_SECOND_KERNEL, events.count, came, went, (), (), command, FADUMP_FLAG, 1)

    @classmethod
    def _kept_by_nobody(
        cls, events: MemoryEvents, why: str, command: str, flag: str, flag_value: int | None
    ) -> Rearm:
        came, went = events.came_and_went()
        needed = bool(came or went)
        if not needed:
            why = why + _AS_BEFORE if events.count else _NOTHING
        return cls(needed, KeptBy.NOBODY, why, events.count, came, went, came, went, command, flag, flag_value)


def _defects(
    session: Session, events: MemoryEvents, route: Route, memory: CrashMemory | None
) -> tuple[str, tuple[str, ...]]:
    """Return why a crash kernel that the kernel keeps up is wrong all the same, if it is, and what to know."""
    if not events.count:
        return "", ()
    profile = session.simulation.profile
    notes = () if profile.has(CRASH_BACKUP_OFFSET) else (_FIRST_64K + _ONCE_MORE[route],)
    regions = events.regions(session)
    if len(regions) + _FURTHER_RANGES > _MOST_RANGES:
        return _NO_ROOM, notes
    if not events.splits(regions, _end_of(session, memory)):
        return "", notes
    return ("", (*notes, _BYTE)) if profile.has(CRASH_RANGE_SPLIT) else (_SPLIT, notes)


def _end_of(session: Session, memory: CrashMemory | None) -> int:
    """Return where the crash kernel's own memory ends, 0 where that is not known."""
    try:
        return (memory or CrashMemory.from_tree(session.simulation.tree)).end
    except NotInTreeError:
        return 0
