# SPDX-License-Identifier: MIT
"""Rules of the family blob about phandles, which migrations and events name nodes by, and about names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.kernels import Kernels
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.check.tables import drc_indexes
from drmemctl.model.phandles import IBM_PHANDLE, PHANDLES, phandles

_NODE_NAME = re.compile(r"[0-9A-Za-z,._+#-]+(@[0-9A-Za-z,._+:-]*)?\Z", re.ASCII)
_PROPERTY_NAME = re.compile(r"[0-9A-Za-z,._+?#*@~-]+\Z", re.ASCII)


@rule(
    "DRM005",
    Severity.WARNING,
    "invalid or contradictory phandle",
    counted="nodes",
    references=(
        "Linux drivers/of/fdt.c populate_properties: ibm,phandle replaces what was found before",
        "Linux arch/powerpc/kernel/prom_init.c scan_dt_build_struct: phandle is the package handle",
        "LoPAR 2.9, ibm,update-nodes: phandles are those of ibm,phandle",
    ),
)
def contradicting_phandles(subject: Subject) -> Iterator[Violation]:
    """Look for phandles of 0 or of other than 4 bytes, and for phandle and linux,phandle that disagree.

    Why:
        A migration names the nodes to update by phandle. A node that cannot be found by the number that the
        firmware has for it is not updated. An ibm,phandle of another value than the two is how PowerVM has it on
        each node: those are Open Firmware's package handles, which prom_init writes down, and nothing refers to.

    Example:
        phandle 0000001f and linux,phandle 00000020 in one node; or phandle 00000000.

    Kernel:
        All take ibm,phandle over whichever of phandle and linux,phandle comes first at boot. Looking up 0 always
        fails.

    Fix:
        Keep ibm,phandle as the firmware made it; give phandle and linux,phandle one value, or leave one out.
    """
    for path, node in subject.tree.walk():
        handles = {prop.name: prop.value for prop in node.properties if prop.name in PHANDLES and not prop.is_cut}
        for name, value in handles.items():
            if len(value) != 4 or value in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
                shown = value.hex() if len(value) <= 4 else f"{len(value)} bytes"
                yield Violation(f"{name} is {shown or 'empty'}: no look-up finds the node by it", path, name)
        if IBM_PHANDLE not in handles and len(set(handles.values())) > 1:
            values = ", ".join(f"{name} {value[:4].hex()}" for name, value in handles.items())
            message = f"{values}: Linux takes whichever comes first, and what refers to the other is lost"
            yield Violation(message, path)


@rule(
    "DRM006",
    Severity.WARNING,
    "phandle used by two nodes",
    counted="nodes",
    references=(
        "Devicetree Specification v0.4, 2.3.3: unique in the tree",
        "Linux drivers/of/base.c of_find_node_by_phandle: the first one",
    ),
)
def duplicate_phandles(subject: Subject) -> Iterator[Violation]:
    """Look for a phandle that more than one node has.

    Why:
        A migration names the nodes to update by phandle: the update for one of the two reaches the other.

    Example:
        phandle 0000001f in /ibm,dynamic-reconfiguration-memory and in /rtas.

    Kernel:
        All find one of them, mostly the first.

    Fix:
        A fault of whoever made or merged the tree: every node needs a number of its own.
    """
    owners: dict[int, str] = {}
    for phandle, path in phandles(subject.tree):
        if phandle in owners and phandle not in (0, 0xFFFFFFFF):
            message = f"phandle {phandle:#x} is that of {owners[phandle]} too: an update for one reaches the other"
            yield Violation(message, path)
        owners.setdefault(phandle, path)


@rule(
    "DRM007",
    Severity.WARNING,
    "DRC index of an LMB that is also a phandle",
    counted="nodes",
    needs=("lmbs",),
    kernels=Kernels(since="4.11", before="5.9"),
    references=(
        "Linux 91713ac37785, 4abe60c6448b (5.9): PRRN and readd are gone",
        "ppc64-diag rtas_errd/prrn.c: PowerVM lists DRC indexes in place of phandles",
    ),
)
def drc_index_is_phandle(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs whose DRC index is the phandle of a node.

    Why:
        When the platform reassigns resources (PRRN), PowerVM names LMBs by DRC index where a phandle should stand.
        Kernels tell the two apart by looking for a node: if there is one, it is updated in place of the LMB, which
        stays on the wrong node.

    Example:
        An LMB 0x80000010 and a node with phandle 80000010.

    Kernel:
        4.11 to 5.8; from 5.2 on only with topology_updates=on. Later ones ignore PRRN, and migrations name nodes
        only.

    Fix:
        A fault of the firmware; boot with topology_updates=off meanwhile.
    """
    lmbs = drc_indexes(subject).disjoint()
    for phandle, path in phandles(subject.tree):
        if lmbs.first_in(phandle, 1) is not None:
            message = f"its phandle {phandle:#x} is the DRC index of an LMB: a PRRN event for that LMB is lost"
            yield Violation(message, path)


@rule(
    "DRM009",
    Severity.INFO,
    "unusual characters in a name",
    counted="names",
    references=("Devicetree Specification v0.4, 2.2.1 and 2.2.4: characters of names",),
)
def odd_names(subject: Subject) -> Iterator[Violation]:
    """Look for names with characters that names do not have: control characters, blanks, bytes beyond ASCII.

    Why:
        Linux makes files of them in /proc/device-tree, and tools print them: a name with an escape sequence can
        rewrite what a terminal shows. It may also be the sign of a blob that was damaged.

    Example:
        A node memory@0 followed by the bytes 1b 5b 32 4a.

    Kernel:
        All take any name; a slash in one becomes another character in /proc/device-tree.

    Fix:
        Rename it. drmemctl shows such bytes as hexadecimal.
    """
    for path, node in subject.tree.walk():
        if path != "/" and not _NODE_NAME.match(node.name):
            yield Violation(f"the node's name has odd characters: {node.name[:80]!a}", path)
        for prop in node.properties:
            if not _PROPERTY_NAME.match(prop.name):
                yield Violation(f"a property's name has odd characters: {prop.name[:80]!a}", path, prop.name)
