# SPDX-License-Identifier: MIT
"""What a report is made of: trees read and judged, their diff, a simulation. Nothing here is drawn yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drmemctl.check.report import Report
from drmemctl.compare.diff import Diff
from drmemctl.model.address_map import AddressMap
from drmemctl.model.live_system import LiveSystem
from drmemctl.model.lookup_usage import LookupUsage
from drmemctl.model.memory import Memory
from drmemctl.model.overview import Overview
from drmemctl.simulate.session import Session


@dataclass(frozen=True, slots=True)
class JudgedTree:
    """A tree and what is known of it.

    Attributes:
        overview: what `show` says.
        memory: LMBs and `memory@` nodes.
        address_map: what is at each address.
        usage: the lookup arrays and who uses them, None without dynamic memory or where there are too many.
        report: what `check` says.
        system: what the files beside the tree show of its kernel, None where they show no memory blocks.

    """

    overview: Overview
    memory: Memory
    address_map: AddressMap
    usage: LookupUsage | None
    report: Report
    system: LiveSystem | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A second tree, and what is different in it.

    Attributes:
        other: the second tree.
        diff: the differences.

    """

    other: JudgedTree
    diff: Diff


@dataclass(frozen=True, slots=True)
class Simulated:
    """Steps that were done to the tree.

    Attributes:
        session: the steps and what came of each.
        address_map: what is at each address after the last, None where that cannot be said.

    """

    session: Session
    address_map: AddressMap | None


@dataclass(frozen=True, slots=True)
class Material:
    """All of a report.

    Attributes:
        title: its heading, empty to make one of the partition's name.
        partition: the tree.
        comparison: the second tree, if there is one.
        simulated: the steps, if there are any.
        names: how to call the files that steps name, where not as they are written.

    """

    title: str
    partition: JudgedTree
    comparison: Comparison | None = None
    simulated: Simulated | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def newest(self) -> JudgedTree:
        """The tree that the page is about first of all: the second one, if there is one."""
        return self.partition if self.comparison is None else self.comparison.other
