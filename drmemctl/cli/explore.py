# SPDX-License-Identifier: MIT
"""`drmemctl explore`: every interleaving of migrations, reassignments and requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from drmemctl.cli.common import FILE, color_option, format_option, named_file, open_tree, tree_argument
from drmemctl.cli.kernel_options import (
    capability_options,
    check_capabilities,
    hypervisor_option,
    kernel_of,
    kernel_option,
    named_hypervisor,
)
from drmemctl.cli.replay import replay_schedule
from drmemctl.cli.steps import pointed, worded
from drmemctl.explore.policy import BY_NAME, POLICIES
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from drmemctl.explore.answer import Answer, Question
    from drmemctl.explore.policy import Policy
    from drmemctl.kernel.profiles import Profile

_EXIT_INCONSISTENT = 1

_EXAMPLE = """
\b
Examples:
  drmemctl explore before.dtb --thread 'lpm after.dtb' --thread 'dlpar memory add count 1'
  drmemctl explore before.dtb --thread 'lpm after.dtb' --thread 'prrn 2 0x80000002' --kernel 4.20 --locking all
  drmemctl explore before.dtb --thread 'dlpar memory remove count 1' --thread kdump --save-trace race.steps
  drmemctl explore before.dtb --replay race.steps --format mermaid

A thread is a step of `drmemctl simulate` that sets something off (lpm, prrn, dlpar, plug, unplug, attach, detach,
firmware), several of them separated by `;`, or kdump: user space that reloads the crash kernel whenever memory
came or went.

\b
Locking:
{locking}
  all      each of these

The column "by race" counts the ends with something that no order of the threads one after the other leads to. The
exit code is 1 if some schedule ends inconsistent.
""".format(locking="\n".join(f"  {policy.name:8} {policy.says}" for policy in POLICIES))

_LOCKING = (*(policy.name for policy in POLICIES), "all")


def _rule_or_inconsistent(ctx: click.Context, param: click.Parameter, value: str) -> str:
    from drmemctl.check.engine import all_rules
    from drmemctl.check.settings import suggestion
    from drmemctl.explore.answer import INCONSISTENT

    if value in ("", INCONSISTENT):
        return value
    rules = all_rules()
    if value.upper() not in rules:
        near = suggestion(value, [INCONSISTENT, *rules])
        raise click.BadParameter(f"{value!r} is neither a rule nor {INCONSISTENT!r}{near}", ctx, param)
    return value.upper()


@click.command("explore", short_help="Try every interleaving of concurrent steps.", epilog=_EXAMPLE)
@tree_argument()
@click.option("--thread", "threads", metavar="STEP", multiple=True, help="What a thread does. Repeat for each.")
@kernel_option()
@capability_options()
@hypervisor_option()
@click.option(
    "--locking", multiple=True, type=click.Choice(_LOCKING), help="What keeps threads apart.  [default: kernel]"
)
@click.option(
    "--until",
    metavar="RULE|inconsistent",
    default="",
    callback=_rule_or_inconsistent,
    help="Stop at the first end that breaks it.",
)
@click.option(
    "--max-states",
    metavar="N",
    type=click.IntRange(1),
    default=1_000_000,
    show_default=True,
    help="Give up after so many.",
)
@click.option(
    "--max-seconds", metavar="SECONDS", type=click.FloatRange(0, min_open=True), help="Give up after so long."
)
@click.option(
    "-j", "--jobs", metavar="N", type=click.IntRange(1), default=1, show_default=True, help="Policies at a time."
)
@click.option(
    "--ends", metavar="N", type=click.IntRange(0), default=3, show_default=True, help="Ends to show for a policy."
)
@click.option("--all", "everything", is_flag=True, help="Show how each inconsistent end comes about.")
@click.option(
    "--save-trace", "save", type=FILE, callback=named_file, help="Write the worst schedule to this file."
)
@click.option("--replay", type=FILE, help="Replay a schedule that --save-trace wrote, action by action.")
@format_option("text", "json", "mermaid")
@color_option()
def command(
    tree: str,
    threads: tuple[str, ...],
    kernel: Profile | None,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    hypervisor: str | None,
    locking: tuple[str, ...],
    until: str,
    max_states: int,
    max_seconds: float | None,
    jobs: int,
    ends: int,
    everything: bool,
    save: str | None,
    replay: str | None,
    format: str,
    screen: Screen,
) -> int:
    """Say whether things that happen at once can leave TREE inconsistent, and what is the shortest way there.

    Every order of the threads' atomic actions is looked at: of each call, array write, property update and
    notification, with the locks of that release. The rules of `drmemctl check` judge the ends.
    """
    from drmemctl.explore.answer import Question
    from drmemctl.explore.search import Bounds
    from drmemctl.hypervisor.inference import inferred_hypervisor

    if replay is not None:
        return replay_schedule(tree, replay, screen, format)
    _check_threads(threads)
    bounds = Bounds(max_states, max_seconds or float("inf"))
    check_capabilities(added, removed)
    device_tree = open_tree(tree)
    profile = kernel_of(device_tree, kernel).changed(added, removed)
    machine = named_hypervisor(hypervisor) or inferred_hypervisor(device_tree).name
    question = Question(device_tree, threads, profile, machine, bounds, until)
    return _explored(question, _policies(locking), jobs, save, (screen, format, None if everything else ends))


def _check_threads(threads: Sequence[str]) -> None:
    from drmemctl.cli.usage import PointedError
    from drmemctl.explore.threads import steps_of
    from drmemctl.scenario.grammar import StepError

    if not threads:
        raise click.UsageError("there is no thread to explore: add --thread STEP.")
    for number, text in enumerate(threads, 1):
        try:
            steps_of(text)
        except StepError as error:
            said = [f"--thread {number}: {worded(error.message)}", *pointed(error)]
            raise PointedError("\n".join(said)) from error


def _policies(names: Sequence[str]) -> list[Policy]:
    if "all" in names:
        return list(POLICIES)
    return [BY_NAME[name] for name in dict.fromkeys(names or ("kernel",))]


def _explored(
    question: Question, policies: list[Policy], jobs: int, save: str | None, shown: tuple[Screen, str, int | None]
) -> int:
    from drmemctl.explore.answer import answers
    from drmemctl.output.explore import ExploreView, show_explored
    from drmemctl.output.progress import with_progress

    made = answers(question, policies, jobs=jobs)
    found = list(with_progress(made, len(policies), lambda _: False))
    screen, format, most = shown
    show_explored(screen, ExploreView(question, found, most), format)
    if save is not None:
        _save(question, found, save)
    return _EXIT_INCONSISTENT if any(answer.bad for answer in found) else 0


def _save(question: Question, found: Sequence[Answer], path: str) -> None:
    from drmemctl.cli.steps import files_of
    from drmemctl.explore.threads import steps_of
    from drmemctl.explore.trace import saved
    from drmemctl.output.files import write_atomically

    for answer in found:
        for end in answer.bad[:1]:
            schedule = saved(question, answer.policy, end.schedule).text().encode()
            steps = (step for text in question.threads for step in steps_of(text))
            write_atomically(path, schedule, inputs=[question.tree.source, *files_of(steps)])
            return
    say(f"no schedule ends inconsistent, {path} is not written")
