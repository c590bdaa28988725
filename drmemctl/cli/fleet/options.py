# SPDX-License-Identifier: MIT
"""What the commands that add to a data set have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from drmemctl.cli.common import Decorator, color_option, format_option
from drmemctl.cli.kernel_options import complete_kernels, hypervisor_option, named_hypervisor, named_kernel
from drmemctl.cli.option import RenamedOption, WholeNumber
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from drmemctl.fleet.outcome import Summary
    from drmemctl.kernel.profiles import Profile

_EXIT_FAILING = 1
_EXIT_ERROR = 3


output_option = click.option(
    "-o", "--output", "dataset", metavar="DATASET", required=True, help="Directory or URL for the tables."
)


def workers_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--jobs` and `--scheduler`; `check_workers_options` refuses both at once."""
    about = "Processes.  [default: one per CPU]"
    jobs = click.option("-j", "--jobs", metavar="N", type=WholeNumber(1), help=about)
    scheduler = click.option("--scheduler", metavar="ADDRESS", help="Use the workers of this scheduler of Dask.")
    return jobs(scheduler(command))


def campaign_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the captures and the options that both commands of campaigns have."""
    decorators = (
        click.argument("urls", metavar="URL...", nargs=-1, required=True),
        output_option,
        kernels_option(
            "all|KERNEL,...",
            _kernels,
            "Simulate these kernels; of several with the same capabilities only the first.",
            former=("--kernels",),
            default=("all",),
            show_default="all",
        ),
        hypervisor_option(),
        workers_options,
        format_option("text", "json"),
        color_option(),
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def kernels_option(
    metavar: str, callback: Callable[..., Any], about: str, former: Sequence[str] = (), **kind: Any
) -> Decorator:
    """Return `--kernel` of what takes several kernels, comma-separated or repeated: the command's `kernels`."""
    return click.option(
        "--kernel",
        "kernels",
        cls=RenamedOption,
        former=former,
        metavar=metavar,
        multiple=True,
        callback=callback,
        shell_complete=complete_kernels,
        help=about,
        **kind,
    )


def named_kernels(_ctx: click.Context, _param: click.Parameter, values: Sequence[str]) -> list[Profile]:
    """Return the kernels that `--kernel` names."""
    return [named_kernel(name.strip()) for value in values for name in value.split(",")]


def _kernels(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> list[str]:
    from drmemctl.kernel.profiles import all_kernels

    if "all" in values:
        return list(all_kernels())
    return [kernel.name for kernel in named_kernels(ctx, param, values)]


def check_workers_options(jobs: int | None, scheduler: str | None) -> None:
    """Refuse what names workers twice."""
    if jobs is not None and scheduler is not None:
        raise click.UsageError("--jobs and --scheduler exclude each other.")


def run_and_show(
    campaign: Callable[..., Summary], screen: Screen, format: str, hypervisor: str | None, **options: Any
) -> int:
    """Run a campaign with its options, show what it came to, and return the exit code."""
    from drmemctl.fleet.outcome import ScenarioOutcome
    from drmemctl.output.fleet_summary import show_summary
    from drmemctl.output.progress import bar_of_counts

    machine = named_hypervisor(hypervisor)
    with bar_of_counts() as draw:
        summary = campaign(hypervisor=machine, progress=draw, say=say, **options)
    show_summary(screen, summary, campaign.__name__, format)
    if summary.outcomes[ScenarioOutcome.ERROR]:
        return _EXIT_ERROR
    failing = (ScenarioOutcome.INCONSISTENT, ScenarioOutcome.OOPS, ScenarioOutcome.UNEXPECTED)
    return _EXIT_FAILING if any(summary.outcomes[outcome] for outcome in failing) else 0
