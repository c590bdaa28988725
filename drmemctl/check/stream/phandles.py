# SPDX-License-Identifier: MIT
"""Rules of the family stream about the nodes that ibm,update-nodes names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.stream.answers import Stream, TreeLabels, bounded
from drmemctl.formats.update_nodes import (
    ACTION_MASK,
    ADD,
    COUNT_MASK,
    DELETE,
    OPCODES,
    Operation,
    UpdateNodes,
)

_LINUX = "Linux arch/powerpc/platforms/pseries/mobility.c: pseries_devicetree_update"


class _Named(NamedTuple):
    """A phandle in a list, and why Linux finds no node for it there; nothing where it does, or nobody knows."""

    number: int
    operation: Operation
    offset: int
    phandle: int
    drc_index: int | None
    missing: str


class _Known:
    """Which phandles have a node while the operations are done one by one."""

    def __init__(self, labels: TreeLabels | None) -> None:
        self._labels = labels
        self._deleted: set[int] = set()
        self._deleted_paths: set[str] = set()

    def missing(self, phandle: int) -> str:
        if phandle == 0:
            return "is none"
        if phandle in self._deleted or self._is_below_deleted(phandle):
            return "was deleted before"
        known = self._labels is None or bool(self._labels.path(phandle))
        return "" if known else "is not in the tree"

    def delete(self, phandle: int) -> None:
        self._deleted.add(phandle)
        if self._labels is not None and self._labels.path(phandle):
            self._deleted_paths.add(self._labels.path(phandle))

    def _is_below_deleted(self, phandle: int) -> bool:
        path = self._labels.path(phandle) if self._labels is not None and self._deleted_paths else ""
        while path.strip("/"):
            if path in self._deleted_paths:
                return True
            path = path.rpartition("/")[0]
        return False


def _named(stream: Stream) -> Iterator[_Named]:
    """Yield every phandle of the operations that Linux acts on, as they are meant: not as it reads them."""
    known = _Known(stream.labels)
    for number, _, nodes in stream.taken(UpdateNodes):
        for operation in nodes.operations:
            if operation.action in OPCODES:
                for offset, phandle, drc_index in operation.items():
                    yield _Named(number, operation, offset, phandle, drc_index, known.missing(phandle))
                    if operation.action == DELETE:
                        known.delete(phandle)


@rule(
    "DRM112",
    Severity.ERROR,
    "stream",
    "addition after which Linux loses its place in the list",
    references=(
        "Linux 2efd7f6eb9b7 (5.11): the node is looked up before the DRC index is skipped; also in 5.10.y",
        "LoPAR 2.9: ibm,update-nodes RTAS call, number of operands",
    ),
    about=Stream,
)
@bounded
def lost_place(stream: Stream) -> Iterator[Violation]:
    """Look for additions below a node that is not there, and for counts of additions in words instead of pairs.

    Why:
        An addition is a pair of words, the parent's phandle and a DRC index. Once Linux has taken one of them too
        few or too many, it reads all that follows as something else: updates are lost, other nodes deleted.

    Example:
        03000001 0badf00d 80000004 02000001 1e6831d8, and no node has phandle 0badf00d: 80000004 is the next
        operation then, and 02000001 one of its operands.

    Kernel:
        Since 5.11, and in 5.10.y, a parent that is not found ends the step before its DRC index is skipped; the
        log has "Failed lookup: phandle". What the DRC index then means hangs on its bits. Before that both were
        skipped. Every release counts pairs; powerpc-utils skips as many words.

    Fix:
        Firmware: add nodes only below nodes that the partition has, and count pairs. Linux: skip the DRC index
        whether the parent is found or not.
    """
    for number, _, nodes in stream.taken(UpdateNodes):
        wrong = _counted_in_words(nodes)
        if wrong is not None:
            message = (
                f"the count {wrong.count:,} makes a list only as words; Linux takes it for pairs and reads on"
            )
            yield Violation(message, offset=wrong.offset, answer=number)
    done: set[int] = set()
    for each in _named(stream):
        # Where one answer's list has lost its place, the rest of it is no longer what it says.
        if each.drc_index is not None and each.missing and each.number not in done:
            done.add(each.number)
            message = f"the parent {each.phandle:#x} {each.missing}: since 5.11 {_misread(each)}"
            yield Violation(message, offset=each.offset, answer=each.number)


def _misread(each: _Named) -> str:
    drc_index = each.drc_index or 0
    what = f"the DRC index {drc_index:#x} is taken for"
    if each.offset + 8 < each.operation.end:
        return f"{what} the next parent"
    if not drc_index & ACTION_MASK:
        return f"{what} the end of the list"
    return f"{what} operation {drc_index >> 24:#04x} with {drc_index & COUNT_MASK:,} operands"


def _counted_in_words(nodes: UpdateNodes) -> Operation | None:
    """Return the first addition of a list that makes sense only if the counts of additions are words."""
    additions = [each for each in nodes.operations if each.action == ADD]
    if not additions or _is_sound(nodes):
        return None
    other = UpdateNodes.decode(nodes.encode(), words_of_add=1)
    even = all(each.action != ADD or (each.count or 1) % 2 == 0 for each in other.operations)
    return additions[0] if even and _is_sound(other) else None


def _is_sound(nodes: UpdateNodes) -> bool:
    return not nodes.defects and not nodes.tail and all(each.action in OPCODES for each in nodes.operations)


@rule(
    "DRM113",
    Severity.WARNING,
    "stream",
    "phandle that names no node, or a DRC index that names one",
    references=(_LINUX, "LoPAR 2.9: ibm,update-nodes RTAS call, ibm,phandle", "Linux 91713ac37785 (5.9)"),
    about=Stream,
)
@bounded
def no_node(stream: Stream) -> Iterator[Violation]:
    """Look for deletions and updates of nodes that are not there, and for DRC indexes that are also a phandle.

    Why:
        What names no node is lost: the partition keeps the values of the system that it left. A DRC index that is
        a phandle as well leads to that node wherever Linux takes the one for the other.

    Example:
        02000002 deadbeef 1e6831d8, and no node has phandle deadbeef. A word 0 instead of a phandle.

    Kernel:
        Linux says "Failed lookup: phandle 0xdeadbeef for action 0x2000000" and goes on. Releases before 5.9 took
        what names no node for an LMB's DRC index where a reassignment event with scope 2 asked for updates; if it
        was some node's phandle too, that LMB was left out.

    Fix:
        Give --tree the tree of the system that the list was made for. Firmware: use ibm,phandle of nodes that the
        partition has at that moment, before anything else deletes them.
    """
    for each in _named(stream):
        if each.drc_index is None and each.missing:
            message = f"{each.operation.name} of phandle {each.phandle:#x}, which {each.missing}: nothing is done"
            yield Violation(message, offset=each.offset, answer=each.number)
        path = stream.labels.path(each.drc_index) if stream.labels is not None and each.drc_index else ""
        if path:
            message = f"the DRC index {each.drc_index:#x} is also the phandle of {path}"
            yield Violation(message, offset=each.offset + 4, answer=each.number)
