# SPDX-License-Identifier: MIT
"""A QEMU as something that steps are done to: its connectors, without a guest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from drmemctl.qualify.connector_walk import (
    DIRECTED,
    RealConnectors,
    SimulatedConnectors,
    WalkAnswer,
    random_walk,
    walked,
)
from drmemctl.qualify.qtest import firmware_blob, version_of
from drmemctl.qualify.trial import Difference, Trial, file_name
from drmemctl.tree.fdt_reader import read_fdt


class QemuSubject:
    """A QEMU.

    Attributes:
        version: its version.
        tree: the tree of its machine.

    """

    def __init__(self, qemu: str, place: Path) -> None:
        self._qemu, self._place = qemu, place
        self.version = version_of(qemu)
        place.mkdir(parents=True, exist_ok=True)
        self.tree = read_fdt(firmware_blob(qemu, self.version, place), "machine.dtb")

    @property
    def name(self) -> str:
        """What it is."""
        return f"QEMU {'.'.join(map(str, self.version))}"

    @property
    def model(self) -> str:
        """What it is held against."""
        return f"qemu-{self.version[0]}.{self.version[1]}"

    def differences(self, steps: Sequence[str], place: str) -> list[Difference]:
        """Walk through the connectors of a new machine; what it answered is kept."""
        with TemporaryDirectory() as sockets:  # its path is short: that of a socket has to be
            connectors = RealConnectors(self._qemu, Path(sockets))
            try:
                answers = walked(connectors, steps)
            finally:
                connectors.close()
        records = [{"step": step, **answer.to_json()} for step, answer in zip(steps, answers, strict=False)]
        path = self._place / f"{file_name(place)}.json"
        path.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
        simulated = walked(SimulatedConnectors.of(self.tree, self.version), steps)
        return list(answer_differences(steps, answers, simulated))


def answer_differences(
    steps: Sequence[str], answers: Sequence[WalkAnswer], simulated: Sequence[WalkAnswer]
) -> Iterator[Difference]:
    """Yield where answers are not the simulated ones, up to where one of the two ended."""
    for number, (step, real, model) in enumerate(zip(steps, answers, simulated, strict=False), 1):
        if not real.agrees(model):
            aspect = "answer" if real.words != model.words else "events"
            yield Difference(number, step, aspect, _words(real), _words(model), "")
            return  # after it, the two are not in the same state


def _words(answer: WalkAnswer) -> str:
    words = answer.words if isinstance(answer.words, str) else " ".join(map(str, answer.words))
    message = f" ({answer.said})" if answer.said else ""
    return " ".join((words, *answer.events)) + message


def qemu_trials(seed: int, length: int, number: int) -> Iterator[Trial]:
    """Yield the walks made by hand, then random ones."""
    for name, steps in DIRECTED.items():
        yield Trial(name, steps)
    for walk in range(seed, seed + number):
        yield Trial(f"seed {walk}", tuple(random_walk(walk, length)))
