# SPDX-License-Identifier: MIT
"""Looking at a tree: what its bytes mean, and what a kernel makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from drmemctl.api.kernels import profile_for, reading
from drmemctl.api.words import check_word
from drmemctl.arguments import checked, whole
from drmemctl.formats.dynamic_memory import NODE

if TYPE_CHECKING:
    from drmemctl.compare.history import History
    from drmemctl.kernel.profiles import Profile
    from drmemctl.model.address_map import AddressMap
    from drmemctl.model.conversion import Conversion
    from drmemctl.model.drmem import LmbTable
    from drmemctl.model.lookup_usage import LookupUsage
    from drmemctl.model.numa import NumaLayout
    from drmemctl.model.overview import Overview
    from drmemctl.simulate.boot_blocks import BootBlocks
    from drmemctl.tree.node import Tree

    Kernel = str | Profile | None


@checked()
def overview(tree: Tree, *, kernel: Kernel = None) -> Overview:
    """Return a partition at a glance, as `drmemctl show` has it: machine, features, memory by state and node.

    Args:
        tree: the tree.
        kernel: the kernel that reads it; the input's if there is none, else the newest. So everywhere below.

    """
    from drmemctl.check.engine import Plan
    from drmemctl.check.tally import counted
    from drmemctl.kernel.affinity import affinity_rules
    from drmemctl.kernel.choice import kernel_for
    from drmemctl.model.overview import Overview

    choice = kernel_for(tree, kernel)
    return Overview.from_tree(tree, counted(tree, Plan(kernel=choice.judged)), affinity_rules(choice.profile))


@checked()
def lmb(tree: Tree, *, kernel: Kernel = None, origin: Literal["tree", "array", "boot"] = "tree") -> LmbTable:
    """Return the LMBs with their nodes, as `drmemctl lmb` has them.

    `origin` is where a dump's are taken from: its tree, the kernel's own array, or the tree of boot as far as
    replaced properties tell it; where a dump has that whole, it is `load("vmcore::boot")`. `NotInTreeError` where
    there is no such thing.
    """
    from drmemctl.model.associativity import Associativity
    from drmemctl.model.drmem import Drmem
    from drmemctl.model.dumped import at_boot, named_array, no_dump
    from drmemctl.tree.limits import LIMITS

    check_word("origin", origin, ("tree", "array", "boot"))
    if origin == "boot":
        if tree.dump is None:
            raise no_dump(tree)
        tree = at_boot(tree, NODE)
    listed = LIMITS.max_listed_runs
    table = named_array(tree) if origin == "array" else Drmem.from_tree(tree, listed).table
    return table.with_nodes(Associativity.from_tree(tree, reading(tree, kernel).rules))


@checked()
def address_map(tree: Tree, *, kernel: Kernel = None) -> AddressMap:
    """Return what is at each address, as `drmemctl map` draws it."""
    from drmemctl.model.address_map import AddressMap
    from drmemctl.model.memory import Memory

    return AddressMap.of(Memory.from_tree(tree, reading(tree, kernel).rules))


@checked(limit=whole(1))
def assoc(tree: Tree, *, kernel: Kernel = None, limit: int = 65_536) -> LookupUsage:
    """Return the lookup arrays and who uses each; `LimitError` for more than `limit` of them."""
    from drmemctl.model.associativity import Associativity
    from drmemctl.model.drmem import Drmem
    from drmemctl.model.lookup_usage import LookupUsage

    associativity = Associativity.from_tree(tree, reading(tree, kernel).rules)
    return LookupUsage.of(Drmem.from_tree(tree), associativity, limit)


@checked()
def numa(tree: Tree, *, kernel: Kernel = None) -> NumaLayout:
    """Return the NUMA nodes that Linux makes: memory, CPUs, and the distances between them."""
    from drmemctl.model.numa import NumaLayout

    return NumaLayout.from_tree(tree, reading(tree, kernel).rules)


@checked()
def blocks(tree: Tree, *, kernel: Kernel = None, cmdline: str | None = None) -> BootBlocks:
    """Return the memory blocks after boot, of a capture those that sysfs lists."""
    from drmemctl.kernel.cmdline import with_command_line
    from drmemctl.simulate.boot_blocks import BootBlocks

    tree = with_command_line(tree, cmdline)
    return BootBlocks.of(tree, profile_for(tree, kernel))


@checked(limit=whole(1))
def history(
    tree: Tree, path: str = NODE, name: str | None = None, *, kernel: Kernel = None, limit: int = 100
) -> History:
    """Return the values that a property of a dumped kernel has had since boot, the newest first.

    Args:
        tree: the tree of a dump; `NotInTreeError` for one of anything else.
        path: the node; by default that of the LMBs.
        name: the property; without it, those of the node that were replaced.
        kernel: the kernel that wrote its array.
        limit: how many values of each property.

    """
    from drmemctl.compare.history import history, past_place

    return history(tree, past_place(tree, path, name), profile_for(tree, kernel), limit)


@checked()
def convert(tree: Tree, to: Literal["v1", "v2"], *, limit: int | None = None) -> Conversion:
    """Return the tree with its LMBs in the property of another version, and what that one has no room for.

    `LimitError` for more than `limit` LMBs, since v1 has an entry for each.
    """
    from drmemctl.model.conversion import DEFAULT_LIMIT, PROPERTY_OF, convert

    check_word("to", to, PROPERTY_OF)
    return convert(tree, to, DEFAULT_LIMIT if limit is None else limit)


@checked()
def dtb(tree: Tree) -> bytes:
    """Return a tree as a flattened blob of version 17; `WriteError` for what that cannot hold."""
    from drmemctl.tree.writer import fdt_pieces

    return b"".join(fdt_pieces(tree))


@checked()
def dts(tree: Tree) -> str:
    """Return a tree as source that dtc reads; `WriteError` for what that cannot hold."""
    from drmemctl.tree.writer import dts_pieces

    return "".join(dts_pieces(tree))
