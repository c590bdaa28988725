# SPDX-License-Identifier: MIT
"""Rules of the family blob about what the reader remarked, and about the size of the blob."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.bounds import limited
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.formats.dynamic_memory import V2, rows_v1
from drmemctl.formats.lists import COUNT_SIZE
from drmemctl.tree.node import Tree, encode_name

_DUPLICATES = ("duplicate-node", "duplicate-property")
_AFTER_NODE = "property-after-node"
_TRAILING = ("blob-trailing", "trailing-bytes")

_QEMU_LIMIT = 2 << 20
"""QEMU FDT_MAX_SIZE, and the buffer that SLOF offers for the tree."""


@rule(
    "DRM001",
    Severity.WARNING,
    "two nodes or properties of the same name",
    counted="places",
    references=(
        "Devicetree Specification v0.4, 2.2.1 and 2.2.4: names are unique",
        "Linux drivers/of/base.c of_find_node_by_path, of_find_property: the first one",
    ),
)
def duplicate_names(subject: Subject) -> Iterator[Violation]:
    """Look for nodes and properties that are there twice.

    Why:
        A look-up by name finds one of the two and nobody can tell which one was meant. An update that a migration
        brings changes that one only.

    Example:
        Two properties ibm,dynamic-memory-v2 in /ibm,dynamic-reconfiguration-memory.

    Kernel:
        All use the first property, keep both nodes, and find the first by path. In /proc/device-tree the second
        one appears as name#1.

    Fix:
        Leave out the one that is not meant. Tools that merge trees (boot loaders, kexec) make such doubles.
    """
    yield from _remarks(subject, _DUPLICATES, ": which one counts depends on the reader")


@rule(
    "DRM002",
    Severity.WARNING,
    "property after a subnode",
    counted="places",
    references=(
        "Devicetree Specification v0.4, 5.4.2: properties come first",
        "Linux scripts/dtc/libfdt fdt_first_property_offset, drivers/of/fdt.c populate_properties",
    ),
)
def property_behind_node(subject: Subject) -> Iterator[Violation]:
    """Look for properties of a flattened tree that come after a subnode of their node.

    Why:
        Readers stop at the first subnode. What comes later is in the blob, and drmemctl shows it, but the system
        that boots with it does not have it.

    Example:
        FDT_BEGIN_NODE "" FDT_BEGIN_NODE "memory@0" … FDT_END_NODE FDT_PROP "#size-cells" …

    Kernel:
        All pass it over.

    Fix:
        Have the tool that wrote the blob put properties first; dtc does when it reads the blob and writes it
        again.
    """
    yield from _remarks(subject, (_AFTER_NODE,), ": Linux does not see it")


@rule(
    "DRM003",
    Severity.INFO,
    "bytes after the end of the tree",
    counted="places",
    references=("Devicetree Specification v0.4, 5.2: totalsize",),
)
def bytes_behind(subject: Subject) -> Iterator[Violation]:
    """Look for bytes after the end of the blob or of the compressed file.

    Why:
        Nobody reads them. They may be padding, or the sign that files were joined and another tree follows.

    Example:
        totalsize 00005000 in the header of a file of 24,576 bytes.

    Kernel:
        All stop at totalsize.

    Fix:
        None is needed; look whether a second tree follows (magic d00dfeed).
    """
    yield from _remarks(subject, _TRAILING, "; nobody reads them")


@rule(
    "DRM004",
    Severity.INFO,
    "incomplete input",
    references=("powerpc-utils lsprop.c: values are cut at 128 bytes without -m",),
)
def incomplete_input(subject: Subject) -> Iterator[Violation]:
    """Look for what the input leaves out or shows in part: unreadable files, cut values, lines of no known form.

    Why:
        What is not there cannot be judged: this report may miss the fault, or take for one what is only not shown.

    Example:
        ibm,dynamic-memory-v2 followed by 128 bytes and [604 bytes total].

    Kernel:
        None: it is about the copy, not about the system.

    Fix:
        Take the tree again, as root, whole: a copy of /sys/firmware/fdt, a tar of /proc/device-tree, or lsprop -R
        with -m large enough.
    """
    of_other_rules = (*_DUPLICATES, _AFTER_NODE, *_TRAILING)
    defects = [defect for defect in subject.tree.defects if defect.code not in of_other_rules]
    yield from limited(
        (Violation(defect.message, defect.path, defect.property, defect.offset) for defect in defects),
        "remarks of the reader",
    )
    remarked = {(defect.path, defect.property) for defect in defects}
    cut = (
        Violation(f"only {len(prop.value):,} of {prop.total:,} bytes are shown", path, prop.name, len(prop.value))
        for path, node in subject.tree.walk()
        for prop in node.properties
        if prop.is_cut and (path, prop.name) not in remarked
    )
    yield from limited(cut, "values")


def _remarks(subject: Subject, codes: tuple[str, ...], consequence: str) -> Iterator[Violation]:
    """Yield what the reader remarked under these codes, with what follows from it."""
    for defect in subject.tree.defects:
        if defect.code in codes:
            yield Violation(defect.message + consequence, defect.path, defect.property, defect.offset)


@rule(
    "DRM008",
    Severity.WARNING,
    "tree too large for QEMU to rebuild",
    references=(
        "QEMU include/hw/ppc/spapr.h FDT_MAX_SIZE: 2 MiB (b7573092ab, 6.1)",
        "SLOF board-qemu/slof/archsupport.fs cas-buffer-size: 2 MiB",
    ),
)
def too_large_for_qemu(subject: Subject) -> Iterator[Violation]:
    """Look for trees of QEMU that come to more than 2 MiB, as they are or with the LMBs in v1.

    Why:
        QEMU builds the tree anew when the guest says what it supports. If it does not fit into 2 MiB, QEMU ends.
        Each LMB takes 21.5 bytes for its connector, and 24 more if the guest does not know v2.

    Example:
        A machine with maxmem=12T: 49,152 LMBs, about 2.2 MB in v1, 1.1 MB in v2.

    Kernel:
        Kernels before 4.16 do not ask for v2. On a machine that later ones boot without trouble, QEMU exits when
        they boot: "error creating device tree: … FDT_ERR_NOSPACE".

    Fix:
        A smaller maxmem, or kernels that know v2 only.
    """
    if b"qemu" not in (subject.tree.root.get("compatible") or b"").lower():
        return
    size = size_in_v1 = flattened_size(subject.tree)
    if subject.has_lmbs and subject.entries.property == V2:
        size_in_v1 += COUNT_SIZE + rows_v1().size * subject.table.n_lmbs - len(subject.entries.data)
    if size > _QEMU_LIMIT:
        message = f"{size:,} bytes as a blob, more than the 2 MiB of QEMU: it cannot boot a guest with this tree"
        yield Violation(message)
    elif size_in_v1 > _QEMU_LIMIT:
        message = f"{size_in_v1:,} bytes with the LMBs in v1: QEMU exits when a guest boots that does not know v2"
        yield Violation(message)


def flattened_size(tree: Tree) -> int:
    """Return the bytes of the tree as a blob of version 17, without any slack."""
    names = set()
    size = 40 + 16 + 16 * len(tree.reservations) + 4
    for _, node in tree.walk():
        size += 8 + _aligned(len(encode_name(node.name)) + 1)
        for prop in node.properties:
            size += 12 + _aligned(prop.total or len(prop.value))
            names.add(prop.name)
    return size + sum(len(encode_name(name)) + 1 for name in names)


def _aligned(size: int) -> int:
    return (size + 3) & ~3
