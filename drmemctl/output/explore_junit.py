# SPDX-License-Identifier: MIT
"""An exploration as JUnit XML: a test case for each locking policy, failed where an end is inconsistent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from drmemctl.output.explore import ExploreView, trace_lines
from drmemctl.output.screen import Screen
from drmemctl.output.xml import failure, in_xml, junit_case, junit_document, junit_suite, system_out
from drmemctl.simulate.interleave.answer import PolicyAnswer
from drmemctl.simulate.interleave.trace import TracedEnd
from drmemctl.wording import count_of

_LINES = 200
"""Lines of a policy that are shown: a CI server keeps what it is given."""


def junit(view: ExploreView) -> Iterator[str]:
    """Return the document; a policy is skipped if it is consistent so far, but not all schedules were tried."""
    question, answers = view.question, view.answers
    name = in_xml(f"{question.tree.source}: Linux {question.kernel.name} on {question.hypervisor}")
    failures = sum(bool(answer.bad) for answer in answers)
    skipped = sum(not answer.bad and not answer.complete for answer in answers)
    cases = (
        junit_case(name, f"locking {in_xml(answer.policy.name)}", _body(view, answer, ends))
        for answer, ends in zip(answers, view.ends, strict=True)
    )
    threads = "\n".join(in_xml(f"{number} {text}") for number, text in enumerate(question.threads, 1))
    parts = chain(cases, (f"    {system_out(threads)}\n",))
    return junit_document("explore", junit_suite(name, (len(answers), failures, 0, skipped), parts))


def _body(view: ExploreView, answer: PolicyAnswer, ends: Iterable[TracedEnd]) -> str:
    looked_at = (
        f"{count_of(answer.schedules, 'schedule')}, {count_of(answer.states, 'state')}, "
        f"{count_of(answer.ends, 'end')}, {len(answer.bad):,} inconsistent, {len(answer.races):,} by race"
    )
    lines = [looked_at]
    if not answer.complete:
        lines.append(f"not complete: {answer.why}; there may be other ends")
    if not answer.bad:
        if answer.complete:
            return system_out(in_xml(looked_at))
        return f'<skipped message="{in_xml("; ".join(lines))}"/>'
    shown = (
        line
        for number, traced in enumerate(ends, 1)
        for line in trace_lines(Screen(), view.question.threads, f"{answer.policy.name}, end {number}", traced)
    )
    lines += [line for piece in islice(shown, _LINES) for line in piece.rstrip("\n").split("\n")]
    worst = answer.worst
    message = looked_at if worst is None else f"{worst.rule} {worst.title}".strip() + f": {worst.message}"
    text = "\n".join(in_xml(line) for line in lines)
    return failure("inconsistent", in_xml(message), text)
