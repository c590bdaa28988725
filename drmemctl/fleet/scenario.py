# SPDX-License-Identifier: MIT
"""A scenario of a campaign: a capture, a kernel, and what is done to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from drmemctl.check.report import why_unread
from drmemctl.fleet.outcome import ScenarioOutcome
from drmemctl.fleet.rows import Row, printable, tree_at
from drmemctl.fleet.storage import local_path
from drmemctl.tree.node import Tree


class Scenario(NamedTuple):
    """A scenario.

    Attributes:
        url: where the capture is.
        version: which scenario on which state of the capture: a hash of all that follows.
        size: bytes of the capture, None where the storage does not say.
        state: the state of the capture.
        kernel: the kernel.
        kernels: all kernels of the campaign that can do the same, of which it is the first.
        hypervisor: the hypervisor, empty for the one that the tree names.
        steps: the steps one after the other, or what each thread does.
        policy: what keeps threads apart.
        seed: what random steps follow from.
        random: how many random steps there are.
        files: the states of the files that steps name, or may name.
        destinations: the captures that random steps may migrate to.

    """

    url: str
    version: str
    size: int | None
    state: str
    kernel: str
    kernels: tuple[str, ...]
    hypervisor: str = ""
    steps: tuple[str, ...] = ()
    policy: str = ""
    seed: int | None = None
    random: int = 0
    files: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()

    def versioned(self) -> Scenario:
        """Return it with its version."""
        text = json.dumps([part for name, part in self._asdict().items() if name not in ("version", "size")])
        return self._replace(version=sha256(text.encode()).hexdigest()[:16])

    @property
    def capture(self) -> str:
        """The capture as the command line takes it."""
        return local_path(self.url) or self.url

    def tree(self) -> Tree:
        """Return the tree, which the next scenario is likely to take as well."""
        return _tree(self.url, self.state)

    def options(self) -> list[str]:
        """Return the options that name kernel and hypervisor."""
        return ["--kernel", self.kernel, *(["--hypervisor", self.hypervisor] if self.hypervisor else [])]


@lru_cache(maxsize=8)
def _tree(url: str, _state: str) -> Tree:
    return tree_at(url)


def row_of(scenario: Scenario, carried_out: Callable[[Scenario], Mapping[str, Any]]) -> Row:
    """Return the row of a scenario; whatever goes wrong with it is its error."""
    try:
        return _facts_of(scenario) | dict(carried_out(scenario))
    except Exception as error:  # noqa: BLE001 - whatever a capture does to us is its row
        return failed_row(scenario, why_unread(error, scenario.capture))


def failed_row(scenario: Scenario, reason: str) -> Row:
    """Return the row of a scenario that came to nothing."""
    return _facts_of(scenario) | {"outcome": ScenarioOutcome.ERROR.name.lower(), "error": printable(reason)}


def _facts_of(scenario: Scenario) -> Row:
    return {
        "url": printable(scenario.url),
        "version": scenario.version,
        "kernel": scenario.kernel,
        "kernels": list(scenario.kernels),
        "hypervisor": scenario.hypervisor or None,
        "steps": list(map(printable, scenario.steps)),
        "policy": scenario.policy or None,
        "seed": scenario.seed,
    }
