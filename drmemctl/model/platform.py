# SPDX-License-Identifier: MIT
"""What a tree is the tree of, and whether it is shown whole: no LMBs in a machine, or none in a dump of it.

Source: Linux arch/powerpc/platforms/pseries/setup.c `pseries_probe` (the root's `device_type` is `chrp`, Cell
blades excepted), platforms/powernv/setup.c `pnv_probe` (`ibm,powernv`), platforms/powernv/opal.c
`early_init_dt_scan_opal`.
"""

from __future__ import annotations

from enum import Enum

from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.strings import decode_strings
from drmemctl.model.standard_properties import device_type
from drmemctl.tree.node import Node, Tree

RTAS = "/rtas"
CHOSEN = "/chosen"
OPAL = "/ibm,opal"

HYPERTAS_FUNCTIONS = "ibm,hypertas-functions"

_POWERNV = "ibm,powernv"
_CELL = frozenset({"IBM,CBEA", "IBM,CPBW-1.0"})
"""Firmware of Cell blades claims to be chrp while it is not (`pseries_probe`)."""


class Platform(Enum):
    """What kind of machine a tree describes."""

    PSERIES = "pseries"
    POWERNV = "powernv"
    FOREIGN = "foreign"


def platform_of(tree: Tree) -> Platform:
    """Return what kind of machine it is; what shows LMBs, or says nothing of itself, is taken for a partition."""
    if tree.find(NODE) is not None:
        return Platform.PSERIES
    compatible = _compatible(tree)
    if _POWERNV in compatible or has_opal(tree):
        return Platform.POWERNV
    if not _CELL.isdisjoint(compatible):
        return Platform.FOREIGN
    root_type = device_type(tree.root)
    # PowerVM names the model (IBM,9117-570), QEMU the machine (qemu,pseries).
    names_partition = any(name.startswith("IBM,") or "pseries" in name or "chrp" in name for name in compatible)
    says_partition = root_type == "chrp" or names_partition
    says_nothing = root_type is None and not compatible
    return Platform.PSERIES if says_partition or says_nothing else Platform.FOREIGN


def _compatible(tree: Tree) -> tuple[str, ...]:
    data = tree.root.get("compatible") or b""
    return tuple(name.decode("latin-1") for name in data.split(b"\0") if name)


def has_opal(tree: Tree) -> bool:
    """Whether OPAL runs the machine: its affinity is form 1, with reference points in /ibm,opal (numa.c)."""
    return tree.root.child(OPAL[1:]) is not None


def hypertas_functions(tree: Tree) -> tuple[str, ...]:
    """Return what the hypervisor says that it can do (`fw_hypertas_feature_init`)."""
    return tuple(decode_strings(tree.get(RTAS, HYPERTAS_FUNCTIONS) or b"").items)


def missing_part(tree: Tree) -> str:
    """Return what every tree of a partition has and this one does not show; empty where it shows all of that."""
    if tree.find(CHOSEN) is None:
        return CHOSEN
    if tree.find(RTAS) is None:
        return RTAS
    if not any(device_type(child) == "memory" or child.base_name == "memory" for child in tree.root.children):
        return "a memory node"
    return ""


def is_whole(tree: Tree, node: Node | None) -> bool:
    """Whether a node shows all its properties: lsprop of a node prints `name`, of one property it does not."""
    return node is not None and (tree.kind != "lsprop" or node.find("name") is not None)


def shows_absence(tree: Tree) -> bool:
    """Whether what this tree does not show is not there: no text, and with what no partition is without."""
    is_copy = tree.kind in ("fdt", "directory", "archive")
    return is_copy and tree.find(CHOSEN) is not None and tree.find(RTAS) is not None


def is_before_cas(tree: Tree) -> bool:
    """Whether no option vector 5 was agreed on: the OS has not told firmware yet what it supports, or never."""
    return not any(tree.get(CHOSEN, ARCHITECTURE_VEC5) or b"")


def describes_partition(tree: Tree) -> bool:
    """Whether it is the tree of a partition with which firmware agreed on what LMBs need."""
    return platform_of(tree) is Platform.PSERIES and not is_before_cas(tree)


def describes_memory(tree: Tree) -> bool:
    """Whether the tree tells of memory: a partition's after CAS, or that of a machine that needs no CAS."""
    if tree.find(NODE) is not None or describes_partition(tree):
        return True
    return is_without_vector_5(tree) or platform_of(tree) is Platform.POWERNV


def is_without_vector_5(tree: Tree) -> bool:
    """Whether a whole tree has no option vector 5 at all: POWER5 firmware, or an OS that never asked for it.

    QEMU has the vector from the start, with nothing in it before ibm,client-architecture-support; releases
    before 2.9 have none.
    """
    if platform_of(tree) is not Platform.PSERIES:
        return False
    absent = tree.get(CHOSEN, ARCHITECTURE_VEC5) is None and "qemu,pseries" not in _compatible(tree)
    return absent and not missing_part(tree) and is_whole(tree, tree.find(CHOSEN))


def why_no_drmem(tree: Tree) -> tuple[str, str]:
    """Return the likely reason why a tree has no drmem node, and what to do about it."""
    platform = platform_of(tree)
    if platform is Platform.POWERNV:
        reason = "this is no tree of a pseries machine but of bare metal (PowerNV), which has no dynamic memory"
        return reason, "take the tree of a partition or guest; drmemctl numa shows the nodes of this machine"
    if platform is Platform.FOREIGN:
        compatible = _compatible(tree)
        named = f" (compatible: {compatible[0][:60]})" if compatible else ""
        return f"this is no tree of a pseries machine{named}", "drmemctl is about IBM pseries partitions"
    return _why_none_in_partition(tree)


def _why_none_in_partition(tree: Tree) -> tuple[str, str]:
    running = "take the tree from the running system (/sys/firmware/fdt, /proc/device-tree)"
    missing = missing_part(tree)
    if missing:
        return f"this dump shows only a part of a tree, without {missing}", running
    if not is_before_cas(tree):
        return "the firmware offers this partition no dynamic memory", "on QEMU, give -m a maxmem above the size"
    if is_without_vector_5(tree):
        reason = "firmware from before option vector 5, such as POWER5's, has no dynamic memory"
        return reason, "drmemctl numa shows the nodes of this partition"
    if not is_whole(tree, tree.find(CHOSEN)):
        return f"this dump shows only a part of {CHOSEN}", running
    return "this blob was made before ibm,client-architecture-support", running
