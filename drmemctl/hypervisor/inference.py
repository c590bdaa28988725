# SPDX-License-Identifier: MIT
"""Hypervisors by name, and which of them made a tree, as far as the tree tells.

Source: QEMU hw/ppc/spapr.c `spapr_build_fdt` (`model`, `compatible`, `vm,uuid`), `spapr_dt_rtas` (what it lists in
`ibm,hypertas-functions`: `hcall-memop1` is its own); LoPAR 2.9, "Root Node Properties" (`model` is the maker, the
machine type and its model); Linux arch/powerpc/platforms/pseries/firmware.c `hypertas_fw_features_table`, of which
QEMU's machine lists less than half.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from drmemctl.formats.strings import decode_strings
from drmemctl.kernel.profiles import ProfileError
from drmemctl.model.platform import HYPERTAS_FUNCTIONS, hypertas_functions
from drmemctl.model.standard_properties import first_string
from drmemctl.tree.node import Tree

QEMU, POWERVM = "qemu", "powervm"

_EMULATED = re.compile(r"emulated by qemu|\AQEMU\b", re.IGNORECASE)
_MACHINE = re.compile(r"IBM,[0-9]{4}-[0-9A-Z]{3}\Z", re.ASCII)
"""IBM's machine types with their models: IBM,9080-HEX, IBM,8247-22L, IBM,9117-570."""

_POWERVM_FUNCTIONS = frozenset({"hcall-crq", "hcall-lLAN", "hcall-rdma", "hcall-migrate", "hcall-perf"})
"""Function sets of PowerVM that QEMU lists none of, virtual LANs and migration among them."""

_NAMED_QEMU = re.compile(r"qemu(?:-(\d{1,3})\.(\d{1,3}))?\Z", re.ASCII)

HYPERVISORS = (QEMU, POWERVM)
"""Names of hypervisors; `qemu` is taken also with a version."""

NOT_MEASURED = "PowerVM's side was read in LoPAR, it was not measured on a machine"
"""What has to be said of everything that PowerVM is said to do."""


def qemu_version(name: str) -> tuple[int, int] | None:
    """Return the release in the name of a hypervisor, None without one; `ProfileError` for a name that is none."""
    if name == POWERVM:
        return None
    match = _NAMED_QEMU.match(name)
    if match is None:
        raise ProfileError(f"no hypervisor {name!r}", hint="write qemu, qemu-VERSION or powervm")
    return (int(match[1]), int(match[2])) if match[1] else None


class InferredHypervisor(NamedTuple):
    """A hypervisor, and what of the tree says so.

    Attributes:
        name: `qemu` or `powervm`.
        why: the property, in words; empty where the tree says nothing, and QEMU is taken since it was measured.

    """

    name: str
    why: str = ""

    def __str__(self) -> str:
        reason = f", as the tree's {self.why} says" if self.why else ": the tree does not say which it is"
        return f"the hypervisor is taken to be {self.name}{reason}"


def inferred_hypervisor(tree: Tree) -> InferredHypervisor:
    """Return the hypervisor that a tree names, or QEMU."""
    model = first_string(tree.root, "model") or ""
    compatible = decode_strings(tree.root.get("compatible") or b"").items
    functions = hypertas_functions(tree)
    clues = (
        (_EMULATED.search(model), QEMU, "model"),
        (any(name.startswith("qemu,") for name in compatible), QEMU, "compatible"),
        (_MACHINE.match(model), POWERVM, "model"),
        (any(map(_MACHINE.match, compatible)), POWERVM, "compatible"),
        ("hcall-memop1" in functions, QEMU, HYPERTAS_FUNCTIONS),
        (not _POWERVM_FUNCTIONS.isdisjoint(functions), POWERVM, HYPERTAS_FUNCTIONS),
        (tree.root.find("vm,uuid") is not None, QEMU, "vm,uuid"),
    )
    return next((InferredHypervisor(name, why) for says, name, why in clues if says), InferredHypervisor(QEMU))
