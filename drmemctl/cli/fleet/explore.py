# SPDX-License-Identifier: MIT
"""`drmemctl fleet explore`: the same threads on many kernels and captures, under several policies."""

from __future__ import annotations

from typing import Any

import click

from drmemctl.cli.explore import check_threads, locking_option, thread_option
from drmemctl.cli.fleet.extra import check_extra
from drmemctl.cli.fleet.options import campaign_options, check_workers_options, run_and_show
from drmemctl.output.screen import Screen

_EXAMPLE = """
\b
Examples:
  drmemctl fleet explore captures/ --thread 'lpm after.dtb' \\
      --thread 'dlpar memory add count 1' --locking kernel,mutex -o races

Threads and policies are those of drmemctl explore; --locking all is each policy. The column replay of the table
explorations has the command that explores a failing scenario once more, with the threads that it takes. A scenario
is given up after 100,000 states: never after some time, which would not give the same twice.

The same command once more carries out what is new or has changed; a run that was ended goes on where it was. The
exit code is 1 if some schedule ends inconsistent, 3 if a scenario cannot be explored.
"""


@click.command("explore", short_help="Explore threads on many kernels and captures.", epilog=_EXAMPLE)
@campaign_options
@thread_option()
@locking_option()
def command(threads: tuple[str, ...], policies: list[str], format: str, screen: Screen, **options: Any) -> int:
    """Explore every order of threads on each kernel and capture, and write the answers as a table of Parquet."""
    check_extra()
    from drmemctl.fleet.campaign import explore

    check_workers_options(options["jobs"], options["scheduler"])
    check_threads(threads)
    return run_and_show(explore, screen, format, threads=threads, policies=policies, **options)
