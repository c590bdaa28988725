# SPDX-License-Identifier: MIT
"""The steps that a command line gives, or a file: all read before the first is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from drmemctl.output.screen import say

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile
    from drmemctl.simulate.partition import Step
    from drmemctl.simulate.session import Session
    from drmemctl.simulate.words import StepError
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
    from drmemctl.output.text import safe
    from drmemctl.simulate.steps.language import parse_script
    from drmemctl.simulate.words import StepError

    try:
        return list(parse_script(text, in_file=in_file))
    except StepError as error:
        raise PointedError("\n".join([f"{safe(name)}: {worded(error.message)}", *pointed(error)])) from error
    except LimitError as error:
        raise error.with_source(name) from None


def worded(message: str) -> str:
    """Return what the grammar says in ASCII: it quotes what the user wrote."""
    from drmemctl.output.text import safe

    return safe(message.replace("…", "..."), 2000)


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


def files_of(steps: Iterable[Step]) -> Iterator[str]:
    """Yield the files and trees that steps read."""
    return (name for step in steps for name in step.inputs)


def session_after(
    tree: Tree, steps: Iterable[Step], profile: Profile, hypervisor: str | None, *, traced: bool = False
) -> Session:
    """Return the session after steps that lead to what a command is about; those that failed are said."""
    from drmemctl.output.text import safe
    from drmemctl.simulate.session import Session
    from drmemctl.simulate.simulation import Simulation

    session = Session(Simulation(tree, profile, hypervisor, findings=False), traced=traced)
    for _ in session.do_all(steps):
        pass
    for number in session.failed:
        result = session.done[number - 1]
        why = result.errno or result.note or "not as expected"
        say(f"step {number} failed, {safe(why, 200)}: {safe(result.step, 200)}")
    return session
