# SPDX-License-Identifier: MIT
"""What a half-written step could go on with: steps, DRC indexes, nodes and properties of the tree, file names."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from drmemctl.output.text import safe
from drmemctl.simulate.partition import Step
from drmemctl.simulate.simulation import Simulation
from drmemctl.simulate.step_words import BLOCK, DRC, FILE, NUMBER, PATH, PROPERTY, VALUE
from drmemctl.simulate.steps.language import STEP_NAMES, STEPS

_MOST = 200
"""Of a machine with 100,000 LMBs nobody reads the list."""


def completions(simulation: Simulation, before: str, text: str, commands: Iterable[str] = ()) -> list[str]:
    """Return what a word that begins with `text` could be, after the words `before` it."""
    words = before.split()
    if not words:
        return [f"{name} " for name in (*STEP_NAMES, *commands) if name.startswith(text)]
    kind = STEPS.get(words[0], Step)
    places = (("lmb",),) if words[0] == "show" else kind.completions
    number = min(len(words), len(places)) if kind.repeats else len(words)
    if number > len(places):
        return []
    place = places[number - 1]
    names = (name for word in place for name in _of_kind(simulation, word, words, text))
    candidates = list(islice(dict.fromkeys(names), _MOST))
    # A word that can be nothing else is done.
    return (
        [f"{name} " for name in candidates]
        if len(candidates) == 1 and not candidates[0].endswith("/")
        else candidates
    )


def _of_kind(simulation: Simulation, kind: str, words: list[str], text: str) -> Iterable[str]:
    if kind in (DRC, BLOCK):
        blocks = (str(block) for block, _ in islice(simulation.state.blocks, 1 << 16))
        fitting = (name for name in blocks if name.startswith(text))
        return _drc_indexes(simulation, text) if kind == DRC else fitting
    if kind == PATH:
        return (path for path, _ in simulation.tree.walk() if _fits(path, text))
    if kind == PROPERTY:
        node = simulation.tree.find(words[1])
        return () if node is None else (prop.name for prop in node.properties if _fits(prop.name, text))
    if kind == FILE:
        return _files(text)
    if kind == VALUE:
        return [f"@{name}" for name in _files(text[1:])] if text.startswith("@") else []
    return [kind] if kind != NUMBER and kind.startswith(text) else []


def _fits(name: str, text: str) -> bool:
    # A name that is no plain text cannot be written at the prompt, and must not be written to it.
    return name.startswith(text) and safe(name, None) == name


def _drc_indexes(simulation: Simulation, text: str) -> Iterable[str]:
    wanted = text.lower()
    for run in simulation.state.table.runs:
        # Only where runs can begin so: not every LMB of a large machine.
        candidates = (f"{run.drc_index + position:#x}" for position in range(min(run.lmbs, 1 << 16)))
        yield from (name for name in candidates if name.startswith(wanted))


def _files(text: str) -> list[str]:
    folder, _, start = text.rpartition("/")
    where = Path(f"{folder}/" if "/" in text else ".")
    head = f"{folder}/" if "/" in text else ""
    try:
        candidates = sorted(where.iterdir())
    except OSError:
        return []
    names = (
        f"{head}{path.name}{'/' if path.is_dir() else ''}" for path in candidates if path.name.startswith(start)
    )
    return [name for name in names if safe(name, None) == name]
