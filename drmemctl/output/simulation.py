# SPDX-License-Identifier: MIT
"""A simulation as text, which comes as the steps are done, as JSON, or as JUnit XML."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from drmemctl.output.json import streamed
from drmemctl.output.screen import Screen
from drmemctl.simulate.partition import Step, StepResult
from drmemctl.simulate.session import Session

_ASCII = str.maketrans({"…": "..."})


def show_lines(screen: Screen, lines: Iterable[str]) -> None:
    """Print lines, in ASCII where the output has no more."""
    try:
        "…".encode(sys.stdout.encoding or "utf-8")
    except (LookupError, UnicodeEncodeError):
        lines = (line.translate(_ASCII) for line in lines)
    screen.write_text(f"{line}\n" for line in lines)


def show_json(screen: Screen, session: Session) -> None:
    """Print the record of all steps done."""
    simulation = session.simulation
    lists = {
        "steps": map(StepResult.to_json, simulation.results),
        "blocks": simulation.blocks_to_json(),
        **simulation.distances_to_json(),
    }
    screen.write_all(streamed("simulate", simulation.head_to_json(), lists))


def show_junit(screen: Screen, session: Session, source: str, steps: Sequence[Step]) -> None:
    """Print the steps, done and left out, as JUnit XML."""
    from drmemctl.output.simulation_junit import junit

    screen.write_all(part.translate(_ASCII) for part in junit(session, source, steps))
