# SPDX-License-Identifier: MIT
"""`drmemctl report`: everything about a tree on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import FILE, TREE, open_tree, tree_argument, write_page
from drmemctl.cli.kernel_options import (
    capability_options,
    check_capabilities,
    hypervisor_option,
    kernel_of,
    kernel_option,
    named_hypervisor,
)
from drmemctl.cli.steps import step_option, steps_file_option

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

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
    """Write everything about a TREE into one self-contained HTML page.

    Overview, findings with their explanation, a map to point at and zoom into, the LMB table with a filter, lookup
    arrays, NUMA distances. With NEW all that is NEW's, and the page says what is different in it, and what is
    wrong if that was a migration; steps, as `drmemctl simulate` has them, add what a kernel would do to TREE.
    """
    if [tree, new, script].count("-") > 1:
        raise click.UsageError("standard input can be only one of TREE, NEW and FILE.")
    from drmemctl.cli.found_settings import found_plan
    from drmemctl.cli.steps import parse_steps
    from drmemctl.output.progress import working
    from drmemctl.output.report.page import page
    from drmemctl.simulate.report_content import ReportSources, report_content

    check_capabilities(added, removed)
    parsed = parse_steps(script, steps)
    sources = ReportSources(redact)
    device_tree = sources.shown_tree(open_tree(tree))
    profile = kernel_of(device_tree, kernel).changed(added, removed)
    machine = named_hypervisor(hypervisor) if parsed else None
    second = None if new is None else sources.shown_tree(open_tree(new))
    plan = found_plan(kernel).at(tree if new is None else new)
    with working("making the report"):
        text = page(report_content(sources, title, device_tree, second, plan, profile, parsed, machine))
    write_page(output, text)
