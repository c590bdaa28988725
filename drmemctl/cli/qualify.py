# SPDX-License-Identifier: MIT
"""`drmemctl qualify`: a kernel, or a QEMU, put to the test against the simulation of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from drmemctl.cli.common import FILE, color_option, format_option
from drmemctl.cli.kernel_options import complete_kernels, named_kernel
from drmemctl.cli.option import Count, RenamedOption
from drmemctl.cli.steps import parse_steps, random_option, seed_option, steps_file_option
from drmemctl.errors import WriteError
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from pathlib import Path

    from drmemctl.kernel.profiles import Profile
    from drmemctl.qualify.kernel_trial import KernelSubject
    from drmemctl.qualify.qemu_trial import QemuSubject
    from drmemctl.qualify.trial import Trial, TrialResult

_EXIT_DIFFERS = 1
_OF_QEMU, _OF_KERNEL = 20, 1
"""Random trials without --trials: one of QEMU takes half a second, one of a kernel a boot and seconds a step."""

_EXAMPLE = """
\b
Examples:
  drmemctl qualify --qemu ./qemu-system-ppc64
  drmemctl qualify --vmlinux vmlinux --kernel 6.12 --seed 1 --random 20 -o trial
  drmemctl qualify --vmlinux vmlinux -f trial/seed-1.steps

With --vmlinux the kernel is booted in QEMU and does requests, plugs, updates by firmware and, if its image has a
symbol table, migrations with scripted answers of firmware; each byte of the LMB properties, error number, log line
and memory block is held against the simulation of the release that it says, or of --kernel. Without, QEMU's
connectors are walked by qtest, live migration included.

Needs QEMU (qemu-system-ppc64) and, with --vmlinux, a ppc64el busybox that needs no library: Debian's is fetched
unless --busybox names one. The exit code is 1 if something is not as simulated.
"""


@click.command("qualify", short_help="Put a kernel, or a QEMU, to the test.", epilog=_EXAMPLE)
@click.option("--vmlinux", metavar="FILE", type=FILE, help="The kernel: its uncompressed ppc64el image.")
@click.option(
    "--qemu",
    metavar="BIN",
    default="qemu-system-ppc64",
    show_default=True,
    help="The QEMU: a program, or its name.",
)
@click.option(
    "--kernel",
    "like",
    cls=RenamedOption,
    former=("--like",),
    metavar="KERNEL",
    callback=lambda _ctx, _param, name: None if name is None else named_kernel(name),
    shell_complete=complete_kernels,
    help="The release whose simulation the kernel is compared with.  [default: the one that it says]",
)
@click.option("--busybox", metavar="FILE", type=FILE, help="A static ppc64el busybox for the guest.")
@seed_option("1")
@random_option("--steps", most=1000, default=40, show_default=True, help="Random steps of a trial.")
@click.option(
    "--trials",
    metavar="N",
    type=Count(0),
    help="Random trials, from the first seed on.  [default: 20 of a QEMU, 1 of a kernel]",
)
@click.option(
    "--tries",
    metavar="N",
    type=Count(0),
    default=40,
    show_default=True,
    help="Attempts to shorten the steps that show a difference.",
)
@steps_file_option()
@click.option(
    "-o",
    "--output",
    "out",
    cls=RenamedOption,
    former=("--out",),
    metavar="OUT",
    type=click.Path(file_okay=False),
    help="Directory for everything.  [default: a new one]",
)
@format_option("text", "json", "junit")
@color_option()
def command(
    vmlinux: str | None,
    qemu: str,
    like: Profile | None,
    busybox: str | None,
    seeds: range,
    random: int,
    trials: int | None,
    tries: int,
    script: str | None,
    out: str | None,
    format: str,
    screen: Screen,
) -> int:
    """Run random and directed steps on a real kernel or QEMU, and report where it differs from the simulation.

    A difference is reduced to the fewest steps that show it, with what each side did and the kernel function.
    """
    from pathlib import Path
    from tempfile import mkdtemp

    from drmemctl.output.qualify import QualifyView, show_qualified
    from drmemctl.output.text import safe
    from drmemctl.qualify.kernel_trial import checked_elf, kernel_trials
    from drmemctl.qualify.qemu_trial import qemu_trials
    from drmemctl.qualify.qtest import version_of
    from drmemctl.qualify.scripted_rtas import can_migrate
    from drmemctl.qualify.trial import Trial, tried

    for option, value in (("--kernel", like), ("--busybox", busybox)):
        if value is not None and vmlinux is None:
            raise click.UsageError(f"{option} goes with --vmlinux.")
    source = click.get_current_context().get_parameter_source("qemu")
    if vmlinux is None and source is ParameterSource.DEFAULT:
        raise click.UsageError("name what is put to the test: --vmlinux FILE, --qemu BIN, or both.")
    script_trials = None
    if script is not None:
        script_trials = [Trial(Path(script).stem, tuple(step.text for step in parse_steps(script, ())))]
    version_of(qemu)
    if vmlinux is not None:
        checked_elf(Path(vmlinux))
    place = Path(mkdtemp(prefix="drmemctl-qualify-") if out is None else out)
    with _written_to(place):
        place.mkdir(parents=True, exist_ok=True)
    subject: KernelSubject | QemuSubject
    if vmlinux is None:
        subject = _qemu(qemu, place)
        planned: Iterable[Trial] = script_trials or qemu_trials(
            seeds.start, random, _number_of(seeds, trials, _OF_QEMU)
        )
    else:
        subject = _kernel(vmlinux, busybox, qemu, like, place)
        if script_trials is None and not can_migrate(Path(vmlinux)):
            say(f"{safe(vmlinux)}: no symbol table, or not all that it takes: the kernel is not migrated")
        planned = script_trials or kernel_trials(
            subject, seeds.start, random, _number_of(seeds, trials, _OF_KERNEL)
        )
    with _written_to(place):
        results = list(_followed(tried(subject, planned, tries), place))
    options = ["--qemu", qemu] if vmlinux is None else ["--vmlinux", vmlinux, "--qemu", qemu]
    options += [] if like is None else ["--kernel", like.name]
    view = QualifyView(subject.name, subject.model, results, str(place), options)
    show_qualified(screen, view, format)
    return _EXIT_DIFFERS if any(result.differences for result in results) else 0


@contextmanager
def _written_to(place: Path) -> Iterator[None]:
    """Have an error of a file there say which."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise WriteError(f"cannot be written: {reason}", source=str(error.filename or place)) from error


def _number_of(seeds: range, trials: int | None, usual: int) -> int:
    """Return how many random trials there are: one for each of several seeds, or as many as are asked for."""
    if len(seeds) == 1:
        return usual if trials is None else trials
    if trials is not None:
        raise click.UsageError("--seed FIRST-LAST says how many trials there are; leave --trials out.")
    return len(seeds)


def _qemu(qemu: str, place: Path) -> QemuSubject:
    from drmemctl.qualify.qemu_trial import QemuSubject

    return QemuSubject(qemu, place)


def _kernel(vmlinux: str, busybox: str | None, qemu: str, like: Profile | None, place: Path) -> KernelSubject:
    from pathlib import Path

    from drmemctl.qualify.kernel_trial import KernelSubject, checked_elf
    from drmemctl.qualify.packages import CACHE, Packages

    programs = Packages(CACHE).busybox() if busybox is None else Path(busybox)
    return KernelSubject(Path(vmlinux), checked_elf(programs), place, like, qemu)


def _followed(results: Iterator[TrialResult], place: Path) -> Iterator[TrialResult]:
    """Yield results as they come; say so, and keep the steps that show a difference."""
    import sys

    from drmemctl.output.qualify import head_of
    from drmemctl.qualify.trial import file_name

    for result in results:
        if sys.stderr.isatty():
            say(head_of(result))
        if result.fewest:
            steps = "".join(f"{step}\n" for step in result.fewest)
            (place / f"{file_name(result.trial.name)}.steps").write_text(steps, encoding="utf-8")
        yield result
