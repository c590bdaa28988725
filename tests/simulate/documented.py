# SPDX-License-Identifier: MIT
"""The worked examples of docs/scenarios: step files whose first lines say what they run on, and where they differ.

- `tree: NAME` is a bundled tree, `hypervisor: NAME` is QEMU where it is not given.
- `kernels: V, V` are kernels on which every expectation holds.
- `recorded: NAME` is a run of a real kernel with the same steps in the same order, up to the first boot.
- `differs on: V [HYPERVISOR], …` are kernels (and hypervisors) on which the point, a line so marked, fails;
  `differs without: STEP` is a step without which it does, `differs without capability: NAME` a capability.
"""

from __future__ import annotations

from dataclasses import dataclass

from drmemctl.kernel.profiles import profile
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import StepResult
from drmemctl.simulate.simulation import Simulation
from tests.conftest import ROOT
from tests.simulate.records import tree_of

FOLDER = ROOT / "docs" / "scenarios"
POINT = "# the point:"


@dataclass(frozen=True)
class Documented:
    """A worked example."""

    name: str
    header: dict[str, str]
    lines: tuple[str, ...]

    def listed(self, key: str) -> list[str]:
        """Return the items of a header line, none where it is not there."""
        return [item.strip() for item in self.header.get(key, "").split(",") if item.strip()]

    @property
    def steps(self) -> list[str]:
        """The steps that are no expectations, without comments."""
        plain = (line.partition(" # ")[0].strip() for line in self.lines)
        return [line for line in plain if line and not line.startswith(("#", "expect "))]

    @property
    def hypervisor(self) -> str:
        """The hypervisor that it is about."""
        return self.header.get("hypervisor", "qemu")


def read(name: str) -> Documented:
    """Return the worked example of a name."""
    lines = (FOLDER / f"{name}.steps").read_text(encoding="utf-8").splitlines()
    end = lines.index("")
    header = dict(line.removeprefix("# ").split(": ", 1) for line in lines[:end])
    return Documented(name, header, tuple(lines[end + 1 :]))


NAMES = sorted(path.stem for path in FOLDER.glob("*.steps"))


def run(
    example: Documented, kernel: str, hypervisor: str = "", *, without: str = "", lacking: str = ""
) -> tuple[list[StepResult], list[StepResult]]:
    """Run an example; return the expectations that failed, and those of them that are its point."""
    held = profile(kernel).changed(removed=[lacking] if lacking else [])
    files = Files(file=lambda name: (ROOT / name).read_bytes(), tree=tree_of)
    simulation = Simulation(tree_of(example.header["tree"]), held, hypervisor or example.hypervisor, files=files)
    failed, points = [], []
    for line in example.lines:
        if line == without:
            continue
        result = simulation.run(line)
        if result.step.startswith("expect ") and not result.ok:
            failed.append(result)
            points += [result] if POINT in line else []
    return failed, points
