# SPDX-License-Identifier: MIT
"""Carrying steps out on a tree, and what follows: simulated, repaired, explored, booted anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from drmemctl.api.kernels import profile_for
from drmemctl.api.words import check_word
from drmemctl.arguments import checked
from drmemctl.simulate.session import Steps, simulate, steps_of

if TYPE_CHECKING:
    from drmemctl.kernel.kdump import CrashMemory
    from drmemctl.kernel.profiles import Profile
    from drmemctl.kernel.registered_memory import RegisteredMemory
    from drmemctl.simulate.files import Files
    from drmemctl.simulate.interleave.exploration import Exploration
    from drmemctl.simulate.interleave.policy import Policy
    from drmemctl.simulate.kexec import CrashKernel, NextKernel
    from drmemctl.simulate.removable import Removable
    from drmemctl.simulate.repair import Repair
    from drmemctl.tree.node import Tree

    Kernel = str | Profile | None


@checked()
def repair(
    tree: Tree,
    steps: Steps = (),
    *,
    goal: str = "consistent",
    kernel: Kernel = None,
    hypervisor: str | None = None,
) -> Repair:
    """Return the fewest requests after which all agree again, after some steps.

    `goal` is `consistent`, or a rule that is to find nothing any more.
    """
    from drmemctl.simulate.repair import CONSISTENT, goals, repair

    check_word("goal", goal, (CONSISTENT, *goals()))
    return repair(simulate(tree, steps, kernel=kernel, hypervisor=hypervisor, findings=False).simulation, goal)


@checked()
def removable(
    tree: Tree,
    steps: Steps = (),
    *,
    kernel: Kernel = None,
    hypervisor: str | None = None,
    cmdline: str | None = None,
) -> Removable:
    """Return of each assigned LMB whether it can leave the running kernel and why not, after some steps."""
    from drmemctl.kernel.cmdline import with_command_line
    from drmemctl.simulate.removable import Removable

    tree = with_command_line(tree, cmdline)
    return Removable.of(simulate(tree, steps, kernel=kernel, hypervisor=hypervisor, findings=False).simulation)


@checked()
def memblock(
    tree: Tree,
    steps: Steps = (),
    *,
    kernel: Kernel = None,
    hypervisor: str | None = None,
    cmdline: str | None = None,
    added: Iterable[str] = (),
    removed: Iterable[str] = (),
) -> RegisteredMemory:
    """Return memory as the kernel registers it at boot and after some steps, and what follows for each region.

    `cmdline` stands for the tree's own command line. Of a kernel that panics there is what it came to.
    """
    from drmemctl.kernel.cmdline import with_command_line
    from drmemctl.kernel.registered_memory import RegisteredMemory
    from drmemctl.simulate.memory_map import memory_after

    tree = with_command_line(tree, cmdline)
    profile = profile_for(tree, kernel, added, removed)
    memory, parsed = RegisteredMemory.of(tree, profile), steps_of(steps)
    if not parsed or memory.kernel.dead:
        return memory
    session = simulate(tree, parsed, kernel=profile, hypervisor=hypervisor, findings=False, traced=True)
    return memory_after(memory, session.simulation)


@checked()
def kexec(
    tree: Tree,
    steps: Steps = (),
    *,
    load: Literal["file", "classic"] | None = None,
    purpose: Literal["plain", "fadump"] = "plain",
    kernel: Kernel = None,
    hypervisor: str | None = None,
) -> NextKernel:
    """Return the next kernel: the tree that it gets, its LMBs beside those of all others, what is wrong.

    Args:
        tree: what the running kernel was booted with.
        steps: what is done before the next kernel is loaded.
        load: by kexec_file_load or kexec_load; without it as kexec-tools choose.
        purpose: `fadump` is the kernel that firmware boots after a crash.
        kernel: the running kernel, and the next.
        hypervisor: who owns the connectors.

    """
    from drmemctl.kernel.kexec_load import Route
    from drmemctl.simulate.kexec import FADUMP, NextKernel

    check_word("purpose", purpose, ("plain", FADUMP))
    if load is not None:
        check_word("load", load, tuple(Route))
    session = simulate(tree, steps, kernel=kernel, hypervisor=hypervisor, findings=False, traced=True)
    return NextKernel.of(session, purpose, load)


@checked()
def kdump(
    tree: Tree,
    steps: Steps = (),
    *,
    memory: CrashMemory | None = None,
    producer: Literal["kexec-tools", "kexec-file"] = "kexec-tools",
    page: int = 4096,
    hotplug: bool = False,
    kernel: Kernel = None,
    hypervisor: str | None = None,
) -> CrashKernel:
    """Return the crash kernel that is loaded after some steps: its tree, its memory, what is wrong.

    Args:
        tree: what the running kernel was booted with; without steps, what it runs on.
        steps: what is done before the crash kernel is loaded.
        memory: what is reserved for it, as crashkernel= says; else as /chosen says.
        producer: who makes its tree: kexec -p, or the kernel (kexec -s -p).
        page: the page size in bytes.
        hotplug: whether kexec -c is called with --hotplug.
        kernel: the running kernel, and the crash kernel.
        hypervisor: who owns the connectors.

    """
    from drmemctl.kernel.kdump import Producer
    from drmemctl.simulate.kexec import CrashKernel, CrashLoad

    check_word("producer", producer, tuple(Producer))
    load = CrashLoad(memory, Producer(producer), page, hotplug)
    parsed = steps_of(steps)
    if not parsed:
        return CrashKernel.of(tree, tree, load, profile_for(tree, kernel))
    session = simulate(tree, parsed, kernel=kernel, hypervisor=hypervisor, findings=False, traced=True)
    return CrashKernel.after(session, load)


@checked()
def explore(
    tree: Tree,
    threads: Sequence[str],
    *,
    locking: Sequence[str] = ("kernel",),
    kernel: Kernel = None,
    hypervisor: str | None = None,
    added: Iterable[str] = (),
    removed: Iterable[str] = (),
    until: str = "",
    max_states: int = 10_000_000,
    max_seconds: float | None = None,
    jobs: int = 1,
    files: Files | None = None,
    tell: Callable[[Policy, int, int], None] | None = None,
) -> Exploration:
    """Return what threads can do to one another in every order that the locks allow.

    Args:
        tree: the tree that the kernel boots.
        threads: what each thread does: steps that set something off, separated by `;`, or `kdump`.
        locking: what keeps them apart: names of policies, or `all`.
        kernel: the kernel.
        hypervisor: who owns the connectors; without it, as the tree says.
        added: capabilities that the kernel has besides.
        removed: capabilities that it lacks.
        until: a rule or `inconsistent`: stop at the first end that breaks it.
        max_states: give up after so many states of a policy.
        max_seconds: give up after so long, in all.
        jobs: policies at a time.
        files: how trees and files in steps are read.
        tell: is told of the states and ends of a policy so far.

    Raises `ThreadsError` or `StepError` for threads that cannot be explored.

    """
    from drmemctl.hypervisor.inference import inferred_hypervisor
    from drmemctl.simulate.files import Files
    from drmemctl.simulate.interleave.answer import Question, answers
    from drmemctl.simulate.interleave.deadline import NEVER
    from drmemctl.simulate.interleave.exploration import Exploration, policies_named, until_named
    from drmemctl.simulate.interleave.search import Bounds

    profile = profile_for(tree, kernel, added, removed)
    machine = hypervisor or inferred_hypervisor(tree).name
    bounds = Bounds(max_states, max_seconds or NEVER)
    threads = (threads,) if isinstance(threads, str) else tuple(threads)
    question = Question(tree, threads, profile, machine, bounds, until_named(until), files or Files())
    policies = policies_named((locking,) if isinstance(locking, str) else locking)
    return Exploration(question, tuple(answers(question, policies, jobs=jobs, tell=tell)))
