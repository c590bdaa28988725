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

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

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
    "the memory that went last was in the middle of a range: the size of the range behind it is negative, and"
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
    """Who keeps the list of dumped ranges up to date as memory comes and goes."""

    KERNEL = "kernel"
    SECOND_KERNEL = "second-kernel"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Rearm:
    """Whether an armed dump (a loaded crash kernel, or a registered fadump) has to be armed again, and why.

    Attributes:
        needed: whether it has to be armed again.
        kept_by: who keeps its list of ranges up to date.
        why: the reason for `needed`, a sentence.
        events: MEM_ONLINE and MEM_OFFLINE events of memory blocks since it was armed.
        came: LMBs whose memory was added since then.
        went: LMBs whose memory was removed since then.
        lacks: LMBs with memory that it does not dump.
        stale: LMBs that it would dump though their memory is removed.
        command: the shell command that arms it again.
        flag: path of the sysfs file that tells user space whether the kernel keeps it up to date.
        flag_value: content of that file; None: this kernel has no such file.
        notes: defects of this kernel for which it need not be armed again.

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
        """Judge a crash kernel that was loaded before the (traced) steps of a session.

        Args:
            session: the steps.
            route: the system call that loaded it.
            memory: the memory reserved for it; None: as /chosen of the tree says.
            hotplug: whether kexec-tools loaded it with --hotplug.

        """
        has_support = session.simulation.profile.has(CRASH_HOTPLUG)
        is_kept = has_support and (hotplug or route is Route.FILE)
        options = "-s" if route is Route.FILE else "-c --hotplug" if hotplug else "-c"
        arming = _Arming(f"kexec {options} -p", MEMORY_FLAG, int(is_kept) if has_support else None)
        events = MemoryEvents.of(session.simulation)
        if not is_kept:
            return cls._kept_by_nobody(events, _NOT_ALLOWED if has_support else _TOO_OLD, arming)
        rearm = cls._not_needed(events, KeptBy.KERNEL, _IN_PLACE if events.count else _NOTHING, arming)
        defect, notes = _update_defects(session, events, route, memory)
        if defect == _NO_ROOM:  # the elfcorehdr lists the memory of when it was loaded
            return replace(rearm, needed=True, why=defect, lacks=rearm.came, stale=rearm.went, notes=notes)
        stale = events.went_quietly
        why = defect or (_QUIETLY_GONE if stale else rearm.why)
        return replace(rearm, needed=bool(defect or stale), why=why, stale=stale, notes=notes)

    @classmethod
    def of_fadump(cls, session: Session) -> Rearm:
        """Judge a dump that was registered with firmware before the (traced) steps of a session."""
        events, command = MemoryEvents.of(session.simulation), "echo 1 > /sys/kernel/fadump/registered"
        if session.simulation.profile.has(FADUMP_HOTPLUG):
            arming = _Arming(command, FADUMP_FLAG, 1)
            return cls._not_needed(events, KeptBy.SECOND_KERNEL, _BY_SECOND_KERNEL, arming)
        return cls._kept_by_nobody(events, _AT_REGISTRATION, _Arming(command, FADUMP_FLAG, None))

    @classmethod
    def _kept_by_nobody(cls, events: MemoryEvents, why: str, arming: _Arming) -> Rearm:
        """Return the judgement where the list of ranges stays as it was when the dump was armed."""
        rearm = cls._not_needed(events, KeptBy.NOBODY, why, arming)
        if rearm.came or rearm.went:
            return replace(rearm, needed=True, lacks=rearm.came, stale=rearm.went)
        return replace(rearm, why=why + _AS_BEFORE if events.count else _NOTHING)

    @classmethod
    def _not_needed(cls, events: MemoryEvents, kept_by: KeptBy, why: str, arming: _Arming) -> Rearm:
        """Return the judgement on a dump that lists the memory there is."""
        return cls(
            needed=False,
            kept_by=kept_by,
            why=why,
            events=events.count,
            came=events.came,
            went=events.went,
            lacks=(),
            stale=(),
            command=arming.command,
            flag=arming.flag,
            flag_value=arming.flag_value,
        )


class _Arming(NamedTuple):
    """The command that arms a dump; the sysfs file that says whether it is kept up to date, and its content."""

    command: str
    flag: str
    flag_value: int | None


def _update_defects(
    session: Session, events: MemoryEvents, route: Route, memory: CrashMemory | None
) -> tuple[str, tuple[str, ...]]:
    """Return the defects of the elfcorehdr that the last event wrote (`update_crash_elfcorehdr`).

    The first is the one to load again for ("" for none), then come those that are only told of.
    """
    if not events.count:
        return "", ()
    profile = session.simulation.profile
    notes = () if profile.has(CRASH_BACKUP_OFFSET) else (_FIRST_64K + _ONCE_MORE[route],)
    regions = events.regions()
    if len(regions) + _FURTHER_RANGES > _MOST_RANGES:
        return _NO_ROOM, notes
    if not events.splits(regions, _crash_memory_end(session, memory)):
        return "", notes
    if profile.has(CRASH_RANGE_SPLIT):
        return "", (*notes, _BYTE)
    return _SPLIT, notes


def _crash_memory_end(session: Session, memory: CrashMemory | None) -> int:
    """Return the address where the crash kernel's own memory ends, 0 where the tree does not say it."""
    try:
        return (memory or CrashMemory.from_tree(session.simulation.tree)).end
    except NotInTreeError:
        return 0
