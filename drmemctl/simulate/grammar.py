# SPDX-License-Identifier: MIT
"""The step language: one step a line, errors with line, column and what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from drmemctl.errors import DrmemctlError, LimitError
from drmemctl.kernel.errno import is_errno_name
from drmemctl.numbers import parse_drc_index, parse_kernel_int
from drmemctl.simulate.steps import (
    Attach,
    Detach,
    Dlpar,
    Expect,
    FirmwareUpdate,
    Lpm,
    Migrate,
    Prrn,
    Reboot,
    Rtas,
    Step,
    Unmovable,
)
from drmemctl.tree.limits import LIMITS

_WORD = re.compile(r"\S+")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*\Z")


class StepError(DrmemctlError):
    """A step that the language does not have.

    Attributes:
        line: its line, from 1 on.
        column: where in it the fault is, from 1 on.
        expected: what could have stood there.

    """

    def __init__(self, text: str, line: int, column: int, expected: str) -> None:
        found = _WORD.match(text, column - 1)
        what = f"not {found[0]!r}" if found else "but the step ends"
        super().__init__(f"line {line}, column {column}: expected {expected}, {what}")
        self.text = text
        self.line = line
        self.column = column
        self.expected = expected


@dataclass(slots=True)
class _Words:
    """The words of a step, taken one by one."""

    text: str
    line: int
    words: list[tuple[int, str]]
    at: int = 0

    def fail(self, expected: str, *, back: int = 0) -> StepError:
        at = self.at - back
        column = self.words[at][0] + 1 if at < len(self.words) else len(self.text.rstrip()) + 1
        return StepError(self.text, self.line, column, expected)

    @property
    def left(self) -> int:
        return len(self.words) - self.at

    def next(self, expected: str) -> str:
        if not self.left:
            raise self.fail(expected)
        self.at += 1
        return self.words[self.at - 1][1]

    def number(self, expected: str, bits: int = 32) -> int:
        text = self.next(expected)
        try:
            return parse_kernel_int(text, bits)
        except ValueError as error:
            raise self.fail(f"{expected} ({error})", back=1) from None

    def drc_index(self) -> int:
        text = self.next("a DRC index")
        try:
            return parse_drc_index(text)
        except ValueError as error:
            raise self.fail(f"a DRC index ({error})", back=1) from None

    def signed(self, expected: str) -> int:
        text = self.next(expected)
        try:
            return -parse_kernel_int(text[1:]) if text.startswith("-") else parse_kernel_int(text)
        except ValueError as error:
            raise self.fail(f"{expected} ({error})", back=1) from None

    def keyword(self, *names: str) -> str:
        quoted = [f"`{name}`" for name in names]
        expected = " or ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))
        if self.next(expected) not in names:
            raise self.fail(expected, back=1)
        return self.words[self.at - 1][1]

    def end(self) -> None:
        if self.left:
            raise self.fail("the end of the step")


def parse_script(text: str) -> Iterator[Step]:
    """Yield the steps of a file; `StepError` at the first line that is none."""
    number = 0
    for line, content in enumerate(text.splitlines(), 1):
        step = parse_step(content, line)
        if step is not None:
            number += 1
            bound_steps(number)
            yield step


def bound_steps(number: int) -> None:
    """Raise `LimitError` for more steps than can be simulated in some seconds."""
    if number > LIMITS.max_steps:
        raise LimitError(f"more than the {LIMITS.max_steps:,} steps that are simulated", hint="do them in parts")


def parse_step(text: str, line: int = 1) -> Step | None:
    """Return the step in a line, None for an empty one or a comment."""
    words = [(match.start(), match[0]) for match in islice(_WORD.finditer(text), LIMITS.max_words + 1)]
    if len(words) > LIMITS.max_words:
        message = f"line {line} has more than the {LIMITS.max_words:,} words that a step may have"
        raise LimitError(message, hint="put it into several steps")
    words = _without_comment(words)
    if not words:
        return None
    taken = _Words(text, line, words)
    name = taken.next("a step")
    parser = _STEPS.get(name)
    if parser is None:
        raise taken.fail(f"a step ({', '.join(_STEPS)})", back=1)
    end = words[-1][0] + len(words[-1][1])
    step = parser(taken, text[words[0][0] : end])
    taken.end()
    return step


def _without_comment(words: list[tuple[int, str]]) -> list[tuple[int, str]]:
    for at, (_, word) in enumerate(words):
        # `firmware / #size-cells …`: in that place a property has to stand, and several begin so.
        if word.startswith("#") and not (at == 2 and words[0][1] == "firmware"):
            return words[:at]
    return words


def _dlpar(words: _Words, text: str) -> Step:
    words.next("what is written to /sys/kernel/dlpar")
    first = words.words[1][0]
    words.at = len(words.words)
    return Dlpar(text, words.text[first : words.words[-1][0] + len(words.words[-1][1])])


def _attach(words: _Words, text: str) -> Step:
    drc_index, count = words.drc_index(), words.number("how many LMBs")
    tell = words.words[0][1] == "plug"
    if not words.left:
        return Attach(text, drc_index, count, tell)
    where = words.keyword("node", "row", "assoc")
    if where == "node":
        return Attach(text, drc_index, count, tell, node=words.number("a Linux node"))
    if where == "row":
        return Attach(text, drc_index, count, tell, row=words.number("a row of the lookup arrays at boot"))
    return Attach(text, drc_index, count, tell, domains=_domains(words))


def _domains(words: _Words) -> tuple[int, ...]:
    expected = "an associativity list W,W,…"
    listed = words.next(expected).split(",")
    try:
        return tuple(parse_kernel_int(word) for word in listed)
    except ValueError as error:
        raise words.fail(f"{expected} ({error})", back=1) from None


def _detach(words: _Words, text: str) -> Step:
    tell = words.words[0][1] == "unplug"
    return Detach(text, words.drc_index(), words.number("how many LMBs"), tell)


def _firmware(words: _Words, text: str) -> Step:
    path = words.next("the path of a node")
    if not path.startswith("/"):
        raise words.fail("the path of a node, from / on", back=1)
    name, value = words.next("a property"), words.next("its value in hex, @FILE, or -")
    if value == "-":
        return FirmwareUpdate(text, path, name)
    if value.startswith("@"):
        return FirmwareUpdate(text, path, name, file=value[1:])
    if not _HEX.match(value):
        raise words.fail("whole bytes in hex, @FILE, or -", back=1)
    return FirmwareUpdate(text, path, name, bytes.fromhex(value))


def _lpm(words: _Words, text: str) -> Step:
    return Lpm(text, words.next("the tree of the destination"))


def _migrate(words: _Words, text: str) -> Step:
    return Migrate(text, words.next("a file of RTAS answers"))


def _prrn(words: _Words, text: str) -> Step:
    if words.left == 1:
        return Prrn(text, words.next("a tree, or a scope and phandles"))
    scope = words.signed("a tree, or a scope and phandles")
    phandles = [words.number("a phandle")]
    while words.left:
        phandles.append(words.number("a phandle"))
    return Prrn(text, scope=scope, phandles=tuple(phandles))


def _unmovable(words: _Words, text: str) -> Step:
    found = [words.drc_index()]
    while words.left:
        found.append(words.drc_index())
    return Unmovable(text, tuple(found), words.words[0][1] == "unmovable")


_SENSOR, _INDICATORS = 9003, (9001, 9003)


def _rtas(words: _Words, text: str) -> Step:
    call = words.keyword("get-sensor", "set-indicator", "configure-connector")
    if call == "configure-connector":
        return Rtas(text, call, words.drc_index())
    if call == "get-sensor":
        what = words.number("the sensor 9003")
        if what != _SENSOR:
            raise words.fail("the sensor 9003", back=1)
        return Rtas(text, call, words.drc_index(), what)
    what = words.number("the indicator 9001 or 9003")
    if what not in _INDICATORS:
        raise words.fail("the indicator 9001 or 9003", back=1)
    return Rtas(text, call, words.drc_index(), what, words.number("its new value"))


def _reboot(words: _Words, text: str) -> Step:
    return Reboot(text, words.words[0][1] == "kexec")


_EXPECTED = "ok, an error number's name, consistent, finding RULE, drc DRC aa|node N, or blocks N"


def _expect(words: _Words, text: str) -> Step:
    kind = words.next(_EXPECTED)
    if kind in ("ok", "consistent"):
        return Expect(text, kind)
    if kind == "finding":
        return Expect(text, kind, words.next("the id of a rule"))
    if kind == "blocks":
        return Expect(text, kind, number=words.number("a number of memory blocks"))
    if kind == "drc":
        drc_index = words.drc_index()
        field = words.keyword("aa", "node")
        return Expect(text, field, drc_index=drc_index, number=words.number("a number"))
    if is_errno_name(kind):
        return Expect(text, "errno", kind)
    raise words.fail(_EXPECTED, back=1)


_STEPS: dict[str, Callable[[_Words, str], Step]] = {
    "dlpar": _dlpar,
    "plug": _attach,
    "unplug": _detach,
    "attach": _attach,
    "detach": _detach,
    "firmware": _firmware,
    "lpm": _lpm,
    "migrate": _migrate,
    "prrn": _prrn,
    "unmovable": _unmovable,
    "movable": _unmovable,
    "rtas": _rtas,
    "reboot": _reboot,
    "kexec": _reboot,
    "expect": _expect,
}

STEP_NAMES = tuple(_STEPS)
