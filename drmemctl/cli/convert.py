# SPDX-License-Identifier: MIT
"""`drmemctl convert`: write a tree as a file, with its LMBs as v1 or v2 if asked."""

from __future__ import annotations

import sys

import click

from drmemctl.cli.common import limit_option, open_any_tree, report_defects, tree_argument, write_output
from drmemctl.output.screen import say

_EXAMPLE = """
\b
Examples:
  drmemctl convert sosreport.tar.xz -o partition.dtb
  drmemctl convert guest.dtb --to v1 -o guest-v1.dtb
  drmemctl convert /proc/device-tree --to v2 -o - --format dts | less
"""


@click.command("convert", short_help="Write a tree as a blob or source, the LMBs as v1 or v2.", epilog=_EXAMPLE)
@tree_argument()
@click.option("--to", type=click.Choice(["v1", "v2"]), help="Make the LMBs ibm,dynamic-memory or -v2.")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT",
    type=click.Path(path_type=str),
    help="A file; - is standard output.",
)
@click.option("--format", type=click.Choice(["dtb", "dts"]), help="What to write; without it OUT's suffix says.")
@limit_option(4_194_304, "LMBs that --to v1 may make.")
@click.option("--allow-cut", is_flag=True, help="Write values of which TREE shows only the beginning.")
@click.option("--force", is_flag=True, help="Let OUT replace TREE.")
def command(
    tree: str, to: str | None, output: str, format: str | None, limit: int, allow_cut: bool, force: bool
) -> None:
    """Write any kind of TREE as a flattened blob (version 17) or as source, whole or not at all.

    With --to, the LMBs that Linux reads become v1 (an entry each) or v2 (a set for each run), in the old
    property's place; there is no other such property then, and nothing else changes. LMBs that are in the format
    already stay as they are, byte for byte. What the new format has no room for is said on standard error.
    """
    from drmemctl.output.tree_file import content, format_of, notes

    kind = format or ("dtb" if output == "-" else format_of(output))
    if kind is None:
        raise click.UsageError(f"{output!r} ends in neither .dtb nor .dts; add --format.")
    if kind == "dtb" and output == "-" and sys.stdout.isatty():
        raise click.UsageError("a blob is not text for a terminal; name a file, or add --format dts.")
    device_tree = open_any_tree(tree)
    report_defects(device_tree.defects)
    if to is not None:
        from drmemctl.model.conversion import PROPERTY_OF, convert

        conversion = convert(device_tree, to, limit)
        report_defects(conversion.remarks)
        if not conversion.changed:
            say(f"the LMBs are {to} already: {PROPERTY_OF[to]} is unchanged")
        device_tree = conversion.tree
    data = content(device_tree, kind, allow_cut=allow_cut)
    if allow_cut:
        from drmemctl.model.conversion import shortened

        report_defects(list(shortened(device_tree)))
    write_output(output, data, force=force)
    for note in notes(device_tree, kind, data.size):
        say(note)
