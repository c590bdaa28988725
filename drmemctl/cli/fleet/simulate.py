# SPDX-License-Identifier: MIT
"""`drmemctl fleet simulate`: the same steps, or random ones, on many kernels and captures."""

from __future__ import annotations

import os
from typing import Any

import click

from drmemctl.cli.common import FILE
from drmemctl.cli.fleet.extra import check_extra
from drmemctl.cli.fleet.options import campaign_options, check_workers_options, run_and_show
from drmemctl.cli.steps import parse_steps, random_option, seed_option, step_option, steps_file_option
from drmemctl.output.screen import Screen

_EXAMPLE = """
\b
Examples:
  drmemctl fleet simulate captures/ --step 'dlpar memory add count 1' -o run
  drmemctl fleet simulate captures/ -f lpm.steps --kernel 5.10 -o run
  drmemctl fleet simulate captures/ --random 6 --seed 1-100 -o run
  drmemctl fleet simulate before.dtb --random 6 --migrate-to after.dtb -o run

A scenario is one kernel, one capture, and the steps or the seed from which they are drawn. It fails if the kernel
dies, if its view and the hypervisor's do not agree at the end, or if an expectation among the steps fails. The
column replay of the table simulations then has a command that shows the same with as few steps as possible.

The same command once more carries out what is new or has changed; a run that was ended goes on where it was. The
exit code is 1 if a scenario fails, 3 if one cannot be carried out.
"""


@click.command("simulate", short_help="Do steps on many kernels and captures.", epilog=_EXAMPLE)
@campaign_options
@steps_file_option("--steps")
@step_option()
@random_option(help="N random steps instead.")
@seed_option("0")
@click.option(
    "--migrate-to",
    "destinations",
    metavar="TREE",
    multiple=True,
    type=FILE,
    help="A tree that random steps may migrate to. Repeat for more.",
)
def command(
    script: str | None,
    steps: tuple[str, ...],
    random: int | None,
    seeds: range,
    destinations: tuple[str, ...],
    format: str,
    screen: Screen,
    **options: Any,
) -> int:
    """Simulate steps on each kernel and each capture, and write what came of them as a table of Parquet."""
    check_extra()
    from drmemctl.fleet.campaign import simulate

    check_workers_options(options["jobs"], options["scheduler"])
    if bool(random) == bool(script or steps):
        raise click.UsageError("name steps (-f FILE, --step STEP), or else --random N.")
    if destinations and not random:
        raise click.UsageError("--migrate-to is for --random; write a step 'lpm TREE'.")
    for step in parse_steps(None, [f"lpm {name}" for name in destinations]):
        if not all(map(os.path.exists, step.inputs)):
            raise click.UsageError(f"--migrate-to: there is no {step.inputs[0]!r}.")
    parsed = [step.text for step in parse_steps(script, steps)]
    # A file may quote what an argument may not: the command to replay has arguments.
    parse_steps(None, parsed)
    drawn: dict[str, Any] = {"random": random or 0, "seeds": seeds, "destinations": destinations}
    return run_and_show(simulate, screen, format, steps=parsed, **drawn, **options)
