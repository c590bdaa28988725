# SPDX-License-Identifier: MIT
"""How the next kernel is loaded: which tree it gets by which system call, and where the kernel refuses.

Source: Linux drivers/of/kexec.c `of_kexec_alloc_and_setup_fdt`; arch/powerpc/kexec/file_load_64.c
`kexec_extra_fdt_size_ppc64`, `setup_new_fdt_ppc64`, `update_cpus_node`, `update_usable_mem_fdt`; kexec-tools
kexec/arch/ppc64/fs2dt.c `putnode`. The trees of plain kexec were measured on a 6.12 (`fixtures/kexec`); what is
refused was read.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from drmemctl.errors import DrmemctlError
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.usable_memory import DRCONF_USABLE_MEMORY
from drmemctl.kernel.boot_regions import boot_regions
from drmemctl.kernel.distributions import follows_stable
from drmemctl.kernel.kdump import CrashMemory
from drmemctl.kernel.kernel_names import parse_kernel_name
from drmemctl.kernel.kexec_capabilities import (
    KEXEC_FILE_CRASH,
    KEXEC_LMBS_COUNTED,
    KEXEC_PLUGGABLE_COUNTED,
    KEXEC_ROOM_DIVIDED,
)
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.tree_edit import with_children
from drmemctl.model.drmem import Drmem
from drmemctl.model.standard_properties import device_type
from drmemctl.tree.node import Node, Tree
from drmemctl.tree.writer import fdt_pieces

_EXTRA_SPACE = 0x1000
"""Bytes for what is no memory: FDT_EXTRA_SPACE, before 5.13 twice COMMAND_LINE_SIZE."""

_COUNTER, _RANGE_COUNTERS = 8, 2
_CPUS = "cpus"
_BY_TOOLS = "kexec -c has kexec-tools make the tree (--producer kexec-tools)"


class Route(StrEnum):
    """How a kernel is loaded: by kexec_file_load (kexec -s) or by kexec_load (kexec -c)."""

    FILE = "file"
    CLASSIC = "classic"


LOADED_BY = {
    Route.FILE: "kexec_file_load (kexec -s): the kernel copies the tree that it was booted with, and renews CPUs",
    Route.CLASSIC: "kexec_load (kexec -c): kexec-tools copy /proc/device-tree",
}
"""Who makes the tree, in words for the user."""


class LoadRefusedError(DrmemctlError):
    """The kernel does not load a crash kernel by kexec_file_load."""


def default_route(profile: Profile) -> tuple[Route, str]:
    """Return the route that `kexec -l` takes by itself, and why, in words for the user."""
    name = parse_kernel_name(profile.name)
    if profile.distribution.startswith("debian") or (name is not None and follows_stable(name)):
        return Route.CLASSIC, "kexec_load: Debian's kernels for ppc64el are built without CONFIG_KEXEC_FILE"
    return Route.FILE, (
        "kexec_file_load: kexec-tools from 2.0.27 on try it first; kexec_load with earlier ones, with kexec -c "
        "and on kernels without CONFIG_KEXEC_FILE (--load classic)"
    )


def next_tree(booted: Tree, live: Tree, route: Route) -> Tree:
    """Return the tree that the next kernel gets.

    kexec-tools copy /proc/device-tree. The kernel takes the blob that it was started with (`initial_boot_params`)
    and puts the CPUs of now into it: LMBs and lookup arrays are as they were at boot. DMA windows, which it takes
    from the live tree as well, are not followed here.
    """
    if route is Route.CLASSIC:
        return live
    cpus = next((child for child in live.root.children if child.name == _CPUS), None)
    if cpus is None:
        return booted
    present = tuple(child for child in cpus.children if device_type(child) == "cpu")

    def updated(child: Node) -> Node:
        if child.name != _CPUS:
            return child
        others = tuple(node for node in child.children if device_type(node) != "cpu")
        return replace(child, children=(*others, *present))

    return with_children(booted, updated)


def check_load(booted: Tree, crash_tree: Tree, crash: CrashMemory, profile: Profile) -> None:
    """Raise `LoadRefusedError` where the kernel does not load a crash kernel with its `crash_tree` by itself."""
    if not profile.has(KEXEC_FILE_CRASH):
        message = f"kexec_file_load of Linux {profile.name} loads no crash kernels"
        raise LoadRefusedError(message, source=booted.source, hint=f"5.9 was first to; {_BY_TOOLS}")
    lmb_size = 0 if booted.find(NODE) is None else Drmem.from_tree(booted).table.lmb_size or 0
    if not lmb_size:
        if profile.has(KEXEC_ROOM_DIVIDED):
            message = (
                "kexec_file_load divides by the LMB size, which is 0 without LMBs: how much room it makes for the "
                "crash kernel's tree is undefined"
            )
            hint = f"mended by 7294194b47e9 (6.2); {_BY_TOOLS}"
            raise LoadRefusedError(message, source=booted.source, hint=hint)
        return
    if profile.has(KEXEC_PLUGGABLE_COUNTED):
        return  # memory_hotplug_max is beyond all LMBs.
    size = len(crash_tree.get(NODE, DRCONF_USABLE_MEMORY) or b"")
    room = _room(booted, lmb_size, crash, profile)
    if size > room:
        message = (
            f"kexec_file_load fails to add {DRCONF_USABLE_MEMORY}: it has {size:,} bytes, and Linux "
            f"{profile.name} makes room for about {room:,}"
        )
        mended = "mended by fc546faa5595 (6.2)" if profile.has(KEXEC_LMBS_COUNTED) else "2377c92e37fe makes more"
        raise LoadRefusedError(message, source=booted.source, path=NODE, hint=f"{mended}; {_BY_TOOLS}")


def _room(booted: Tree, lmb_size: int, crash: CrashMemory, profile: Profile) -> int:
    """Return about how many bytes the kernel leaves for what it adds to the tree of boot."""
    if not profile.has(KEXEC_LMBS_COUNTED):
        return sum(map(len, fdt_pieces(booted)))
    regions, _ = boot_regions(booted, profile)
    end = max((entry.region.end for entry in regions), default=0)
    return _EXTRA_SPACE + _COUNTER * (end // lmb_size + _RANGE_COUNTERS * (crash.size // lmb_size))
