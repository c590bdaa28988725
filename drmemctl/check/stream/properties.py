# SPDX-License-Identifier: MIT
"""Rules of the family stream about the descriptors of ibm,update-properties."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.stream.answers import RtasStream
from drmemctl.formats.update_properties import DELETED, NAME_ONLY, Descriptor, UpdateProperties

_LOPAR = "LoPAR 2.9: ibm,update-properties RTAS call"
_LINUX = "Linux arch/powerpc/platforms/pseries/mobility.c: update_dt_node, update_dt_property"

_CONSEQUENCES = {
    "properties-header-cut": "there is no descriptor",
    "properties-name-unterminated": "Linux reads on behind the work area",
    "properties-cut": "Linux reads on behind the work area",
    "properties-value-cut": "Linux takes what is behind the work area for the rest",
    "properties-left-over": "Linux does not look at them",
}


def _short(text: str) -> str:
    return text if len(text) <= 64 else text[:64] + "…"


@rule(
    "DRM114",
    Severity.ERROR,
    "descriptors that do not match their count or length",
    references=(_LINUX, _LOPAR),
    about=RtasStream,
)
def misfit(stream: RtasStream) -> Iterator[Violation]:
    """Look for a count of 0 or one that does not fit, names without an end, and values beyond the work area.

    Why:
        Linux follows the count and the lengths without a look at where the work area ends.

    Example:
        1e644ed0 00000000 0000000000000000 00000000 and zeros: no descriptors, and not even a path.

    Kernel:
        Where the first descriptor's name is empty, it is the path, and Linux takes one off the count: from 0 that
        is 4294967295, and the kernel dies behind the work area (seen on 5.10). With a count too large it takes
        zeros for properties without a name, then whatever follows; with one too small, the last updates are lost.

    Fix:
        Firmware: count the path's descriptor as well, and leave a node without changes out of the list of nodes.
        If only the file is cut, give the whole work area.
    """
    for number, answer, properties in stream.taken(UpdateProperties):
        if properties.nprops == 0 and answer.data[20:21] == b"\0":
            message = "nprops is 0 and no name follows: Linux counts down from 4,294,967,295 and dies"
            yield Violation(message, offset=16, answer=number)
            continue
        for defect in properties.defects:
            consequence = _CONSEQUENCES.get(defect.code, "Linux takes zeros, and what follows, for the others")
            yield Violation(f"{defect.message}: {consequence}", offset=defect.offset, answer=number)


@rule(
    "DRM115",
    Severity.ERROR,
    "partial value that is not the last of its work area",
    references=(_LINUX, _LOPAR),
    about=RtasStream,
)
def part_not_last(stream: RtasStream) -> Iterator[Violation]:
    """Look for a value that goes on in the next work area while other descriptors follow it in this one.

    Why:
        The kernel dies in the middle of a migration that has succeeded.

    Example:
        ibm,dynamic-memory-v2 with ffffffd8 and 40 bytes, then the same name with 00000024 and 36 bytes.

    Kernel:
        Linux adds the length to its place as it is: ffffffd8 is a part of 40 bytes and 4 GiB less 40 further on.
        With nothing after it that is never read. Otherwise it is an oops, seen on 5.10, 6.1, 6.12 and 7.2.

    Fix:
        Firmware: a value that does not fit fills its work area, and its rest comes first in the next. Linux: take
        the negated length where the upper bit is set.
    """
    for number, _, properties in stream.taken(UpdateProperties):
        for position, descriptor in enumerate(properties.descriptors, 1):
            if descriptor.is_part and position < properties.nprops:
                name = f"{_short(descriptor.name)!r}" if descriptor.name else "the path"
                part = f"a part of {descriptor.size:,} bytes"
                message = f"{name} is {part}, but descriptor {position} of {properties.nprops:,}: the kernel dies"
                yield Violation(message, offset=descriptor.offset, answer=number)


class PartialValue:
    """The part of a value that Linux holds back, followed through a node's work areas as it does it."""

    def __init__(self) -> None:
        self.name: str | None = None

    def take(self, descriptor: Descriptor) -> str:
        """Go on with the next descriptor; return what is wrong with it, or nothing."""
        if descriptor.word == NAME_ONLY:
            return ""
        partial, self.name = self.name, None
        name = f"{_short(descriptor.name)!r}"
        if descriptor.word == DELETED:
            if partial is None:
                return ""
            message = f"{name} is removed while {_short(partial)!r} is in parts"
            return f"{message}: what came of it is dropped, its rest is the property"
        if descriptor.is_part:
            self.name = descriptor.name if partial is None else partial
        if partial in (None, descriptor.name):
            return ""
        unfinished = f"{_short(partial or '')!r}"
        return f"{name} comes while {unfinished} is in parts: its bytes go into {unfinished}"


@rule(
    "DRM116",
    Severity.ERROR,
    "partial value that is not continued",
    references=(_LINUX, _LOPAR),
    about=RtasStream,
)
def broken_value(stream: RtasStream) -> Iterator[Violation]:
    """Look for a value in parts that another name, a removal, an error or the last answer interrupts.

    Why:
        What is put together is not what firmware has, or nothing is: a drmem property of a tail alone makes set
        counts of whatever its first word is.

    Example:
        ibm,dynamic-memory-v2 with ffffffd8 and 40 bytes, then, in the next work area, ibm,foo with 80000000.

    Kernel:
        Linux compares no names: it appends what comes next to what it holds. A removal drops that, and the tail
        alone becomes the property; 6.1 then walks a garbage number of LMBs and never returns. Without an end the
        property stays as it is, and lookup arrays that came before are updated all the same.

    Fix:
        Firmware: give the rest under the same name, first in the next work area, before anything else.
    """
    partial, phandle = PartialValue(), None
    for number, answer in enumerate(stream.answers):
        properties = answer.value
        if not isinstance(properties, UpdateProperties):
            continue
        if properties.phandle != phandle and answer.is_taken:
            partial, phandle = PartialValue(), properties.phandle
        for descriptor in properties.changes if answer.is_taken else ():
            message = partial.take(descriptor)
            if message:
                yield Violation(message, offset=descriptor.offset, answer=number)
        # Of an area of which no status is known, nobody can say that it is the last.
        if answer.status in (1, None):
            continue
        if partial.name is not None:
            message = f"{_short(partial.name)!r} is in parts and has no end: the property keeps its value"
            yield Violation(message, offset=properties.end if answer.is_taken else 0, answer=number)
        partial, phandle = PartialValue(), None


@rule(
    "DRM117",
    Severity.WARNING,
    "descriptor that Linux ignores, or for another node",
    references=(_LINUX, _LOPAR),
    about=RtasStream,
)
def passed_over(stream: RtasStream) -> Iterator[Violation]:
    """Look for properties with a name and no value, for empty names, and for a path that is not the node's.

    Why:
        The property is neither made nor emptied: the partition goes on with what it had.

    Example:
        "oracle,name-only" 00 00000000: a name and the word 0, which LoPAR has for a property without a value.

    Kernel:
        Linux does nothing for the word 0. It takes a descriptor with an empty name for the path if it is the first
        of any work area, and never compares the path with the node: only the phandle counts.

    Fix:
        No firmware can make a property empty that way; a value of one byte is taken. With --tree, a path that
        differs says that the answer or the tree is another system's.
    """
    for number, _, properties in stream.taken(UpdateProperties):
        for descriptor in properties.changes:
            if descriptor.word == NAME_ONLY and descriptor.name:
                message = f"{_short(descriptor.name)!r} has a name only: Linux does nothing"
                yield Violation(message, offset=descriptor.offset, answer=number)
            elif not descriptor.name:
                yield Violation("a descriptor with an empty name", offset=descriptor.offset, answer=number)
        path = stream.path(properties.phandle or 0)
        if path and properties.path and properties.path != path:
            message = f"the path is {_short(properties.path)!r}, but phandle {properties.phandle:#x} is {path}"
            yield Violation(message, offset=20, answer=number)
