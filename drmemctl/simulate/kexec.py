# SPDX-License-Identifier: MIT
"""The kernel that kexec starts: what it gets of a partition, the memory it makes of that, and what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from drmemctl.check.engine import Plan
from drmemctl.check.finding import Finding
from drmemctl.check.report import report_tree
from drmemctl.kernel.boot import boot
from drmemctl.kernel.boot_regions import boot_regions
from drmemctl.kernel.crash_cma import CrashCma
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.kdump import (
    CrashMemory,
    CrashRegion,
    Producer,
    crash_regions,
    is_crash_tree,
    kdump_tree,
    without_usable,
)
from drmemctl.kernel.kexec_load import LOADED_BY, Route, check_load, default_route, next_tree
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.state import KernelState
from drmemctl.notebook import short_repr
from drmemctl.simulate.next_kernel import HandedLmbs, handed_lmbs, next_findings, tree_handed_on
from drmemctl.simulate.rearm import Rearm
from drmemctl.simulate.session import Session
from drmemctl.tree.node import Tree

FADUMP = "fadump"

_BY_FIRMWARE = "firmware boots the kernel that saves the dump, with its own tree; LMBs are the hypervisor's"


@dataclass(frozen=True, slots=True)
class NextKernel:
    """The kernel that is loaded now, and boots next.

    Attributes:
        kernel: the next kernel after boot.
        purpose: what it is loaded for: `plain` or `fadump`.
        route: `file`, `classic`, or `firmware`.
        why: who loads it so, in words.
        lmbs: the LMBs of all sides.
        findings: what is wrong with what it gets.
        tree: the tree that it gets.
        faults: what goes wrong in its boot.
        rearm: for `fadump` after steps, whether the dump has to be registered again; else None.

    """

    kernel: KernelState
    purpose: str
    route: str
    why: str
    lmbs: Sequence[HandedLmbs]
    findings: Sequence[Finding]
    tree: Tree
    faults: Collection[Fault]
    rearm: Rearm | None = None

    __repr__ = short_repr

    @classmethod
    def of(cls, session: Session, purpose: str = "plain", load: str | None = None) -> NextKernel:
        """Load a kernel by a route, without one as kexec-tools choose, and boot it."""
        partition = session.simulation.situation
        profile = partition.kernel.profile
        route, why = default_route(profile)
        if load is not None:
            route = Route(load)
            why = LOADED_BY[route]
        tree = tree_handed_on(partition, purpose, route)
        state, faults = boot(tree, profile)
        findings = next_findings(partition, tree)
        by_firmware = purpose == FADUMP
        name = "firmware" if by_firmware else route.value
        lmbs = list(handed_lmbs(partition, tree))
        rearm = Rearm.of_fadump(session) if by_firmware and session.done else None
        return cls(state, purpose, name, _BY_FIRMWARE if by_firmware else why, lmbs, findings, tree, faults, rearm)


@dataclass(frozen=True, slots=True)
class CrashLoad:
    """How a crash kernel is loaded.

    Attributes:
        memory: what is reserved for it; None for what the tree's /chosen says.
        producer: who makes its tree.
        page: the page size of who does.
        hotplug: whether kexec-tools say that the kernel may change what they loaded (kexec -c --hotplug).

    """

    memory: CrashMemory | None
    producer: Producer
    page: int
    hotplug: bool = False

    @property
    def route(self) -> Route:
        """By which system call."""
        return Route.FILE if self.producer is Producer.FILE else Route.CLASSIC


@dataclass(frozen=True, slots=True)
class CrashKernel:
    """A crash kernel.

    Attributes:
        kernel: the crash kernel after boot.
        tree: the tree that it gets.
        regions: the memory that it makes of it.
        findings: what is wrong.
        faults: what goes wrong in its boot.
        cma: what is made of `crashkernel=SIZE,cma`, None where that is not asked for.
        rearm: after steps, whether one that was loaded before them has to be loaded again; else None.

    """

    kernel: KernelState
    tree: Tree
    regions: Sequence[CrashRegion]
    findings: Sequence[Finding]
    faults: Collection[Fault]
    cma: CrashCma | None = None
    rearm: Rearm | None = None

    __repr__ = short_repr

    @classmethod
    def of(cls, base: Tree, live: Tree, load: CrashLoad, profile: Profile) -> CrashKernel:
        """Boot the crash kernel that is loaded with a tree made of `base`, by a kernel that runs on `live`."""
        tree = base
        if load.memory is not None or not is_crash_tree(base):
            memory = load.memory or CrashMemory.from_tree(base)
            tree = kdump_tree(base, memory, load.producer, load.page)
            if load.producer is Producer.FILE:
                check_load(base, tree, memory, profile)
        state, faults = boot(tree, profile)
        regions, _ = boot_regions(tree, profile)
        first, _ = boot_regions(without_usable(live), profile)
        findings = report_tree(tree, Plan(select=("DRM064",), kernel=profile)).findings
        return cls(state, tree, crash_regions(regions, first), findings, faults, CrashCma.of(live, profile))

    @classmethod
    def after(cls, session: Session, load: CrashLoad) -> CrashKernel:
        """Boot the crash kernel that is loaded after the traced steps of a session."""
        partition = session.simulation.situation
        base = next_tree(partition.booted, partition.kernel.tree, load.route)
        crash = cls.of(base, partition.kernel.tree, load, partition.kernel.profile)
        rearm = Rearm.of_crash_kernel(session, load.route, load.memory, hotplug=load.hotplug)
        return replace(crash, rearm=rearm)
