# SPDX-License-Identifier: MIT
"""`drmemctl decode`: what RTAS answered, field by field, and what a kernel would stumble over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import FILE, TREE, color_option, fail_on_option, format_option, open_tree, write_output
from drmemctl.cli.kernel_options import kernel_choice, kernel_option, setting
from drmemctl.cli.table_options import TableCommand
from drmemctl.output.screen import Screen

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_KINDS = ("update-nodes", "update-properties", "rtas-event", "configure-connector")

_EXAMPLE = """
\b
Examples:
  drmemctl decode update-nodes area.bin
  drmemctl decode update-properties migration.json --tree before.dtb
  echo 062060a0 00000002 | drmemctl decode rtas-event -
  drmemctl decode update-nodes area.bin --format json | drmemctl decode update-nodes --encode - -o again.bin

FILE holds the bytes as they are, as hex (plain, 0x… and commas, or as xxd, hexdump -C and od -t x1 print them), or
a JSON list of {call, answer, status}, as a migration is recorded in; each 4096 bytes are a work area.
"""


@click.command(
    "decode",
    cls=TableCommand.of("drmemctl.output.properties:FIELD_COLUMNS"),
    short_help="Show what RTAS answered, field by field.",
    epilog=_EXAMPLE,
)
@click.argument("kind", metavar="KIND", type=click.Choice(_KINDS))
@click.argument("file", metavar="FILE", type=FILE)
@click.option(
    "--tree",
    metavar="TREE",
    type=TREE,
    help="Name the nodes and LMBs of this tree, and judge by it.",
)
@kernel_option("the one that --tree names, else any", "Only rules about this kernel. ")
@fail_on_option(default="warning", show_default=True)
@click.option("--encode", is_flag=True, help="FILE is JSON as --format json prints it: make the bytes again.")
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=FILE,
    help="With --encode, write the bytes to this file, not hex to the screen; - is standard output.",
)
@format_option("text", "json")
@color_option()
def command(
    kind: str,
    file: str,
    tree: str | None,
    kernel: Profile | None,
    fail_on: str,
    encode: bool,
    output: str | None,
    format: str,
    screen: Screen,
) -> int:
    """Show what a work area of RTAS or an event holds, and what is wrong with it.

    KIND is update-nodes, update-properties, rtas-event or configure-connector. A record of a migration is shown
    with both kinds of updates. The exit code is 1 if anything is found, 3 if FILE cannot be read.
    """
    if output is not None and not encode:
        raise click.UsageError("-o goes with --encode.")
    if tree == "-" and file == "-":
        raise click.UsageError("standard input cannot be both FILE and TREE.")
    if encode:
        from drmemctl.formats.rtas_document import encoded
        from drmemctl.output.decode import hex_lines
        from drmemctl.tree.plain_input import source_name

        data = encoded(kind, _content(file), source_name(file))
        if output is None:
            screen.write_all(hex_lines(data))
        else:
            write_output(output, (data,))
        return 0
    from drmemctl.check.decoding import Decoding
    from drmemctl.check.stream.answers import RtasStream
    from drmemctl.check.tally import fails
    from drmemctl.formats.rtas_input import read_answers
    from drmemctl.output.decode import show_decoding
    from drmemctl.tree.plain_input import source_name

    answers = read_answers(kind, _content(file), source_name(file))
    device_tree = None if tree is None else open_tree(tree)
    stream = RtasStream(answers, device_tree)
    if device_tree is not None:
        kernel = kernel_choice(device_tree, kernel).judged
    decoding = Decoding.of(kind, stream, kernel or setting("kernel"))
    show_decoding(screen, decoding, format)
    return int(any(fails(finding.severity, fail_on) for finding in decoding.findings))


def _content(file: str) -> bytes:
    from drmemctl.tree.limits import LIMITS, RAISE_VARIABLE
    from drmemctl.tree.plain_input import read_input

    return read_input(
        file, LIMITS.max_answers, f"decode a part of it, or set {RAISE_VARIABLE} to a multiple of 64"
    )
