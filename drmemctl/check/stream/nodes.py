# SPDX-License-Identifier: MIT
"""Rules of the family stream about the list of ibm,update-nodes as such."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.stream.answers import RtasStream
from drmemctl.formats.update_nodes import OPCODES, WORK_AREA, UpdateNodes, in_order

_LOPAR = "LoPAR 2.9: ibm,update-nodes RTAS call"
_LINUX = "Linux arch/powerpc/platforms/pseries/mobility.c: pseries_devicetree_update"


@rule(
    "DRM110",
    Severity.ERROR,
    "list of nodes without a terminator",
    references=(_LINUX, _LOPAR),
    about=RtasStream,
)
def no_end(stream: RtasStream) -> Iterator[Violation]:
    """Look for a list of ibm,update-nodes that no word 0 ends inside its work area, or whose operands are cut.

    Why:
        The end is all that tells how long the list is: what is in the kernel's memory behind the work area passes
        for operations then.

    Example:
        02000002 1e6831d8 as the last words of the work area: two nodes to update, of which one is there.

    Kernel:
        Linux looks for a word with an upper byte of 0 and checks nothing else. It reads on behind the 4096 bytes,
        and deletes or updates nodes whose phandles it happens to find there.

    Fix:
        Firmware: end the list with a word 0 and return status 1 if there is more; the next call gets the rest. If
        only the file is cut, give the whole work area.
    """
    for number, answer, nodes in stream.taken(UpdateNodes):
        for defect in nodes.defects:
            where = "the work area" if len(answer.data) >= WORK_AREA else f"the {len(answer.data):,} bytes given"
            message = f"{defect.message}: the list goes on behind {where}"
            yield Violation(message, offset=defect.offset, answer=number)


@rule(
    "DRM111",
    Severity.WARNING,
    "operation out of order, without effect or of unknown kind",
    references=(_LOPAR, _LINUX),
    about=RtasStream,
)
def odd_operation(stream: RtasStream) -> Iterator[Violation]:
    """Look for operations that are not in LoPAR's order, have an opcode other than 1 to 3, or a count of 0.

    Why:
        LoPAR has deletions first, then updates, then additions, so that a node can be replaced, and no list names
        what is not there yet. Nothing acts on other opcodes.

    Example:
        02000001 1e6831d8 01000001 1e644ed0: an update before a deletion. 04000000: opcode 4.

    Kernel:
        Linux takes operations in any order. Those of other opcodes it passes over with as many words as their
        count says, after it has looked each word up as a phandle.

    Fix:
        Firmware: give deletions, updates and additions, in this order over all calls, and nothing else. Bytes that
        are no opcode are mostly the operands of the operation before, whose count is wrong.
    """
    previous: list[int] = []
    for number, _, nodes in stream.taken(UpdateNodes):
        for operation in nodes.operations:
            if operation.action not in OPCODES:
                words = f"its {len(operation.operands):,} words are passed over"
                message = f"{operation.name} is none that LoPAR has: {words}"
            elif not in_order([*previous, operation.action]):
                message = f"{operation.name} after an operation that LoPAR has later"
            elif not operation.count:
                message = f"{operation.name} of no nodes does nothing"
            else:
                message = ""
            if operation.action in OPCODES:
                previous = [operation.action]
            if message:
                yield Violation(message, offset=operation.offset, answer=number)
