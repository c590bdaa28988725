# SPDX-License-Identifier: MIT
"""A simulation as text, which comes as the steps are done, as JSON, or as JUnit XML."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence

from drmemctl.output.json import streamed
from drmemctl.output.screen import Screen
from drmemctl.simulate.partition import Step, StepResult
from drmemctl.simulate.session import Session

_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_FURTHER = 4
_ASCII = str.maketrans({"→": "->", "…": "..."})


def show_lines(screen: Screen, lines: Iterable[str]) -> None:
    """Print lines, in ASCII where the output has no more."""
    if not _is_unicode():
        lines = (line.translate(_ASCII) for line in lines)
    screen.write_all(f"{_wrapped(line, screen.width) if screen.terminal else line}\n" for line in lines)


def _wrapped(line: str, width: int) -> str:
    """Return a line broken between words, what follows further in; colours do not count."""
    if len(_COLOR.sub("", line)) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip(" ")) + _FURTHER)
    parts, used = [""], 0
    for word in re.split(r"(?<=\S) ", line):
        shown = len(_COLOR.sub("", word))
        if parts[-1] and used + 1 + shown > width:
            # The blanks that would align it on the line before are of no use here.
            word = word.lstrip(" ")  # noqa: PLW2901 - what is left of it
            parts.append(indent + word)
            used = len(indent) + len(_COLOR.sub("", word))
        else:
            parts[-1] = f"{parts[-1]} {word}" if parts[-1] else word
            used += shown + (1 if used else 0)
    return "\n".join(parts)


def _is_unicode() -> bool:
    try:
        "→…".encode(sys.stdout.encoding or "utf-8")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def show_json(screen: Screen, session: Session) -> None:
    """Print the record of all steps done."""
    simulation = session.simulation
    lists = {
        "steps": map(StepResult.to_json, simulation.results),
        "blocks": simulation.blocks_to_json(),
        **simulation.distances_to_json(),
    }
    screen.write_all(streamed(simulation.head_to_json(), lists))


def show_junit(screen: Screen, session: Session, source: str, steps: Sequence[Step]) -> None:
    """Print the steps, done and left out, as JUnit XML."""
    from drmemctl.output.simulation_junit import junit

    screen.write_all(part.translate(_ASCII) for part in junit(session, source, steps))
