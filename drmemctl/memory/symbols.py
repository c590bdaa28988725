# SPDX-License-Identifier: MIT
"""Addresses of the kernel's variables that were named (System.map, vmlinux), where this kernel has them."""

from __future__ import annotations

from collections.abc import Mapping

from drmemctl.errors import InputError
from drmemctl.memory.kernel_memory import KernelMemory
from drmemctl.memory.physical import AbsentMemoryError

PINNED = ("of_root", "drmem_info", "initial_boot_params")
"""Variables that are looked for where nobody says where they are."""

SHARED = (
    "node_data",
    "init_uts_ns",
    "swapper_pg_dir",
    "_stext",
    "mem_section",
    "vmemmap_list",
    "prb",
    "clear_seq",
)
"""Variables that VMCOREINFO names as well: by them the symbols are held to be this kernel's."""


def relocated(memory: KernelMemory, addresses: Mapping[str, int], source: str) -> dict[str, int]:
    """Return the addresses of variables as this kernel has them; `InputError` where they are another kernel's.

    A crash kernel runs elsewhere than where it was linked to, all of it by the same distance.
    """
    vmcoreinfo = memory.vmcoreinfo
    in_dump = {name: vmcoreinfo.symbol(name) for name in SHARED if name in addresses}
    distances = {name: address - addresses[name] for name, address in in_dump.items() if address}
    if len(set(distances.values())) > 1:
        name = max(distances, key=lambda name: abs(distances[name]))
        raise InputError(
            f"these are the symbols of another kernel: {name} is at {addresses[name]:#x}, in the dump at "
            f"{vmcoreinfo.symbol(name):#x}",
            source=source,
            hint=f"it takes those of {vmcoreinfo.release or 'the kernel in the dump'}",
        )
    distance = next(iter(distances.values()), 0)
    pinned = {name: addresses[name] + distance for name in PINNED if name in addresses}
    if not pinned:
        raise InputError(
            f"none of {', '.join(PINNED)} is among these symbols",
            source=source,
            hint="a System.map of some distributions is a stub: name the vmlinux of the debug package",
        )
    return pinned


def pointer_at(memory: KernelMemory, name: str) -> int:
    """Return what a named variable points to."""
    try:
        return memory.u64(memory.pinned[name])
    except AbsentMemoryError as error:
        raise error.about(f"the variable {name}") from None


def not_there(memory: KernelMemory, name: str, structure: str) -> InputError:
    """Return the error that a named variable does not lead to what it should."""
    message = f"{name}, which the symbols have at {memory.pinned[name]:#x}, does not point to {structure}"
    return InputError(message, source=memory.source, hint="they may be the symbols of another kernel")
