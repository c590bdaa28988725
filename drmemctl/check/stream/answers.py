# SPDX-License-Identifier: MIT
"""What stream rules judge: RTAS answers in order, and the tree that their numbers are about, if there is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TypeVar

from drmemctl.errors import DrmemctlError
from drmemctl.formats.drc import MY_DRC_INDEX
from drmemctl.formats.rtas_input import Answer
from drmemctl.formats.rtas_kinds import Decoded
from drmemctl.formats.rtas_labels import Labels
from drmemctl.model.drmem import LmbTable, RootCells
from drmemctl.model.phandles import phandle_of
from drmemctl.tree.node import Tree
from drmemctl.wording import count_of

_D = TypeVar("_D", bound=Decoded)


class TreeLabels(Labels):
    """The names that a tree has for phandles and DRC indexes."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        cells = RootCells.from_tree(tree)
        self.cells = (cells.address, cells.size)

    @cached_property
    def paths(self) -> dict[int, str]:
        """The path of each phandle; of two nodes with the same, Linux finds the first."""
        paths: dict[int, str] = {}
        for path, node in self.tree.walk():
            paths.setdefault(phandle_of(node), path)
        paths.pop(0, None)
        return paths

    @cached_property
    def _connectors(self) -> dict[int, str]:
        paths = {}
        for path, node in self.tree.walk():
            data = node.get(MY_DRC_INDEX)
            if data is not None and len(data) >= 4:
                paths[int.from_bytes(data[:4], "big")] = path
        return paths

    @cached_property
    def table(self) -> LmbTable | None:
        """The LMBs, if the tree has any."""
        try:
            return LmbTable.from_tree(self.tree)
        except DrmemctlError:
            return None

    def path(self, phandle: int) -> str:
        """Return the path of a node, or nothing."""
        return self.paths.get(phandle, "")

    def drc(self, drc_index: int) -> str:
        """Return the node that has a DRC index, the LMB, or nothing."""
        if drc_index in self._connectors:
            return self._connectors[drc_index]
        index = None if self.table is None else self.table.index_of_drc(drc_index)
        if index is None or self.table is None:
            return ""
        return f"LMB at {self.table.lmb(index).base:#0{self.table.address_digits + len('0x')}x}"


class RtasStream:
    """RTAS answers in the order in which a kernel gets them.

    Attributes:
        answers: the answers.
        labels: the names of the tree that they are for; None without one.

    """

    def __init__(self, answers: Sequence[Answer], tree: Tree | None = None) -> None:
        self.answers = tuple(answers)
        self.labels = None if tree is None else TreeLabels(tree)

    def __repr__(self) -> str:
        return f"<RtasStream: {count_of(len(self.answers), 'answer')}>"

    def path(self, phandle: int) -> str:
        """Return the path of a node, or nothing: also without a tree."""
        return "" if self.labels is None else self.labels.path(phandle)

    def taken(self, kind: type[_D]) -> Iterator[tuple[int, Answer, _D]]:
        """Yield (position, answer, value) of those of a kind that Linux looks into."""
        for number, answer in enumerate(self.answers):
            if isinstance(answer.value, kind) and answer.is_taken:
                yield number, answer, answer.value
