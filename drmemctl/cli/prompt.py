# SPDX-License-Identifier: MIT
"""`drmemctl simulate --interactive`: a prompt for steps, with history, completion and `undo`."""

from __future__ import annotations

import cmd
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from drmemctl.cli.step_completion import completions
from drmemctl.cli.steps import SYNTAX, pointed
from drmemctl.errors import DrmemctlError
from drmemctl.output.pager import end_paging
from drmemctl.output.screen import Screen
from drmemctl.output.simulation import show_lines
from drmemctl.output.simulation_text import Detail, boot_lines, machine_lines, step_lines, verdict_lines
from drmemctl.output.text import safe, worded
from drmemctl.simulate.partition import Step
from drmemctl.simulate.session import Session
from drmemctl.simulate.step_words import StepError
from drmemctl.simulate.steps.language import parse_step
from drmemctl.tree.plain_input import standard_input

_HISTORY = "~/.drmemctl_history"
_REMEMBERED = 1000

_HELP = f"""\
A step of the language does something to the partition:
{SYNTAX}
Beside these:
  show [lmb]    whether all agrees, and what the next flush would change; the LMBs of the array
  steps         the steps so far, to keep in a file
  undo          take the last step back
  quit          leave (or Ctrl-D)
Tab completes steps, DRC indexes, nodes, properties and file names.
"""


class Prompt(cmd.Cmd):
    """The prompt; what is no command of its own is a step."""

    def __init__(self, screen: Screen, session: Session, detail: Detail) -> None:
        super().__init__()
        self._screen = screen
        self._session = session
        self._detail = detail
        self._attended = sys.stdin.isatty()
        self.prompt = "drmemctl> " if self._attended else ""
        # Without a terminal there is nothing to edit, and input() would echo the prompt into a pipe.
        self.use_rawinput = self._attended

    def precmd(self, line: str) -> str:
        """Leave at the end of input, and do not confuse a step's words with cmd's."""
        if line == "EOF":
            if self._attended:
                self._screen.write("\n")
            return "quit"
        return line

    def onecmd(self, line: str) -> bool:
        """Do a line; return whether it was the last."""
        word, _, argument = line.strip().partition(" ")
        act = self._commands.get(word)
        if act is not None:
            return act(self, argument.strip())
        try:
            step = parse_step(line, in_file=True)
        except StepError as error:
            lines = [*pointed(error), f"expected {worded(error.expected)}"]
            lines += [error.suggestion] if error.suggestion else []
            lines += ["or show, steps, undo or quit; `help` tells more"] if error.column == 1 else []
            self._say("\n".join(lines))
            return False
        if step is not None:
            self.step(step)
        return False

    def emptyline(self) -> bool:
        """Do nothing: cmd would repeat the last line."""
        return False

    def step(self, step: Step) -> None:
        """Do a step and show it."""
        try:
            result = self._session.do(step)
        except DrmemctlError as error:
            self._say(f"drmemctl: {worded(str(error))}")
            return
        show_lines(self._screen, step_lines(self._screen, len(self._session.done), result, self._detail))

    def _say(self, text: str) -> None:
        self._screen.write(text + "\n")

    def _show(self, command_name: str) -> bool:
        if command_name == "lmb":
            from drmemctl.kernel.lmb_node import current_associativity
            from drmemctl.output.lmb import LmbView, show_lmbs

            state = self._session.simulation.state
            show_lmbs(self._screen, LmbView(state.table, current_associativity(state)), "text")
        else:
            simulation = self._session.simulation
            show_lines(self._screen, machine_lines(self._screen, simulation, simulation.state))
            show_lines(self._screen, verdict_lines(self._screen, self._session.verdict(), self._detail))
        return False

    def _steps(self, _: str) -> bool:
        for result in self._session.done:
            self._say(safe(result.step, None))
        return False

    def _undo(self, _: str) -> bool:
        undone = self._session.undo()
        text = "nothing to undo" if undone is None else f"undone: {safe(undone.step)}"
        self._say(text)
        return False

    def _help(self, _: str) -> bool:
        self._screen.write(_HELP)
        return False

    def _quit(self, _: str) -> bool:
        return True

    _commands: dict[str, Callable[[Prompt, str], bool]] = {  # noqa: RUF012 - filled here, never changed
        "show": _show,
        "steps": _steps,
        "undo": _undo,
        "help": _help,
        "?": _help,
        "quit": _quit,
        "exit": _quit,
    }

    def completenames(self, text: str, *_: object) -> list[str]:
        """Complete the first word."""
        return self.completedefault(text, text, 0, len(text))

    def completedefault(self, text: str, line: str, begin: int, _end: int) -> list[str]:
        """Complete a word of a step."""
        return completions(self._session.simulation, line[:begin], text, tuple(self._commands))


def converse(screen: Screen, session: Session, steps: Iterable[Step], detail: Detail) -> None:
    """Do the steps given, then ask for more until the input ends; the verdict comes last."""
    end_paging()
    standard_input()  # which `cmd` reads, a line at a time
    prompt = Prompt(screen, session, detail)
    show_lines(screen, boot_lines(screen, session))
    for step in steps:
        prompt.step(step)
    if sys.stdin.isatty():
        _with_history(prompt)
    else:
        prompt.cmdloop()
    show_lines(screen, verdict_lines(screen, session.verdict(), detail))


def _with_history(prompt: Prompt) -> None:
    try:
        import readline
    except ImportError:  # some Pythons are built without: then there is no editing
        _loop(prompt)
        return
    path = Path(_HISTORY).expanduser()
    readline.set_completer_delims(" \t\n")
    with suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(_REMEMBERED)
    try:
        _loop(prompt)
    finally:
        with suppress(OSError):
            readline.write_history_file(path)


def _loop(prompt: Prompt) -> None:
    """Ask until the end; Ctrl-C drops the line that is being written."""
    sys.stdout.write("help lists the steps; Tab completes; undo; quit\n")
    while True:
        try:
            prompt.cmdloop()
        except KeyboardInterrupt:
            sys.stdout.write("\n")
        else:
            return
