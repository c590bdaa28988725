# SPDX-License-Identifier: MIT
"""`drmemctl capture`: take the tree of this machine and what its kernel made of it."""

from __future__ import annotations

import click

from drmemctl.cli.common import FILE
from drmemctl.output.screen import say

_EXAMPLE = """
\b
Examples:
  drmemctl capture -o lpar7.tar.zst
  drmemctl check lpar7.tar.zst
  drmemctl capture --script > capture.sh     # for machines without Python: sh capture.sh -o lpar7.tar.gz

A capture is a TREE for every command; check also holds it against the memory blocks that it has.
"""


def _default_output() -> str:
    from drmemctl.tree.compression import has_zstd

    return f"drmemctl-capture{'.tar.zst' if has_zstd() else '.tar.xz'}"


@click.command("capture", short_help="Take a capture of this machine.", epilog=_EXAMPLE)
@click.option(
    "-o",
    "--output",
    type=FILE,
    default=_default_output,
    help="The file: .tar.zst, .tar.gz, .tar.xz or .tar.  [default: drmemctl-capture.tar.zst]",
)
@click.option("--redact", is_flag=True, help="Without serial numbers, UUIDs and location codes.")
@click.option("--list", "listing", is_flag=True, help="Say what is taken, and take nothing.")
@click.option("--script", is_flag=True, help="Print a POSIX shell script that takes the same.")
@click.option("--root", type=click.Path(file_okay=False), default="/", help="A directory that stands for /.")
def command(output: str, redact: bool, listing: bool, script: bool, root: str) -> None:
    """Take a capture of this machine: device tree, memory blocks, nodes, /proc/iomem, messages about memory.

    It only reads: as root everything, otherwise what the user may read. The file is there whole or not at all.
    """
    from drmemctl.tree import capture

    if script:
        click.echo(capture.script(), nl=False)
        return
    if listing:
        for path, meaning in capture.TAKEN:
            click.echo(f"{path:24}  {meaning}")
        return
    if not output.endswith(capture.SUFFIXES):
        raise click.UsageError(f"{output!r} should end in one of {', '.join(capture.SUFFIXES)}.")
    _take(output, root.rstrip("/"), redact)


def _take(output: str, root: str, redact: bool) -> None:
    import time

    from drmemctl.output.files import write_atomically
    from drmemctl.tree.capture import archive, captured, compressed

    data = compressed(archive(captured(root, redact=redact), int(time.time())), output)
    write_atomically(output, data)
    say(f"{output}: {len(data):,} bytes")
