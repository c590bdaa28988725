# SPDX-License-Identifier: MIT
"""`drmemctl fleet diff`: captures before and after a migration, compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import FILE, color_option, format_option
from drmemctl.cli.fleet.extra import check_extra
from drmemctl.cli.kernel_options import kernel_option, setting
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXIT_FINDINGS = 1
_EXIT_UNREADABLE = 3

_EXAMPLE = """
\b
Examples:
  drmemctl fleet diff fleet
  drmemctl fleet diff fleet --partition lpar7 --format json
  drmemctl fleet diff fleet --parquet migrations.parquet
  drmemctl fleet diff --before s3://a/old.tar.gz --after s3://a/new.tar.gz

Exit code 0 if nothing is found, 1 if something is, 3 if a capture cannot be read.
"""


@click.command("diff", short_help="Compare captures before and after a migration.", epilog=_EXAMPLE)
@click.argument("dataset", metavar="[DATASET]", required=False)
@click.option("--partition", metavar="NAME", help="Only this partition, by its name or its host.")
@click.option("--before", metavar="URL", multiple=True, help="Compare this capture with that of --after.")
@click.option(
    "--after", metavar="URL", multiple=True, help="The later one; give both several times for several pairs."
)
@kernel_option()
@click.option("--parquet", metavar="FILE", type=FILE, help="Write the findings to this file as well.")
@format_option("text", "json", "csv")
@color_option()
def command(
    dataset: str | None,
    partition: str | None,
    before: tuple[str, ...],
    after: tuple[str, ...],
    kernel: Profile | None,
    parquet: str | None,
    format: str,
    screen: Screen,
) -> int:
    """Compare the captures of each partition, each with the next one, as diff does: the rules about migrations.

    What one capture cannot show is told apart: memory that stayed where it was while the tree has the
    destination's nodes, and an aa_index of the source that is still in the tree, or was written back by a kernel
    before 5.15. The captures are read again where fleet check read them. --before and --after name pairs, which
    need no DATASET.
    """
    if len(before) != len(after):
        raise click.UsageError("each --before takes an --after.")
    if (dataset is None) != bool(before):
        raise click.UsageError("name a DATASET, or pairs by --before and --after.")
    check_extra()
    from drmemctl.fleet.pairs import Capture, Pair, compared, pairs_file, pairs_of
    from drmemctl.output.files import write_atomically
    from drmemctl.output.fleet_diff import show_pairs
    from drmemctl.output.progress import bar_of_counts

    if dataset is None:
        pairs = [Pair(None, Capture(old), Capture(new)) for old, new in zip(before, after, strict=True)]
    else:
        from drmemctl.fleet.ask import fleet
        from drmemctl.fleet.work import CHECK

        with fleet(dataset, (CHECK,)) as views:
            pairs = pairs_of(views, partition)
        if not pairs:
            whose = "no partition has" if partition is None else f"there is no partition {partition!r} with"
            say(f"{dataset}: nothing to compare: {whose} two captures; the view partitions has their names")
    named: Profile | None = kernel if kernel is not None else setting("kernel")
    for note in () if named is None else named.notes:
        say(note)
    with bar_of_counts() as draw:
        differences = list(compared(pairs, named, lambda number: draw(number, len(pairs))))
    if parquet is not None:
        write_atomically(parquet, pairs_file(differences))
    show_pairs(screen, differences, format)
    if any(difference.error for difference in differences):
        return _EXIT_UNREADABLE
    return _EXIT_FINDINGS if any(difference.rows for difference in differences) else 0
