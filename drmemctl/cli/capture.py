# SPDX-License-Identifier: MIT
"""`drmemctl capture`: take the tree of this machine and what its kernel made of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import FILE, TREE, root_option
from drmemctl.cli.option import RenamedOption
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from drmemctl.api.take import CapturedFiles

_EXAMPLE = """
\b
Examples:
  drmemctl capture
  drmemctl capture -o lpar7.tar.zst
  drmemctl check lpar7.tar.zst
  drmemctl capture --dump vmcore --redact -o crash.tar.gz
  drmemctl capture --script > capture.sh     # for machines without Python: sh capture.sh -o lpar7.tar.gz

A capture is a TREE for every command; check also holds it against the memory blocks that it has.
"""


@click.command("capture", short_help="Take a capture of this machine.", epilog=_EXAMPLE)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=FILE,
    help="A file: .tar.zst, .tar.gz, .tar.xz or .tar.  [default: drmemctl-capture-HOST-TIME.tar.gz]",
)
@click.option("--force", is_flag=True, help="Let OUT replace a file that is there already.")
@click.option(
    "--redact", is_flag=True, help="Without serial numbers, UUIDs, location codes and passwords, anywhere."
)
@click.option(
    "--dump",
    cls=RenamedOption,
    former=("--from",),
    metavar="DUMP",
    type=TREE,
    help="Take it from a dump of a kernel's memory: its tree, LMB array, former values, memory blocks, messages.",
)
@click.option("--list", "listing", is_flag=True, help="List what is taken, and take nothing.")
@click.option("--script", is_flag=True, help="Print a POSIX shell script that takes the same.")
@root_option()
def command(
    output: str | None, force: bool, redact: bool, dump: str | None, listing: bool, script: bool, root: str
) -> None:
    """Take a capture of this machine: device tree, memory blocks, nodes, /proc/iomem, messages about memory.

    With --dump it is made from a kernel dump: small enough to send, and every command says the same of it as of
    the dump.

    It only reads: as root everything, otherwise what the user may read. The file is written completely or not at
    all, and replaces none. Its name has the host, unless that is to be redacted, and the time in UTC.
    """
    from drmemctl.api.take import capture as take_capture
    from drmemctl.api.take import capture_dump
    from drmemctl.tree import capture

    if script:
        click.echo(capture.script(), nl=False)
        return
    if listing:
        Screen.detect().write_text(f"{path:24}  {meaning}\n" for path, meaning in capture.TAKEN)
        return
    if output is not None and not output.endswith(capture.SUFFIXES):
        raise click.UsageError(f"{output!r} should end in one of {', '.join(capture.SUFFIXES)}.")
    root = root.rstrip("/")
    if dump is not None:
        if root:
            raise click.UsageError("--dump and --root exclude each other.")
        _take(output, capture_dump(dump, redact=redact), "", force)
        return
    captured = take_capture(root, redact=redact)
    _take(output, captured, "" if redact else capture.host_of(root), force)


def _take(output: str | None, captured: CapturedFiles, host: str, force: bool) -> None:
    import time

    from drmemctl.output.files import write_atomically
    from drmemctl.tree.capture import default_name

    data = captured.to_bytes(default_name("", "") if output is None else output)
    if output is None:
        output = _write_new(data, host, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(captured.when)))
    else:
        write_atomically(output, data, force=force, new=True)
    say(f"{output}: {len(data):,} bytes")


def _write_new(data: bytes, host: str, when: str) -> str:
    """Write a file that has the first free of its default names; return that."""
    from itertools import count

    from drmemctl.output.files import ExistingFileError, write_atomically
    from drmemctl.tree.capture import default_name

    for number in count(1):
        name = default_name(host, when, number)
        with suppress(ExistingFileError):
            write_atomically(name, data, new=True)
            return name
    raise AssertionError("numbers do not end")
