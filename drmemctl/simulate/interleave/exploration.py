# SPDX-License-Identifier: MIT
"""What was explored and what came out, policy by policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import monotonic

from drmemctl.arguments import wrong_type
from drmemctl.check.engine import all_rules
from drmemctl.notebook import short_repr
from drmemctl.simulate.interleave.answer import INCONSISTENT, End, PolicyAnswer, Question
from drmemctl.simulate.interleave.deadline import NEVER
from drmemctl.simulate.interleave.policy import ALL, Policy, ThreadsError, all_policies, policy_named
from drmemctl.simulate.interleave.trace import Saved, TracedEnd, saved, traced_ends
from drmemctl.wording import did_you_mean, nearest


def policies_named(names: Iterable[str]) -> list[Policy]:
    """Return the policies of some names, each once; what the kernel does for none, every policy for `all`."""
    names = tuple(dict.fromkeys(names)) or ("kernel",)
    return list(all_policies()) if ALL in names else [policy_named(name) for name in names]


def until_named(word: str) -> str:
    """Return what ends a search at the first end that breaks it: nothing, `inconsistent`, or the id of a rule."""
    if word in ("", INCONSISTENT):
        return word
    rules = all_rules()
    if word.upper() not in rules:
        hint = did_you_mean(nearest(word, [INCONSISTENT, *rules]))
        raise ThreadsError(f"{word!r} is neither a rule nor {INCONSISTENT!r}", hint=hint)
    return word.upper()


@dataclass(frozen=True, slots=True)
class Exploration:
    """A question and its answers.

    Attributes:
        question: what was explored.
        answers: what came out for each policy.

    """

    question: Question
    answers: tuple[PolicyAnswer, ...]

    __repr__ = short_repr

    @property
    def consistent(self) -> bool:
        """Whether no schedule that was looked at ends inconsistent."""
        return not any(answer.bad for answer in self.answers)

    def of(self, locking: str) -> PolicyAnswer:
        """Return the answer for a policy; `KeyError` for one that was not asked for."""
        return {answer.policy.name: answer for answer in self.answers}[locking]

    def traced(self, answer: PolicyAnswer, *ends: End) -> Iterator[TracedEnd]:
        """Yield inconsistent ends with their actions: those named, else all of an answer, the worst first."""
        if not isinstance(answer, PolicyAnswer):
            raise wrong_type("answer", "a PolicyAnswer", answer)
        return traced_ends(self.question, answer, ends or answer.bad, monotonic() + NEVER)

    def worst(self) -> Saved | None:
        """Return the schedule of the worst end of the first policy that has one; `text()` is its file of steps."""
        for answer in self.answers:
            for end in answer.bad:
                if end.schedule:
                    return saved(self.question, answer.policy, end.schedule)
        return None
