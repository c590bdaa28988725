# SPDX-License-Identifier: MIT
"""The steps that a command line gives, or a file: all read before the first is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from drmemctl.cli.boot_options import say_not_shown
from drmemctl.cli.common import FILE, Decorator
from drmemctl.cli.kernel_options import kernel_of, named_hypervisor
from drmemctl.cli.option import LINES, RenamedOption, WholeNumber
from drmemctl.output.screen import say

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile
    from drmemctl.simulate.partition import Step
    from drmemctl.simulate.session import Session
    from drmemctl.simulate.step_words import StepError
    from drmemctl.tree.node import Tree

SYNTAX = """\
  dlpar memory add|remove count N | index DRC | indexed-count N DRC
  dlpar cpu add|remove index DRC | count N
  drmgr [RELEASE] -c mem -a|-r -q N | -s 0xDRC
  plug|attach DRC COUNT [node N | row N | assoc W,...]
  unplug|detach DRC COUNT
  firmware PATH PROPERTY HEX|@FILE|-                  lpm TREE    migrate FILE
  prrn TREE|FILE | prrn SCOPE PHANDLE...              topology on|off
  vphn CPU W,...                                      unmovable|movable DRC...
  withhold DRC COUNT [STATUS]                         provide DRC COUNT
  offline|online BLOCK                                hpt-full|hpt-room DRC...
  rtas get-sensor 9003 DRC | set-indicator 9001|9003 DRC VALUE
  rtas configure-connector DRC
  qemu-migrate     reboot     kexec [file|classic]
  expect ok | ERRNO | consistent | finding RULE
  expect drc DRC aa INDEX | drc DRC node N | blocks N"""
"""The steps as help texts have them."""

_BEFORE, _AFTER = 60, 40
"""Characters of a line that are shown before and after the fault: values of properties are long."""


def steps_file_option(*former: str) -> Decorator:
    """Return `-f`, which hands the command the file of steps as `script`."""
    return click.option(
        "-f",
        "--file",
        "script",
        cls=RenamedOption,
        former=former,
        metavar="FILE",
        type=FILE,
        help="Steps, one a line; - is standard input.",
    )


def step_option(name: str = "steps") -> Decorator:
    """Return `--step`, which may be repeated."""
    about = "A step, after those of FILE. Repeat for more."
    return click.option("--step", name, metavar="STEP", multiple=True, type=LINES, help=about)


def steps_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add STEP... to a command of one TREE, with `-f` and `--step`, all of which it gets as its parsed `steps`."""

    @click.argument("steps", metavar="[STEP]...", nargs=-1)
    @steps_file_option()
    @step_option("more_steps")
    @wraps(command)
    def with_steps(
        *, tree: str, steps: tuple[str, ...], script: str | None, more_steps: tuple[str, ...], **options: Any
    ) -> Any:
        check_standard_input(tree, script)
        return command(tree=tree, steps=(*steps, *more_steps), script=script, **options)

    return with_steps


def check_standard_input(tree: str, script: str | None) -> None:
    """Refuse to read two things from it."""
    if tree == script == "-":
        raise click.UsageError("standard input cannot be both TREE and FILE.")


def random_option(*former: str, most: int = 10_000, **kind: Any) -> Decorator:
    """Return `--random`, a number of random steps."""
    return click.option(
        "--random", cls=RenamedOption, former=former, metavar="N", type=WholeNumber(1, most), **kind
    )


def seed_option(default: str) -> Decorator:
    """Return `--seed`, which hands the command its `seeds`, a range."""
    return click.option(
        "--seed",
        "seeds",
        metavar="S|FIRST-LAST",
        default=default,
        show_default=True,
        callback=_seeds,
        help="Seed of the random steps; a range is one run for each seed.",
    )


def _seeds(_ctx: click.Context, _param: click.Parameter, value: str) -> range:
    """Return the seeds of `S` or `FIRST-LAST`."""
    first, dash, last = value.partition("-")
    if not (first.isascii() and first.isdigit() and (not dash or (last.isascii() and last.isdigit()))):
        raise click.BadParameter("write a number, or FIRST-LAST")
    if len(first + last) > 12:
        raise click.BadParameter("seeds have at most six digits" if dash else "a seed has at most twelve digits")
    seeds = range(int(first), int(last if dash else first) + 1)
    if not seeds:
        raise click.BadParameter("FIRST is after LAST")
    return seeds


def parse_steps(script: str | None, arguments: Iterable[str]) -> list[Step]:
    """Return the steps of a file and then those of the arguments; a usage error for the first that is none."""
    from drmemctl.simulate.steps.language import bound_steps

    steps: list[Step] = []
    if script is not None:
        name = "standard input" if script == "-" else script
        steps += _parsed(_content(script), name, in_file=True)
    for number, argument in enumerate(arguments, 1):
        steps += _parsed(argument, f"STEP {number}", in_file=False)
        bound_steps(len(steps))
    return steps


def _content(script: str) -> str:
    from drmemctl.errors import InputError
    from drmemctl.tree.limits import LIMITS
    from drmemctl.tree.plain_input import read_input

    hint = "put long values into files: `firmware PATH PROPERTY @FILE`"
    data = read_input(script, LIMITS.max_script, hint, typed=True)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "this is no file of steps, which are UTF-8 text", source=script, offset=error.start
        ) from error


def _parsed(text: str, name: str, *, in_file: bool) -> list[Step]:
    from drmemctl.cli.usage import PointedError
    from drmemctl.errors import LimitError
    from drmemctl.simulate.step_words import StepError
    from drmemctl.simulate.steps.language import parse_script

    try:
        return list(parse_script(text, in_file=in_file))
    except StepError as error:
        raise PointedError("\n".join(error_lines(name, error))) from error
    except LimitError as error:
        raise error.with_source(name) from None


def error_lines(name: str, error: StepError) -> list[str]:
    """Return what is wrong with a step, of an input of that name, and the line with a caret."""
    from drmemctl.output.text import safe, worded

    suggestion = f"; {safe(error.suggestion)}" if error.suggestion else ""
    return [f"{safe(name)}: {worded(error.message)}{suggestion}", *pointed(error)]


def pointed(error: StepError) -> tuple[str, str]:
    """Return the line with a caret below what is wrong in it."""
    from drmemctl.output.text import safe

    at = error.column - 1
    first = max(0, at - _BEFORE) if len(error.text) > _BEFORE + _AFTER else 0
    before = safe(error.text[first:at], None)
    cut = "..." if first else ""
    after = safe(error.text[at : at + _AFTER], None)
    more = "..." if len(error.text) > at + _AFTER else ""
    return f"  {cut}{before}{after}{more}", f"  {' ' * len(cut + before)}^"


def session_on(tree: Tree, steps: Iterable[Step], kernel: Profile | None, hypervisor: str | None) -> Session:
    """Return the session after steps on a tree, by the kernel and hypervisor that options name."""
    profile = kernel_of(tree, kernel)
    say_not_shown(tree)
    return session_after(tree, steps, profile, named_hypervisor(hypervisor))


def session_after(
    tree: Tree, steps: Iterable[Step], profile: Profile, hypervisor: str | None, *, traced: bool = False
) -> Session:
    """Return the session after steps that lead to what a command is about; those that failed are said."""
    from drmemctl.output.progress import working
    from drmemctl.output.text import safe
    from drmemctl.simulate.session import simulate

    with working("doing the steps"):
        session = simulate(tree, steps, kernel=profile, hypervisor=hypervisor, findings=False, traced=traced)
    for number in session.failed:
        result = session.done[number - 1]
        why = result.errno or result.note or "not as expected"
        say(f"step {number} failed, {safe(why, 200)}: {safe(result.step, 200)}")
    return session
