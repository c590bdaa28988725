# SPDX-License-Identifier: MIT
"""When a dump has to be armed again, against the list of ranges written out as the C code makes it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest

from drmemctl.kernel.kdump import CrashMemory
from drmemctl.kernel.kexec_load import Route
from drmemctl.simulate.memory_events import MemoryEvents
from drmemctl.simulate.rearm import KeptBy, Rearm
from drmemctl.simulate.session import Session, simulate
from drmemctl.tree.node import Tree
from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.kernel.partitions import LMB, lmbs, tree
from tests.simulate.records import tree_of

BEFORE = FIXTURES / "races" / "before.dts"
TREE = tree(lmbs(2, 4, 1, 8), lmbs(6, 6))
"""LMBs 2 to 5 have memory on node 1, 6 to 11 are free; below is the boot memory."""

Ranges = list[tuple[int, int]]


def session_on(base: Tree, kernel: str, *steps: str) -> Session:
    return simulate(base, steps, kernel=kernel, hypervisor="powervm", findings=False, traced=True)


def rearmed(kernel: str, *steps: str, route: Route = Route.FILE, hotplug: bool = False) -> Rearm:
    return Rearm.of_crash_kernel(session_on(TREE, kernel, *steps), route, hotplug=hotplug)


def regions(memory: dict[int, int]) -> Ranges:
    """Return what `for_each_mem_range` walks: neighbours on the same node are one region. The end is included."""
    found: list[list[int]] = []
    for block, node in sorted(memory.items()):
        if found and (found[-1][1] + 1, found[-1][2]) == (block * LMB, node):
            found[-1][1] += LMB
        else:
            found.append([block * LMB, block * LMB + LMB - 1, node])
    return [(start, end) for start, end, _ in found]


def without(ranges: Ranges, base: int, *, mended: bool) -> Ranges:
    """Return what `remove_mem_range` leaves; the size of what is split off is computed before or after the cut."""
    end = base + LMB - 1
    for place, (start, last) in enumerate(ranges):
        if not (base >= start and end <= last):
            continue
        others = ranges[:place] + ranges[place + 1 :]
        if (base, end) == (start, last):
            return others
        if base == start:
            return [*others, (end + 1, last)]
        if end == last:
            return [*others, (start, base - 1)]
        size = last - end if mended else base - 1 - end
        return [*others, (start, base - 1), (end + 1, end + size)]
    return ranges


def moves(session: Session) -> Iterator[tuple[int, int | None]]:
    """Yield the address of the LMB that came or went in each step, and the node on which it came."""
    for result in session.done:
        before, after = (dict(partition.kernel.blocks) for partition in (result.before, result.after))
        for block in before.keys() ^ after.keys():
            yield block * LMB, after.get(block)


def headers(session: Session, *, follows: bool, mended: bool) -> tuple[Ranges, Ranges]:
    """Return the ranges that the elfcorehdr has at the end, and those that it should have."""
    memory = dict(session.start.kernel.blocks)
    listed = regions(memory)
    for base, node in moves(session):
        if node is not None:
            memory[base // LMB] = node
        event = regions(memory)
        if follows:
            listed = without(event, base, mended=mended) if node is None else event
        if node is None:
            del memory[base // LMB]
    return sorted(listed), regions(memory)


def bytes_of(ranges: Ranges) -> set[tuple[int, int]]:
    """Return them in blocks, and what is no range as it is."""
    blocks = {(at, at + LMB - 1) for start, end in ranges if end >= start for at in range(start, end, LMB)}
    return blocks | {(start, end) for start, end in ranges if end < start}


@pytest.mark.parametrize(
    ("kernel", "follows", "mended"), [("6.9", False, True), ("6.10", True, False), ("7.2", True, True)]
)
def test_it_is_needed_where_the_ranges_are_not_those_of_memory(
    kernel: str, *, follows: bool, mended: bool
) -> None:
    chance = random.Random(kernel)
    seen = set()
    for _ in range(40):
        steps = [
            f"dlpar memory {chance.choice(('add', 'remove'))} index {0x80000002 + chance.randrange(10):#x}"
            for _ in range(chance.randrange(1, 6))
        ]
        session = session_on(TREE, kernel, *steps)
        rearm = Rearm.of_crash_kernel(session, Route.FILE)
        listed, memory = headers(session, follows=follows, mended=mended)
        assert rearm.needed == (bytes_of(listed) != bytes_of(memory)), steps
        assert rearm.events == len(list(moves(session))), steps
        missing, gone = bytes_of(memory) - bytes_of(listed), bytes_of(listed) - bytes_of(memory)
        if not follows:
            assert sum(span.lmbs for span in rearm.lacks) == len(missing), steps
            assert sum(span.lmbs for span in rearm.stale) == len(gone), steps
        seen.add(rearm.needed)
    assert seen == ({False} if follows and mended else {False, True})


def test_what_came_and_went() -> None:
    rearm = rearmed("6.9", "dlpar memory remove index 0x80000003", "dlpar memory add indexed-count 2 0x80000008")
    assert [tuple(span) for span in rearm.lacks] == [(0x80000008, 8 * LMB, 2)]
    assert [tuple(span) for span in rearm.stale] == [(0x80000003, 3 * LMB, 1)]
    assert (rearm.needed, rearm.kept_by, rearm.flag_value, rearm.events) == (True, KeptBy.NOBODY, None, 3)


@pytest.mark.parametrize("kernel", ["6.1", "6.12", "7.2"])
def test_what_is_as_it_was_needs_nothing(kernel: str) -> None:
    rearm = rearmed(kernel, "dlpar memory remove index 0x80000005", "dlpar memory add index 0x80000005")
    assert (rearm.needed, rearm.events, rearm.came, rearm.went) == (False, 2, (), ())


@pytest.mark.parametrize("boot", ["reboot", "kexec", "kexec file"])
def test_a_boot_arms_anew(boot: str) -> None:
    remove = "dlpar memory remove index 0x80000003"
    assert not rearmed("6.1", remove, boot).needed
    again = rearmed("6.1", boot, "dlpar memory remove index 0x80000004")
    assert [span.drc_index for span in again.stale] == [0x80000004]


def test_kexec_tools_have_to_say_that_it_may_be_changed() -> None:
    remove = "dlpar memory remove index 0x80000005"
    silent, telling = (rearmed("7.2", remove, route=Route.CLASSIC, hotplug=told) for told in (False, True))
    assert (silent.needed, silent.flag_value, silent.command) == (True, 0, "kexec -c -p")
    assert (telling.needed, telling.flag_value, telling.command) == (False, 1, "kexec -c --hotplug -p")
    assert rearmed("6.1", remove, route=Route.CLASSIC, hotplug=True).flag_value is None


def test_a_block_that_was_offline_goes_without_an_event() -> None:
    """`offline_pages` told that it goes, the next event found it in memblock, and its removal tells nobody."""
    steps = ["offline 5", "dlpar memory add index 0x80000006", "dlpar memory remove index 0x80000005"]
    rearm = rearmed("7.2", *steps)
    assert [span.drc_index for span in rearm.stale] == [0x80000005]
    assert (rearm.needed, rearm.events) == (True, 2)
    assert not rearmed("7.2", *steps, "dlpar memory add index 0x80000007").needed


def test_the_last_event_found_what_went_quietly_after_it() -> None:
    steps = ("offline 4", "offline 5", "online 5", "dlpar memory remove index 0x80000004")
    events = MemoryEvents.of(session_on(TREE, "7.2", *steps).simulation)
    assert [(region.base // LMB, region.end // LMB) for region in events.regions()] == [(0, 2), (2, 6)]
    assert [span.drc_index for span in events.went_quietly] == [0x80000004]


def test_a_reboot_after_the_hypervisor_has_aborted_boots_nothing() -> None:
    isolate = "rtas set-indicator 9001 0x80000005 1"
    abort = (
        "rtas set-indicator 9003 0x80000005 1",
        isolate,
        "detach 0x80000004 3",
        isolate,
        "detach 0x80000004 3",
    )
    steps = ("plug 0x80000009 1 node 0", "attach 0x80000004 3", *abort, "reboot")
    session = simulate(tree_of("trees/v2-empty"), steps, kernel="6.1", findings=False, traced=True)
    assert session.done[-1].note == "the hypervisor has aborted"
    assert Rearm.of_crash_kernel(session, Route.FILE).events == 1


def test_the_range_behind_the_crash_kernel_begins_where_that_ends() -> None:
    """What goes from there is at the beginning of a range: nothing is split off."""
    steps = ("dlpar memory remove index 0x80000003",)
    session = session_on(TREE, "6.10", *steps)

    assert Rearm.of_crash_kernel(session, Route.FILE).needed
    assert not Rearm.of_crash_kernel(session, Route.FILE, CrashMemory(2 * LMB, LMB)).needed


def test_more_ranges_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drmemctl.simulate.rearm._MOST_RANGES", 6)
    base = tree(lmbs(3, 1, 0, 8), lmbs(5, 1, 0, 8), lmbs(7, 1))
    rearm = Rearm.of_crash_kernel(session_on(base, "7.2", "dlpar memory add index 0x80000007"), Route.FILE)
    assert (rearm.needed, [span.lmbs for span in rearm.lacks]) == (True, [1])
    assert "ranges" in rearm.why
    assert not rearmed("7.2", "dlpar memory add index 0x80000007").needed


@pytest.mark.parametrize(("kernel", "needed"), [("6.9", True), ("6.10", False)])
def test_a_dump_by_firmware(kernel: str, *, needed: bool) -> None:
    arguments = ("kexec", BEFORE, "dlpar memory remove count 1", "--for", "fadump", "--kernel", kernel)
    found = json.loads(run(*arguments, "--format", "json").out)["rearm"]
    assert (found["needed"], [lmb["drc_index"] for lmb in found["stale"]]) == (needed, [0x80000002] * needed)
    assert (found["flag"], found["flag_value"]) == ("/sys/kernel/fadump/hotplug_ready", None if needed else 1)
    text = run(*arguments).out
    assert ("arm again: yes, echo 1 > /sys/kernel/fadump/registered" in text) == needed


@pytest.mark.parametrize(
    ("kernel", "cmdline", "state"),
    [
        ("6.16", "crashkernel=256M crashkernel=1G,cma", "refused"),
        ("6.16", "crashkernel=1G,cma crashkernel=256M", "ignored"),
        ("6.18", "crashkernel=256M crashkernel=1G,cma", "ignored"),
        ("6.19", "crashkernel=256M crashkernel=1G,cma", "reserved"),
        ("6.19", "crashkernel=256M crashkernel=x,cma", "ignored"),
    ],
)
def test_memory_lent_to_movable_pages(kernel: str, cmdline: str, state: str) -> None:
    arguments = ("kexec", BEFORE, "--crashkernel", "128M", "--cmdline", cmdline, "--kernel", kernel)
    assert json.loads(run(*arguments, "--format", "json").out)["crashkernel_cma"]["state"] == state
    assert ",cma: " in run(*arguments).out


def test_nothing_is_said_without_steps_and_without_such_memory() -> None:
    outcome = run("kexec", BEFORE, "--crashkernel", "128M", "--format", "json")
    found = json.loads(outcome.out)
    assert (found["rearm"], found["crashkernel_cma"]) == (None, None)
    assert "arm again" not in run("kexec", BEFORE, "--crashkernel", "128M").out


@pytest.mark.parametrize(
    "arguments", [("--load", "classic"), ("--for", "fadump"), ("--crashkernel", "128M", "--load", "file")]
)
def test_hotplug_is_about_crash_kernels_by_kexec_tools(arguments: tuple[str, ...]) -> None:
    outcome = run("kexec", BEFORE, "dlpar memory remove count 1", "--hotplug", *arguments)
    assert (outcome.code, "--hotplug is about" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("kernel", "note"), [("6.16", "has no memory reserved"), ("6.18", ""), ("6.19", "keeps LMBs")]
)
def test_memblock_notes_it_as_well(kernel: str, note: str) -> None:
    outcome = run("memblock", BEFORE, "--cmdline", "crashkernel=64M crashkernel=1G,cma", "--kernel", kernel)
    assert ("crashkernel=SIZE,cma" in outcome.err, note in outcome.err) == (bool(note), True)
