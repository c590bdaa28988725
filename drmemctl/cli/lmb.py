# SPDX-License-Identifier: MIT
"""`drmemctl lmb`: the LMB table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import (
    DrcIndex,
    color_option,
    format_option,
    limit_option,
    open_tree,
    report_defects,
    tree_argument,
)
from drmemctl.cli.kernel_options import kernel_option, reading_of
from drmemctl.cli.lists import Addresses, listed_option
from drmemctl.cli.option import WholeNumber
from drmemctl.cli.table_options import TableCommand, table_choice, table_options
from drmemctl.output.screen import Screen, say
from drmemctl.wording import count_of

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile
    from drmemctl.model.drmem import Drmem, LmbTable
    from drmemctl.model.selection import AddressRange
    from drmemctl.tree.node import Tree

_EXAMPLE = """
\b
Examples:
  drmemctl lmb /proc/device-tree
  drmemctl lmb sosreport.tar.xz --node 0,1 --state assigned
  drmemctl lmb guest.dtb --address 1G-2G -o address,node
  drmemctl lmb guest.dtb --drc 0x80000008 --format json
  drmemctl lmb vmcore --from array
"""


_STATES = ("assigned", "free", "reserved", "hot-removable")


@click.command(
    "lmb", cls=TableCommand.of("drmemctl.output.lmb:COLUMNS"), short_help="Show the LMB table.", epilog=_EXAMPLE
)
@tree_argument()
@click.option("--expand", is_flag=True, help="A line for every LMB instead of every run.")
@listed_option(
    "--node", "nodes", "N,...", WholeNumber(-1), "Only LMBs of these Linux nodes (-1: those without one)."
)
@listed_option("--drc", "drc_indexes", "DRC,...", DrcIndex(), "Only these DRC indexes.")
@listed_option(
    "--address",
    "addresses",
    "A[-B],...",
    Addresses(),
    "Only LMBs that hold this address, or any from A up to B: 0x40000000, 1G, 1G-2G.",
)
@listed_option(
    "--state", "states", "STATE,...", click.Choice(_STATES), "Only assigned, free, reserved or hot-removable LMBs."
)
@click.option(
    "--from",
    "origin",
    type=click.Choice(["tree", "array", "boot"]),
    default="tree",
    show_default=True,
    help="Of a kernel dump: the LMBs of its device tree, of the kernel's own array, or of the tree of its boot.",
)
@limit_option(1_048_576, "LMBs that --expand may make.")
@kernel_option()
@format_option("text", "json", "csv", "ndjson")
@table_options
@color_option()
def command(
    tree: str,
    expand: bool,
    nodes: tuple[int, ...],
    drc_indexes: tuple[int, ...],
    addresses: tuple[AddressRange, ...],
    states: tuple[str, ...],
    origin: str,
    limit: int,
    kernel: Profile | None,
    format: str,
    screen: Screen,
) -> None:
    """Show the LMBs: address, size, DRC index, associativity, node, flags.

    Consecutive LMBs that differ in nothing else are one line, in the property's order.
    """
    from drmemctl.model.associativity import Associativity
    from drmemctl.model.drmem import Drmem
    from drmemctl.model.lmb_values import check_listed
    from drmemctl.model.selection import Selection
    from drmemctl.output.lmb import COLUMNS, LmbView, show_lmbs
    from drmemctl.tree.limits import LIMITS

    choice = table_choice(COLUMNS, format)
    device_tree = _boot_tree(tree) if origin == "boot" else open_tree(tree)
    drmem = Drmem.from_tree(device_tree, LIMITS.max_listed_runs)
    reading = reading_of(device_tree, kernel)
    associativity = Associativity.from_tree(device_tree, reading.rules)
    table = _table_of(origin, device_tree, drmem)
    n_lmbs, digits = table.n_lmbs, table.address_digits
    selection = Selection(nodes, drc_indexes, addresses, states)
    table = selection.of(table, associativity)
    if format != "text":
        check_listed(len(table.runs), associativity, device_tree.source)
    view = LmbView(table, associativity, limit if expand else None, reading.kernel, digits)
    show_lmbs(screen, view, format, choice)
    if selection != Selection() and not table.n_lmbs:
        ranges = (
            f"{first:#x}" if end == first + 1 else f"{first:#x}-{end:#x}" for first, end in selection.addresses
        )
        options = (
            ("--node", map(str, selection.nodes)),
            ("--drc", map(hex, selection.drc_indexes)),
            ("--address", ranges),
            ("--state", selection.states),
        )
        conditions = " ".join(f"{name} {text}" for name, values in options if (text := ",".join(values)))
        say(f"none of the {count_of(n_lmbs, 'LMB')} is selected by {conditions}")
    report_defects(drmem.defects)
    if associativity.unknown:
        say(f"{associativity.unknown}: nodes are unknown")


def _boot_tree(source: str) -> Tree:
    """Return the tree that a dump's kernel was started with; where the dump has it no more, as the rest tells."""
    from drmemctl.errors import DrmemctlError
    from drmemctl.formats.dynamic_memory import NODE
    from drmemctl.model.dumped import at_boot, no_dump

    tree = open_tree(source)
    if tree.dump is None:
        raise no_dump(tree)
    try:
        return open_tree(f"{source}::boot")
    except DrmemctlError as error:
        if source == "-" or tree.find(NODE) is None:
            raise
        say(f"{error.message}: these are the oldest values that the kernel kept")
        return at_boot(tree, NODE)


def _table_of(origin: str, tree: Tree, drmem: Drmem) -> LmbTable:
    """Return the LMBs of the tree or of a dumped kernel's array; say on stderr where those two differ."""
    from drmemctl.model.dumped import array_in, named_array

    array = named_array(tree) if origin == "array" else array_in(tree)
    if array is None:
        if tree.dump is not None:
            say("the kernel's LMB array is not found in this dump")
        return drmem.table
    if array != drmem.table:
        counterpart = "tree" if origin == "array" else "array"
        say(f"the kernel's LMB array and its tree differ: see --from {counterpart}, and drmemctl check")
    return array if origin == "array" else drmem.table
