# SPDX-License-Identifier: MIT
"""An exploration as JUnit XML: a test case for each locking policy, failed where an end is inconsistent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from drmemctl.output.explore import ExploreView, trace_lines
from drmemctl.output.screen import Screen
from drmemctl.output.xml import in_xml
from drmemctl.simulate.interleave.answer import PolicyAnswer
from drmemctl.simulate.interleave.trace import TracedEnd
from drmemctl.wording import count_of

_LINES = 200
"""Lines of a policy that are shown: a CI server keeps what it is given."""


def junit(view: ExploreView) -> Iterator[str]:
    """Yield the document; a policy is skipped if it is consistent so far, but not all schedules were looked at."""
    question, answers = view.question, view.answers
    name = in_xml(f"{question.tree.source}: Linux {question.kernel.name} on {question.hypervisor}")
    failures = sum(bool(answer.bad) for answer in answers)
    skipped = sum(not answer.bad and not answer.complete for answer in answers)
    counts = f'tests="{len(answers)}" failures="{failures}" errors="0" skipped="{skipped}"'
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="drmemctl explore">\n'
    yield f'  <testsuite name="{name}" {counts}>\n'
    for answer, ends in zip(answers, view.ends, strict=True):
        body = _body(view, answer, ends)
        head = f'    <testcase classname="{name}" name="locking {in_xml(answer.policy.name)}"'
        yield f"{head}>\n      {body}\n    </testcase>\n"
    threads = "\n".join(in_xml(f"{number} {text}") for number, text in enumerate(question.threads, 1))
    yield f"    <system-out>{threads}</system-out>\n  </testsuite>\n</testsuites>\n"


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
            return f"<system-out>{in_xml(looked_at)}</system-out>"
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
    return f'<failure type="inconsistent" message="{in_xml(message)}">{text}</failure>'
