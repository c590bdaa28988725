# SPDX-License-Identifier: MIT
"""`drmemctl fleet check`: many inputs, judged into a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import color_option, fail_on_option, format_option, no_drmem_option
from drmemctl.cli.fleet.extra import check_extra
from drmemctl.cli.fleet.options import (
    check_workers_options,
    kernels_option,
    named_kernels,
    output_option,
    workers_options,
)
from drmemctl.cli.option import RenamedOption, Seconds, WholeNumber
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile

_EXIT_FINDINGS = 1
_EXIT_UNREADABLE = 3

_EXAMPLE = """
\b
Examples:
  drmemctl fleet check captures/ -o fleet
  drmemctl fleet check 's3://support/*/sosreport-*.tar.xz' -o s3://support/fleet
  drmemctl fleet check --urls captures.txt -o fleet --scheduler tls://head:8786
  drmemctl fleet check 'zip://*.dtb::captures.zip' -o fleet --kernel 5.14 --kernel 6.12

URL is a path, a pattern, a directory, or what fsspec reads: s3://, http://, zip://NAME::ARCHIVE and so on. The
same command once more judges what is new or has changed; a run that was ended goes on where it was.

Without --scheduler, processes of this machine judge. A scheduler of Dask runs whatever reaches it: name one that
you trust, and whose network you trust where it is not tls://. Its workers have to reach URL by the same name.
"""


@click.command("check", short_help="Judge many inputs into a data set.", epilog=_EXAMPLE)
@click.argument("urls", metavar="URL...", nargs=-1)
@output_option
@click.option(
    "--urls",
    "lists",
    cls=RenamedOption,
    former=("--from",),
    metavar="FILE",
    multiple=True,
    type=click.Path(dir_okay=False, allow_dash=True, path_type=str),
    help="Read more URLs from this file, one a line; - is standard input.",
)
@kernels_option("KERNEL,...", named_kernels, "Judge for each of these kernels.  [default: the input's, else any]")
@workers_options
@click.option(
    "--max-seconds",
    "time_limit",
    cls=RenamedOption,
    former=("--time-limit",),
    metavar="SECONDS",
    type=Seconds(0.1),
    default=300,
    show_default=True,
    help="Give an input up that takes longer.",
)
@click.option(
    "--max-memory",
    "memory_limit",
    cls=RenamedOption,
    former=("--memory-limit",),
    metavar="MIB",
    type=WholeNumber(256),
    default=1024,
    show_default=True,
    help="Give an input up that takes more memory.",
)
@fail_on_option(default="warning", show_default=True)
@no_drmem_option()
@format_option("text", "json")
@color_option()
def command(
    urls: tuple[str, ...],
    dataset: str,
    lists: tuple[str, ...],
    kernels: list[Profile],
    jobs: int | None,
    scheduler: str | None,
    time_limit: float,
    memory_limit: int,
    fail_on: str,
    allow_no_drmem: bool,
    format: str,
    screen: Screen,
) -> int:
    """Judge many inputs into a data set: tables of Parquet that any tool reads.

    The tables are inputs, findings, lmb_runs and nodes, each a directory of DATASET. An input that cannot be read,
    or that ends the process that reads it, is a row of inputs with the cause. The exit code is 1 if anything is
    found, 3 if an input cannot be read or has nothing to judge, as that of check.
    """
    check_extra()
    from drmemctl.fleet.checking import check
    from drmemctl.fleet.listing import urls_of
    from drmemctl.fleet.outcome import InputOutcome
    from drmemctl.fleet.worker import InputLimits
    from drmemctl.output.fleet_summary import show_summary
    from drmemctl.output.progress import bar_of_counts

    check_workers_options(jobs, scheduler)
    named = (*urls, *(url for name in lists for url in urls_of(name)))
    if not named:
        raise click.UsageError("name an URL, or a list of them with --urls.")
    with bar_of_counts() as draw:
        summary = check(
            named,
            dataset,
            kernels=[kernel.name for kernel in kernels],
            jobs=jobs,
            scheduler=scheduler,
            limits=InputLimits(time_limit, memory_limit << 20),
            progress=draw,
            say=say,
        )
    show_summary(screen, summary, "check", format)
    unjudged = summary.outcomes[InputOutcome.UNJUDGED] and not allow_no_drmem
    if summary.outcomes[InputOutcome.UNREADABLE] or unjudged:
        return _EXIT_UNREADABLE
    return _EXIT_FINDINGS if summary.fails(fail_on) else 0
