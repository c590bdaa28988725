# SPDX-License-Identifier: MIT
"""Rules of the family stream about the nodes that ibm,update-nodes names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.stream.answers import RtasStream
from drmemctl.formats.update_nodes import ACTION_MASK, ADD, COUNT_MASK, DELETE, OPCODES, Operation, UpdateNodes

_LINUX = "Linux arch/powerpc/platforms/pseries/mobility.c: pseries_devicetree_update"


class NamedNode(NamedTuple):
    """A phandle in a list of operations.

    Attributes:
        number: the answer that has the list.
        operation: the operation.
        offset: of the phandle.
        phandle: the node, or the parent of the one to be added.
        drc_index: the DRC index beside it, of additions.
        missing: why Linux finds no node for it there; empty where it does, or nobody can tell.

    """

    number: int
    operation: Operation
    offset: int
    phandle: int
    drc_index: int | None
    missing: str


def _named(stream: RtasStream) -> Iterator[NamedNode]:
    """Yield every phandle of the operations that Linux acts on, as they are meant: not as it reads them."""
    deleted: set[int] = set()
    deleted_paths: set[str] = set()
    for number, _, nodes in stream.taken(UpdateNodes):
        for operation in nodes.operations:
            for offset, phandle, drc_index in operation.items() if operation.action in OPCODES else ():
                path = stream.path(phandle)
                # With a node those below it are deleted.
                ancestors = (path[: match.start()] for match in re.finditer("/|$", path))
                if phandle == 0:
                    missing = "is none"
                elif phandle in deleted or not deleted_paths.isdisjoint(ancestors):
                    missing = "was deleted before"
                else:
                    missing = "" if stream.labels is None or path else "is not in the tree"
                yield NamedNode(number, operation, offset, phandle, drc_index, missing)
                if operation.action == DELETE:
                    deleted.add(phandle)
                    deleted_paths.update([path] if path else ())


@rule(
    "DRM112",
    Severity.ERROR,
    "addition after which Linux misreads the list",
    references=(
        "Linux 2efd7f6eb9b7 (5.11): the node is looked up before the DRC index is skipped; also in 5.10.y",
        "LoPAR 2.9: ibm,update-nodes RTAS call, number of operands",
    ),
    about=RtasStream,
)
def lost_place(stream: RtasStream) -> Iterator[Violation]:
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
        addition = _counted_in_words(nodes)
        if addition is not None:
            message = (
                f"the count {addition.count:,} makes a list only as words; Linux takes it for pairs and reads on"
            )
            yield Violation(message, offset=addition.offset, answer=number)
    desynchronised: set[int] = set()
    for node in _named(stream):
        # Where one answer's list has lost its place, the rest of it is no longer what it says.
        if node.drc_index is None or not node.missing or node.number in desynchronised:
            continue
        desynchronised.add(node.number)
        if node.offset + 8 < node.operation.end:
            misread = "the next parent"
        elif not node.drc_index & ACTION_MASK:
            misread = "the end of the list"
        else:
            misread = f"operation {node.drc_index >> 24:#04x} with {node.drc_index & COUNT_MASK:,} operands"
        message = f"the parent {node.phandle:#x} {node.missing}: since 5.11 the DRC index {node.drc_index:#010x}"
        yield Violation(f"{message} is taken for {misread}", offset=node.offset, answer=node.number)


def _counted_in_words(nodes: UpdateNodes) -> Operation | None:
    """Return the first addition of a list that makes sense only if the counts of additions are words."""
    additions = [operation for operation in nodes.operations if operation.action == ADD]
    if not additions or _is_sound(nodes):
        return None
    in_words = UpdateNodes.decode(nodes.encode(), words_of_add=1)
    even = all(operation.action != ADD or (operation.count or 1) % 2 == 0 for operation in in_words.operations)
    return additions[0] if even and _is_sound(in_words) else None


def _is_sound(nodes: UpdateNodes) -> bool:
    defined = all(operation.action in OPCODES for operation in nodes.operations)
    return defined and not nodes.defects and not nodes.tail


@rule(
    "DRM113",
    Severity.WARNING,
    "phandle of no node, or DRC index that is also a phandle",
    references=(_LINUX, "LoPAR 2.9: ibm,update-nodes RTAS call, ibm,phandle", "Linux 91713ac37785 (5.9)"),
    about=RtasStream,
)
def no_node(stream: RtasStream) -> Iterator[Violation]:
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
    for node in _named(stream):
        if node.drc_index is None and node.missing:
            message = f"{node.operation.name} of phandle {node.phandle:#x}, which {node.missing}: nothing is done"
            yield Violation(message, offset=node.offset, answer=node.number)
        path = stream.path(node.drc_index or 0)
        if path:
            message = f"the DRC index {node.drc_index:#010x} is also the phandle of {path}"
            yield Violation(message, offset=node.offset + 4, answer=node.number)
