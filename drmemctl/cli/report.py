# SPDX-License-Identifier: MIT
"""`drmemctl report`: everything about a tree on one page."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import FILE, TREE, open_tree, tree_argument
from drmemctl.cli.kernel_options import (
    capability_options,
    check_capabilities,
    hypervisor_option,
    kernel_of,
    kernel_option,
    named_hypervisor,
    setting,
)
from drmemctl.cli.steps import step_option, steps_file_option

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile
    from drmemctl.simulate.files import Files
    from drmemctl.simulate.material import Material
    from drmemctl.tree.node import Tree

_EXAMPLE = """
\b
Examples:
  drmemctl report sosreport.tar.xz -o partition.html
  drmemctl report before.dtb after.dtb --kernel 6.12 -o migration.html --title "lpar42, migration of 3 May"
  drmemctl report guest.dtb --step 'plug 0x80000008 2 node 1' --step 'lpm after.dtb' -o steps.html

The page is one file of some 60 KiB, or a MiB for 262,144 LMBs no two of which are alike; of a longer LMB table it
has the first 262,144 rows. It loads nothing and has no date in it: the same input gives the same bytes.

Exit code 0 says that the page was written, whatever it says about the tree.
"""


@click.command("report", short_help="Write everything about a tree on one HTML page.", epilog=_EXAMPLE)
@tree_argument()
@click.argument("new", metavar="[NEW]", required=False, type=TREE)
@click.option("-o", "--output", required=True, metavar="OUT", type=FILE, help="A file; - is standard output.")
@click.option("--title", metavar="TEXT", default="", help="The heading.  [default: the partition's name]")
@steps_file_option()
@step_option()
@click.option("--redact", is_flag=True, help="Without serial numbers, UUIDs, location codes and file names.")
@kernel_option("the input's, else judge for any and simulate the latest", "Judge and simulate for this kernel. ")
@hypervisor_option()
@capability_options()
def command(
    tree: str,
    new: str | None,
    output: str,
    title: str,
    script: str | None,
    steps: tuple[str, ...],
    redact: bool,
    kernel: Profile | None,
    hypervisor: str | None,
    added: tuple[str, ...],
    removed: tuple[str, ...],
) -> None:
    """Write everything about a TREE on one HTML page that can be sent as it is.

    Overview, findings with their explanation, a map to point at and zoom into, the LMB table with a filter, lookup
    arrays, NUMA distances. With NEW all that is NEW's, and the page says what is different in it, and what is
    wrong if that was a migration; steps, as `drmemctl simulate` has them, add what a kernel would do to TREE.
    """
    if [tree, new, script].count("-") > 1:
        raise click.UsageError("standard input can be only one of TREE, NEW and FILE.")
    from drmemctl.check.engine import Plan
    from drmemctl.cli.steps import files_of, parse_steps
    from drmemctl.simulate.material import Comparison, JudgedTree, Material, Simulated
    from drmemctl.simulate.simulation import Simulation

    check_capabilities(added, removed)
    parsed = parse_steps(script, steps)
    opened = Trees(redact)
    device_tree = opened(tree)
    profile = kernel_of(device_tree, kernel).changed(added, removed)
    plan = Plan(kernel=kernel or setting("kernel"))
    # What can be refused comes first, before anybody waits for the rest.
    simulated = None
    if parsed:
        machine = named_hypervisor(hypervisor)
        simulated = Simulated.of(Simulation(device_tree, profile, machine, files=opened.files), parsed)
    comparison = None
    if new is not None:
        second = opened(new)
        comparison = Comparison.of(device_tree, second, plan, opened.shown(second.source))
    partition = JudgedTree.of(device_tree, plan, opened.shown(device_tree.source))
    names = {name: opened.shown(name) for name in files_of(parsed)}
    material = Material(title, partition, comparison, simulated, names)
    _write(output, material)


class Trees:
    """Opens the trees of a report, which says nothing of where they lay; redacted, nothing of whose they are."""

    def __init__(self, redact: bool) -> None:
        self._redact = redact

    def __call__(self, source: str) -> Tree:
        """Return the tree of a TREE argument."""
        return self._redacted(open_tree(source))

    def shown(self, name: str) -> str:
        """Return what the page calls an input."""
        if self._redact:
            return "FILE"
        file, inside = name.partition("::")[::2]
        file = PurePath(file).name if file.startswith("/") else file
        return f"{file}::{inside}" if inside else file

    @property
    def files(self) -> Files:
        """How the trees of steps are read."""
        from drmemctl.simulate.files import Files, read_tree

        return Files(tree=lambda name: self._redacted(read_tree(name)))

    def _redacted(self, tree: Tree) -> Tree:
        if not self._redact:
            return tree
        from drmemctl.tree.capture import redacted_tree

        return redacted_tree(tree)


def _write(output: str, material: Material) -> None:
    from drmemctl.output.report.page import page

    text = page(material)
    if output == "-":
        from drmemctl.output.screen import Screen

        Screen().write(text)
        return
    from drmemctl.output.files import write_text

    write_text(output, (text,))
