# SPDX-License-Identifier: MIT
"""Whether array, tree, connectors and memory blocks say the same."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.hypervisor.machine import Machine
from drmemctl.kernel.state import KernelState
from drmemctl.scenario.findings import contradictions_in
from drmemctl.scenario.subject import subject_of


def contradictions(state: KernelState, machine: Machine) -> Iterator[str]:
    """Yield what does not agree, a sentence each, as the rules of the family state have it."""
    found = contradictions_in(subject_of(state, machine), state.profile)
    return (f"{violation.rule}: {violation.message}" for violation in found)
