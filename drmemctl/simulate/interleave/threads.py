# SPDX-License-Identifier: MIT
"""Threads of the kernel: tasks of steps whose actions the search interleaves, and user space's kdump reload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drmemctl.kernel import plugins
from drmemctl.kernel.job import Job
from drmemctl.kernel.task import Action, Footprint, Lock, StatePart, Task
from drmemctl.simulate.files import Files
from drmemctl.simulate.interleave.policy import Policy, ThreadsError
from drmemctl.simulate.step_words import StepError, parts_of
from drmemctl.simulate.steps.kernel_step import Circumstances, KernelStep, MakeTask
from drmemctl.simulate.steps.language import STEPS, parse_step
from drmemctl.tree.node import Tree

KDUMP = "kdump"
"""A thread that is no step: user space, which loads the crash kernel anew whenever memory came or went."""

_RELOAD = Footprint(frozenset({StatePart.LMBS, StatePart.BLOCKS}), frozenset({StatePart.CRASH_KERNEL}))


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread.

    Attributes:
        text: the steps that it does, as the user wrote them.
        make: makes its task for a job, of which the task uses nothing but the kernel's capabilities.
        touches: what any of its actions may read and write.
        locks: the locks that any of its actions may wait for.
        endless: whether it goes on for ever, and the others' end is the end.

    """

    text: str
    make: MakeTask
    touches: Footprint
    locks: frozenset[Lock]
    endless: bool = False


class Reload(Action):
    """User space's reload of the crash kernel: not before a memory block came or went."""


def _kdump(job: Job) -> Task[int]:
    del job
    while True:
        yield Reload("kexec -p", lambda _: None, _RELOAD)


def steps_of(text: str) -> list[KernelStep]:
    """Return the steps of a thread, none for kdump; `StepError` for what is none, or cannot be a thread's."""
    if text.strip() == KDUMP:
        return []
    parsed = [step for part in parts_of(text) if (step := parse_step(part)) is not None]
    if not parsed:
        raise StepError(text, 1, 1, "a step")
    steps: list[KernelStep] = []
    for step in parsed:
        if not isinstance(step, KernelStep) or not step.interleaves:
            names = [name for name, kind in STEPS.items() if issubclass(kind, KernelStep) and kind.interleaves]
            raise StepError(step.text, 1, 1, f"a step that sets a thread off ({', '.join(names)}), or {KDUMP}")
        steps.append(step)
    return steps


def _thread(text: str, base: Tree, files: Files, policy: Policy) -> Thread:
    """Return the thread of steps separated by `;`, or of kdump."""
    steps = steps_of(text)
    if not steps:
        return Thread(KDUMP, _kdump, _RELOAD, frozenset(), endless=True)
    circumstances = Circumstances(base, files, alone=False, drains=policy.drains, hotplug_lock=policy.hotplug)
    tasks = [plugins.task_maker(step, circumstances) for step in steps]
    touches = Footprint()
    for step in steps:
        touches |= step.touches

    def in_sequence(job: Job) -> Task[int]:
        rc = 0
        for make in tasks:
            rc = (yield from make(job)) or rc
        return rc

    return Thread("; ".join(step.text for step in steps), in_sequence, touches, frozenset(Lock))


def threads_of(texts: Sequence[str], base: Tree, files: Files, policy: Policy) -> tuple[Thread, ...]:
    """Return the threads on a kernel that came up with `base`.

    `ThreadsError` for none at all, `StepError` for what is no step, or none that can be a thread's.
    """
    if not texts:
        raise ThreadsError("there is no thread to explore", hint="add --thread STEP")
    return tuple(_thread(text, base, files, policy) for text in texts)
