# SPDX-License-Identifier: MIT
"""The step language: one step a line, errors with line, column and what was expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from drmemctl.errors import LimitError
from drmemctl.formats.block_states import OFFLINE, ONLINE
from drmemctl.kernel import plugins
from drmemctl.simulate.partition import Step
from drmemctl.simulate.step_words import WORD, StepWords
from drmemctl.simulate.steps.block_state import BlockState
from drmemctl.simulate.steps.boot import Kexec, Reboot
from drmemctl.simulate.steps.drmgr_call import Drmgr
from drmemctl.simulate.steps.expect import Expect
from drmemctl.simulate.steps.firmware_update import FirmwareUpdate
from drmemctl.simulate.steps.home_node import HomeNode
from drmemctl.simulate.steps.hotplug import Attach, Detach
from drmemctl.simulate.steps.lmb_marks import HashTableFull, Unmovable
from drmemctl.simulate.steps.memory_request import Dlpar
from drmemctl.simulate.steps.migration import Lpm, Migrate
from drmemctl.simulate.steps.pool import Pool
from drmemctl.simulate.steps.qemu_migration import QemuMigrate
from drmemctl.simulate.steps.reassignment import Prrn
from drmemctl.simulate.steps.rtas_call import Rtas
from drmemctl.simulate.steps.topology import TopologySwitch
from drmemctl.tree.limits import LIMITS
from drmemctl.wording import did_you_mean, nearest

STEPS: dict[str, type[Step]] = {
    "dlpar": Dlpar,
    "drmgr": Drmgr,
    "plug": Attach,
    "unplug": Detach,
    "attach": Attach,
    "detach": Detach,
    "firmware": FirmwareUpdate,
    "lpm": Lpm,
    "migrate": Migrate,
    "qemu-migrate": QemuMigrate,
    "prrn": Prrn,
    "topology": TopologySwitch,
    "vphn": HomeNode,
    "withhold": Pool,
    "provide": Pool,
    "unmovable": Unmovable,
    "movable": Unmovable,
    "hpt-full": HashTableFull,
    "hpt-room": HashTableFull,
    OFFLINE: BlockState,
    ONLINE: BlockState,
    "rtas": Rtas,
    "reboot": Reboot,
    "kexec": Kexec,
    "expect": Expect,
}
"""The kind of each step by its first word."""

STEP_NAMES = tuple(STEPS)


def step_named(word: str) -> type[Step] | None:
    """Return the kind of steps that begin with a word, also of a plugin; None for none."""
    return STEPS.get(word) or plugins.looked_up(word, plugins.steps)


def parse_script(text: str, *, in_file: bool = False) -> Iterator[Step]:
    """Yield the steps of some lines; `StepError` at the first that is none.

    In a file `#` begins a comment in every step, and the text of `dlpar` may be quoted; where a shell has read the
    line already, what is left of that text is the kernel's.
    """
    number = 0
    # Only a line feed ends a line: any other control character may be meant for the kernel.
    for line, content in enumerate(text.split("\n"), 1):
        step = parse_step(content.removesuffix("\r") if in_file else content, line, in_file=in_file)
        if step is not None:
            number += 1
            bound_steps(number)
            yield step


def bound_steps(number: int) -> None:
    """Raise `LimitError` for more steps than can be simulated in some seconds."""
    if number > LIMITS.max_steps:
        raise LimitError(f"more than the {LIMITS.max_steps:,} steps that are simulated", hint="do them in parts")


def parse_step(text: str, line: int = 1, *, in_file: bool = False) -> Step | None:
    """Return the step in a line, None for an empty one or a comment."""
    words = [(match.start(), match[0]) for match in islice(WORD.finditer(text), LIMITS.max_words + 1)]
    if len(words) > LIMITS.max_words:
        message = f"line {line} has more than the {LIMITS.max_words:,} words that a step may have"
        raise LimitError(message, hint="put it into several steps")
    if words and STEPS.get(words[0][1]) is Dlpar:
        return Dlpar.parse(StepWords(text, line, words, at=1, in_file=in_file))
    for at, (_, word) in enumerate(words):
        # `firmware / #size-cells …`: in that place a property has to stand, and several begin so.
        if word.startswith("#") and not (at == 2 and words[0][1] == "firmware"):
            words = words[:at]
            break
    if not words:
        return None
    step_words = StepWords(text, line, words)
    kind = step_named(step_words.next("a step"))
    if kind is None:
        names = [*STEPS, *plugins.steps()]
        suggestion = did_you_mean(_meant(words[0][1], names))
        raise step_words.error(f"a step ({', '.join(names)})", back=1, suggestion=suggestion)
    step = kind.parse(step_words)
    plugins.held_to(step, Step, kind, "parse")
    step_words.end()
    return step


def _meant(word: str, names: Sequence[str]) -> list[str]:
    """Return the steps that were probably meant by a word; what begins as a request lacks `dlpar` before it."""
    resources, actions, *_ = Dlpar.completions
    if word in resources:
        return [f"dlpar {word}"]
    if word in actions:
        return [f"dlpar {resource} {word}" for resource in resources]
    return nearest(word, names)
