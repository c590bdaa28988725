# SPDX-License-Identifier: MIT
"""What happens in a schedule, action by action, and the step file that keeps it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, cast

from drmemctl.check.finding import Finding
from drmemctl.errors import InputError
from drmemctl.kernel.profiles import ProfileError, profile
from drmemctl.kernel.task import Action
from drmemctl.kernel.trace import Trace, TraceEvent
from drmemctl.notebook import short_repr
from drmemctl.simulate.interleave.answer import End, PolicyAnswer, Question
from drmemctl.simulate.interleave.deadline import TimeUpError, ended_at
from drmemctl.simulate.interleave.engine import Engine
from drmemctl.simulate.interleave.judge import EndJudge
from drmemctl.simulate.interleave.policy import Policy, ThreadsError, policy_named
from drmemctl.simulate.interleave.schedule import states_of
from drmemctl.simulate.interleave.threads import Reload

HEADER = "# drmemctl explore schedule 1"


@dataclass(frozen=True, slots=True)
class TracedAction:
    """One action.

    Attributes:
        thread: the number of the thread, from 0 on.
        action: the action.
        events: what it did, as the kernel's trace has it.
        log: what the thread printed up to its next action; with its first one, also what it printed before.
        passed_over: whether the notifier did nothing since the flag for all threads was set.
        lost: whether it was another thread that had set it: then the update is lost.

    """

    thread: int
    action: Action
    events: tuple[TraceEvent, ...]
    log: tuple[str, ...]
    passed_over: bool = False
    lost: bool = False

    @property
    def counts(self) -> bool:
        """Whether it has to do with anything that threads share, or prints something."""
        action = self.action
        return bool(self.events or self.log or action.locks or action.touches.reads or action.touches.writes)


def rows(engine: Engine, schedule: Sequence[int]) -> Iterator[TracedAction]:
    """Yield the actions of a schedule; `ValueError` if it cannot be kept."""
    flush, started = -1, set[int]()
    for state, thread in zip(states_of(engine, schedule), schedule, strict=False):
        events = Trace()
        action = engine.action(state, thread)
        _, result, job = engine.perform(state, thread, events)
        log = (*job.log, *engine.messages_after(state, thread, cast("Hashable", result)))
        if action is None:
            continue
        if thread not in started:
            log = (*engine.messages_before_first(thread), *log)
            started.add(thread)
        flush = thread if action.name == "set_updating" else flush
        is_passed_over = action.name == "pseries_memory_notifier" and state.partition.kernel.updating
        yield TracedAction(thread, action, tuple(events), log, is_passed_over, is_passed_over and flush != thread)


class TracedEnd(NamedTuple):
    """An inconsistent end and the actions that lead there; no actions where no time was left for them."""

    end: End
    actions: Sequence[TracedAction]


def traced_ends(
    question: Question, answer: PolicyAnswer, ends: Sequence[End], deadline: float
) -> Iterator[TracedEnd]:
    """Yield ends of a policy's answer with their actions, as long as there is time (`monotonic`)."""
    for end in ends:
        actions: Sequence[TracedAction] = ()
        with suppress(TimeUpError), ended_at(deadline):
            actions = tuple(rows(question.engine(answer.policy), end.schedule))
        yield TracedEnd(end, actions)


def label(action: Action) -> str:
    """Return the word for an action by which a step file can tell whether it is kept."""
    lock = action.joins or action.takes or action.drops
    if isinstance(action, Reload):
        return "reload"
    return action.name if lock is None else f"{action.name} {lock.name.lower().replace('_', '-')}"


@dataclass(frozen=True, slots=True)
class Saved:
    """A schedule with all that it needs to be kept again.

    Attributes:
        question: what was explored, but for the bounds.
        policy: which locks held.
        schedule: whose turn it is, action by action.
        labels: what each action is.

    """

    question: Question
    policy: Policy
    schedule: tuple[int, ...]
    labels: tuple[str, ...]

    __repr__ = short_repr

    def text(self) -> str:
        """Return the step file."""
        kernel = self.question.kernel
        release = profile(kernel.name).capabilities
        added, removed = sorted(kernel.capabilities - release), sorted(release - kernel.capabilities)
        head = [HEADER, f"kernel {kernel.name}", f"hypervisor {self.question.hypervisor}"]
        head += [f"with {name}" for name in added] + [f"without {name}" for name in removed]
        head += [f"locking {self.policy.name}", *(f"thread {text}" for text in self.question.threads)]
        steps = (f"{thread + 1} {name}" for thread, name in zip(self.schedule, self.labels, strict=True))
        return "\n".join([*head, "schedule", *steps]) + "\n"


def saved(question: Question, policy: Policy, schedule: Sequence[int]) -> Saved:
    """Return a schedule to be kept."""
    engine = question.engine(policy)
    return Saved(question, policy, tuple(schedule), tuple(label(row.action) for row in rows(engine, schedule)))


def read_schedule(text: str, source: str, question: Question) -> Saved:
    """Return the schedule of a step file for a tree; `InputError` for any other text."""
    head, separator, body = text.partition("\nschedule\n")
    if not separator or not head.startswith(HEADER):
        hint = "name a file that `drmemctl explore --save-trace` wrote"
        raise InputError("this is no saved schedule", source=source, hint=hint)
    fields = [line.partition(" ") for line in head.splitlines()[1:] if line and not line.startswith("#")]

    def values_of(key: str) -> list[str]:
        return [value for name, _, value in fields if name == key]

    try:
        kernel = profile(values_of("kernel")[0], values_of("with"), values_of("without"))
        policy, hypervisor = policy_named(values_of("locking")[0]), values_of("hypervisor")[0]
        steps = [line.partition(" ") for line in body.splitlines() if line and not line.startswith("#")]
        order = tuple(int(number) - 1 for number, _, _ in steps)
    except (IndexError, KeyError, ValueError, ProfileError, ThreadsError) as error:
        raise InputError(f"the schedule is not whole: {error}", source=source) from error
    question = Question(question.tree, tuple(values_of("thread")), kernel, hypervisor, files=question.files)
    return Saved(question, policy, order, tuple(name for _, _, name in steps))


@dataclass(frozen=True, slots=True)
class Replay:
    """A schedule that was kept: its actions, what the threads came to, what is wrong at its end."""

    saved: Saved
    rows: tuple[TracedAction, ...]
    outcomes: tuple[int | None, ...]
    verdicts: tuple[Finding, ...]
    ended: bool


def replay(schedule: Saved) -> Replay:
    """Keep a schedule exactly; `ThreadsError` where that cannot be."""
    engine = schedule.question.engine(schedule.policy)
    try:
        traced = tuple(rows(engine, schedule.schedule))
    except ValueError as error:
        raise ThreadsError(f"the schedule cannot be kept: {error}") from error
    for number, (row, name) in enumerate(zip(traced, schedule.labels, strict=True), 1):
        if label(row.action) != name:
            raise ThreadsError(f"action {number} is {label(row.action)!r}, the schedule has {name!r} there")
    last = states_of(engine, schedule.schedule)[-1]
    endless = [thread.endless for thread in engine.threads]
    outcomes = engine.outcomes(last)
    verdicts = EndJudge(engine.first.partition).findings(last.partition, outcomes, endless)
    return Replay(schedule, traced, outcomes, verdicts, not engine.enabled(last))
