# SPDX-License-Identifier: MIT
"""`drmemctl explore`: every interleaving of migrations, reassignments and requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from drmemctl.cli.boot_options import say_not_shown
from drmemctl.cli.common import (
    FILE,
    Decorator,
    color_option,
    format_option,
    named_file,
    open_tree,
    show_option,
    tree_argument,
)
from drmemctl.cli.kernel_options import (
    capability_options,
    check_capabilities,
    hypervisor_option,
    kernel_of,
    kernel_option,
    named_hypervisor,
)
from drmemctl.cli.option import LINES, Count, Seconds
from drmemctl.cli.replay import replay_option, replay_schedule
from drmemctl.cli.steps import error_lines
from drmemctl.cli.table_options import TableCommand
from drmemctl.output.screen import Screen, say
from drmemctl.simulate.interleave.policy import ALL, BY_NAME, POLICIES, ThreadsError
from drmemctl.wording import count_of

if TYPE_CHECKING:
    from drmemctl.check.finding import Finding
    from drmemctl.kernel.profiles import Profile
    from drmemctl.simulate.interleave.answer import End, PolicyAnswer, Question
    from drmemctl.simulate.interleave.exploration import Exploration
    from drmemctl.simulate.interleave.policy import Policy
    from drmemctl.tree.node import Tree

_EXIT_INCONSISTENT = 1
_NOT_RELOADED = (
    "kdump: the kernel itself writes the crash kernel's elfcorehdr (/sys/devices/system/memory/crash_hotplug is "
    "1), user space reloads nothing; --without crash-hotplug is for tools that do not tell the kernel"
)
_TO_SHOW = 0.5
"""Seconds beyond --max-seconds in which the answers are shown."""

_EXAMPLE = """
\b
Examples:
  drmemctl explore before.dtb --thread 'lpm after.dtb' --thread 'dlpar memory add count 1'
  drmemctl explore before.dtb --thread 'lpm after.dtb' --thread 'prrn 2 0x80000002' --kernel 4.20 --locking all
  drmemctl explore before.dtb --thread 'dlpar memory remove count 1' --thread kdump --save-trace race.steps
  drmemctl explore before.dtb --replay race.steps --format mermaid

A thread is a step of `drmemctl simulate` (dlpar, drmgr, plug, unplug, attach, detach, firmware, lpm, qemu-migrate,
prrn, topology, vphn, offline, online), several of them separated by `;`, or kdump: user space that reloads the
crash kernel whenever memory came or went. From 6.10 on the kernel itself updates what a loaded crash kernel dumps,
and there is nothing to reload; if the tools that loaded it do not know that, add --without crash-hotplug.

\b
Locking:
{locking}
  all      each of these

The column "by race" counts the ends with something that no order of the threads one after the other leads to. The
exit code is 1 if some schedule ends inconsistent.
""".format(locking="\n".join(f"  {policy.name:8} {policy.says}" for policy in POLICIES))


def locking_option() -> Decorator:
    """Return `--locking`, which hands the command the names of the `policies`."""
    return click.option(
        "--locking",
        "policies",
        metavar="all|POLICY,...",
        multiple=True,
        default=("kernel",),
        show_default="kernel",
        callback=_policies,
        shell_complete=lambda _ctx, _param, text: [name for name in (*BY_NAME, ALL) if name.startswith(text)],
        help="What keeps threads apart; comma-separated or repeated.",
    )


def thread_option() -> Decorator:
    """Return `--thread`, which hands the command its `threads`."""
    about = "What a thread does. Repeat for each."
    return click.option("--thread", "threads", metavar="STEPS", multiple=True, type=LINES, help=about)


def _policies(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[str]:
    from drmemctl.simulate.interleave.exploration import policies_named

    try:
        policies = policies_named(name.strip() for value in values for name in value.split(","))
    except ThreadsError as error:
        raise click.BadParameter(str(error), ctx, param) from error
    return [policy.name for policy in policies]


def _rule_or_inconsistent(ctx: click.Context, param: click.Parameter, value: str) -> str:
    from drmemctl.simulate.interleave.exploration import until_named

    try:
        return until_named(value)
    except ThreadsError as error:
        raise click.BadParameter(str(error), ctx, param) from error


@click.command(
    "explore",
    cls=TableCommand.of("drmemctl.output.explore:COLUMNS"),
    short_help="Try every interleaving of concurrent steps.",
    epilog=_EXAMPLE,
)
@tree_argument()
@thread_option()
@kernel_option()
@capability_options()
@hypervisor_option()
@locking_option()
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
    type=Count(1),
    default=10_000_000,
    show_default=True,
    help="Give up after so many states.",
)
@click.option(
    "--max-seconds",
    metavar="SECONDS",
    type=Seconds(0, min_open=True),
    help="Give up after so long.",
)
@click.option(
    "-j",
    "--jobs",
    metavar="N",
    type=Count(1),
    default=1,
    show_default=True,
    help="Processes, a policy each.",
)
@show_option("Ends to show for a policy.", 0, former=("--ends",), default=3, show_default=True)
@click.option("--all", "everything", is_flag=True, help="All inconsistent ends, however many.")
@click.option(
    "--save-trace",
    "save",
    metavar="FILE",
    type=FILE,
    callback=named_file,
    help="Write the worst schedule to this file.",
)
@replay_option()
@format_option("text", "json", "junit", "mermaid")
@color_option()
def command(
    tree: str,
    threads: tuple[str, ...],
    kernel: Profile | None,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    hypervisor: str | None,
    policies: list[str],
    until: str,
    max_states: int,
    max_seconds: float | None,
    jobs: int,
    shown: int,
    everything: bool,
    save: str | None,
    replay: str | None,
    format: str,
    screen: Screen,
) -> int:
    """Report whether concurrent operations can leave TREE inconsistent, with the shortest schedule that does.

    Every order of the threads' atomic actions (RTAS call, array write, property update, notification) that the
    locks of that release allow is explored. The rules of `drmemctl check` judge the states at the end; what is
    wrong before any thread begins is not counted.
    """
    from time import monotonic

    from drmemctl.hypervisor.inference import inferred_hypervisor
    from drmemctl.kernel.kexec_capabilities import CRASH_HOTPLUG
    from drmemctl.output.explore import ExploreView, show_explored
    from drmemctl.simulate.interleave.answer import Question
    from drmemctl.simulate.interleave.deadline import NEVER
    from drmemctl.simulate.interleave.exploration import Exploration, policies_named
    from drmemctl.simulate.interleave.search import Bounds
    from drmemctl.simulate.interleave.trace import traced_ends

    began = monotonic()
    if replay is not None:
        if format == "junit":
            raise click.UsageError("--replay has no JUnit format: a schedule is no test.")
        return replay_schedule(tree, replay, screen, format)
    check_threads(threads)
    bounds = Bounds(max_states, max_seconds or NEVER)
    check_capabilities(added, removed)
    device_tree = _opened(tree, bounds.seconds)
    profile = kernel_of(device_tree, kernel).changed(added, removed)
    say_not_shown(device_tree)
    machine = named_hypervisor(hypervisor) or inferred_hypervisor(device_tree).name
    question = Question(device_tree, threads, profile, machine, bounds, until)
    if question.has_kdump and profile.has(CRASH_HOTPLUG):
        say(_NOT_RELOADED)
    exploration = Exploration(question, tuple(_answers(question, policies_named(policies), jobs, began)))
    late = began + bounds.seconds + _TO_SHOW
    at_start = _judged_start(question, late)
    _say_start(at_start or ())
    most = None if everything else shown
    traced = [
        traced_ends(question, answer, _ends_to_show(answer, format, most), late) for answer in exploration.answers
    ]
    view = ExploreView(question, exploration.answers, traced, at_start)
    if format == "junit":
        from drmemctl.output.explore_junit import junit

        screen.write_all(junit(view))
    else:
        show_explored(screen, view, format)
    if save is not None:
        _save(exploration, save)
    return 0 if exploration.consistent else _EXIT_INCONSISTENT


def _opened(tree: str, seconds: float) -> Tree:
    """Return the tree; `DrmemctlError` if reading it takes all the time that there is."""
    from time import monotonic

    from drmemctl.errors import DrmemctlError
    from drmemctl.simulate.interleave.deadline import TimeUpError, ended_at

    try:
        with ended_at(monotonic() + seconds):
            return open_tree(tree)
    except TimeUpError:
        message = f"{seconds:g} s were over before it was read: nothing was looked at"
        raise DrmemctlError(message, source=tree, hint="raise --max-seconds") from None


def check_threads(threads: Sequence[str]) -> None:
    """Refuse threads that are none, and none at all."""
    from drmemctl.cli.usage import PointedError
    from drmemctl.simulate.interleave.threads import steps_of
    from drmemctl.simulate.step_words import StepError

    if not threads:
        raise click.UsageError("there is no thread to explore: add --thread STEP.")
    for number, text in enumerate(threads, 1):
        try:
            steps_of(text)
        except StepError as error:
            raise PointedError("\n".join(error_lines(f"--thread {number}", error))) from error


def _judged_start(question: Question, deadline: float) -> Sequence[Finding] | None:
    """Return what is not consistent where no thread did anything; None if there was no time to judge it."""
    from drmemctl.check.engine import finding_of
    from drmemctl.simulate.findings import PartitionJudge
    from drmemctl.simulate.interleave.deadline import TimeUpError, ended_at
    from drmemctl.simulate.interleave.judge import gravity

    try:
        with ended_at(deadline):
            judgement = PartitionJudge().judged(question.partition())
            findings = (finding_of(violation, judgement.subject) for violation in judgement.contradictions())
            return sorted(findings, key=gravity)
    except TimeUpError:
        return None


def _say_start(contradictions: Sequence[Finding]) -> None:
    """Say the worst of what is not consistent before any thread, as `simulate` does without steps."""
    for finding in contradictions[:1]:
        more = f" (and {len(contradictions) - 1:,} more)" if contradictions[1:] else ""
        head = "not consistent before any thread begins, which is not counted"
        say(f"{head}: {finding.rule}: {finding.message}{more}")


def _ends_to_show(answer: PolicyAnswer, format: str, most: int | None) -> Sequence[End]:
    """Return the ends that a format has: JSON all, text examples unless `most` is None, the others the worst."""
    if format in ("mermaid", "junit"):
        return answer.bad[:1]
    return answer.bad if format == "json" or most is None else answer.examples(most)


def _answers(question: Question, policies: list[Policy], jobs: int, began: float) -> Iterator[PolicyAnswer]:
    """Yield the answers; a terminal shows how far the search is."""
    from drmemctl.output.progress import Counter, with_progress
    from drmemctl.simulate.interleave.answer import answers

    if jobs > 1 and len(policies) > 1:
        streamed = answers(question, policies, jobs=jobs, began=began)
        yield from with_progress(streamed, len(policies), lambda _: False)
        return
    counter = Counter()

    def tell(policy: Policy, states: int, ends: int) -> None:
        counter.show(f"{policy.name}: {count_of(states, 'state')}, {count_of(ends, 'end')}")

    try:
        yield from answers(question, policies, began=began, tell=tell)
    finally:
        counter.hide()


def _save(exploration: Exploration, path: str) -> None:
    from drmemctl.output.files import write_atomically

    schedule = exploration.worst()
    if schedule is None:
        say(f"no schedule ends inconsistent, {path} is not written")
    else:
        write_atomically(path, schedule.text().encode())
