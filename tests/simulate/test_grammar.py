# SPDX-License-Identifier: MIT
"""The step language: what it takes, and where and why it does not."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from drmemctl.errors import LimitError
from drmemctl.kernel.kexec_load import Route
from drmemctl.simulate.partition import Step
from drmemctl.simulate.step_words import StepError
from drmemctl.simulate.steps.block_state import BlockState
from drmemctl.simulate.steps.boot import Kexec, Reboot
from drmemctl.simulate.steps.drmgr_call import Drmgr
from drmemctl.simulate.steps.expect import Expect
from drmemctl.simulate.steps.firmware_update import FirmwareUpdate
from drmemctl.simulate.steps.home_node import HomeNode
from drmemctl.simulate.steps.hotplug import Attach, AttachCpu, Detach, DetachCpu
from drmemctl.simulate.steps.language import STEP_NAMES, parse_script, parse_step
from drmemctl.simulate.steps.lmb_marks import HashTableFull, Unmovable
from drmemctl.simulate.steps.memory_request import Dlpar, DlparCpu
from drmemctl.simulate.steps.migration import Lpm, Migrate
from drmemctl.simulate.steps.pool import Pool
from drmemctl.simulate.steps.qemu_migration import QemuMigrate
from drmemctl.simulate.steps.reassignment import Prrn
from drmemctl.simulate.steps.rtas_call import Rtas
from drmemctl.simulate.steps.topology import TopologySwitch
from drmemctl.tree.limits import LIMITS
from tests.cases import each

STEPS: list[tuple[str, Step]] = [
    ("dlpar memory add count 1", Dlpar("", "memory add count 1")),
    ("dlpar memory  frob   x", Dlpar("", "memory  frob   x")),
    ("drmgr -c mem -r -q 4", Drmgr("", ("-c", "mem", "-r", "-q", "4"))),
    ("drmgr 1.3.10 -c mem -a -s 0x80000008", Drmgr("", ("-c", "mem", "-a", "-s", "0x80000008"), (1, 3, 10))),
    ("plug 0x80000008 2", Attach("", 0x80000008, 2, True)),
    ("plug 0x80000008 2 node 1", Attach("", 0x80000008, 2, True, node=1)),
    ("plug 0x80000008 2 row 1", Attach("", 0x80000008, 2, True, row=1)),
    ("attach 0x80000008 2 assoc 0,0,0,3", Attach("", 0x80000008, 2, False, domains=(0, 0, 0, 3))),
    ("unplug 2147483656 0x2", Detach("", 0x80000008, 2, True)),
    ("detach 0x80000008 2", Detach("", 0x80000008, 2, False)),
    ("firmware /a/b ibm,x 00ff", FirmwareUpdate("", "/a/b", "ibm,x", b"\x00\xff")),
    ("firmware / #size-cells 00000002", FirmwareUpdate("", "/", "#size-cells", bytes((0, 0, 0, 2)))),
    ("firmware / x @file.bin", FirmwareUpdate("", "/", "x", file="file.bin")),
    ("vphn 8 0,1,0x10000", HomeNode("", 8, (0, 1, 0x10000))),
    ("dlpar cpu add index 0x10000001", DlparCpu("", "cpu add index 0x10000001")),
    ("plug 0x10000001 1 node 1", AttachCpu("", 0x10000001, 1, True, node=1)),
    ("detach 0x10000001 1", DetachCpu("", 0x10000001, 1, False)),
    ("firmware / x -", FirmwareUpdate("", "/", "x")),
    ("lpm target.dtb", Lpm("", "target.dtb")),
    ("migrate answers.json", Migrate("", "answers.json")),
    ("prrn target.dtb", Prrn("", "target.dtb")),
    ("prrn 2 0x80000001 7", Prrn("", scope=2, phandles=(0x80000001, 7))),
    ("prrn -2 7", Prrn("", scope=-2, phandles=(7,))),
    ("topology on", TopologySwitch("", True)),
    ("topology off", TopologySwitch("", False)),
    ("withhold 0x80000004 2", Pool("", 0x80000004, 2, -3)),
    ("withhold 0x80000004 2 -9002", Pool("", 0x80000004, 2, -9002)),
    ("provide 0x80000004 2", Pool("", 0x80000004, 2)),
    ("unmovable 0x80000001 0x80000002", Unmovable("", (0x80000001, 0x80000002), True)),
    ("movable 0x80000001", Unmovable("", (0x80000001,), False)),
    ("hpt-full 0x80000001 0x80000002", HashTableFull("", (0x80000001, 0x80000002), True)),
    ("hpt-room 0x80000001", HashTableFull("", (0x80000001,), False)),
    ("offline 4", BlockState("", 4, False)),
    ("online 0x4", BlockState("", 4, True)),
    ("rtas get-sensor 9003 0x80000001", Rtas("", "get-sensor", 0x80000001, 9003)),
    ("rtas set-indicator 9001 0x80000001 1", Rtas("", "set-indicator", 0x80000001, 9001, 1)),
    ("rtas configure-connector 0x80000001", Rtas("", "configure-connector", 0x80000001)),
    ("qemu-migrate", QemuMigrate("")),
    ("reboot", Reboot("")),
    ("kexec", Kexec("")),
    ("kexec file", Kexec("", Route.FILE)),
    ("kexec classic", Kexec("", Route.CLASSIC)),
    ("expect ok", Expect("", "ok")),
    ("expect EINVAL", Expect("", "errno", "EINVAL")),
    ("expect consistent", Expect("", "consistent")),
    ("expect finding DRM015", Expect("", "finding", "DRM015")),
    ("expect drc 0x80000008 aa 0xffffffff", Expect("", "aa", "", 0x80000008, 0xFFFFFFFF)),
    ("expect drc 0x80000008 node 1", Expect("", "node", "", 0x80000008, 1)),
    ("expect blocks 12", Expect("", "blocks", number=12)),
]


@each(("text", "step"), STEPS, ids=[text for text, _ in STEPS])
@pytest.mark.parametrize("decoration", ["{}", "  {}", "\t{}  # a comment"])
def test_steps(text: str, step: Step, decoration: str) -> None:
    found = parse_step(decoration.format(text), in_file=True)
    assert found is not None
    assert found.text == text
    assert {name: getattr(found, name) for name in step.__dataclass_fields__} == {
        **{name: getattr(step, name) for name in step.__dataclass_fields__},
        "text": text,
    }
    assert type(found) is type(step)


TEXTS: list[tuple[str, str, bool]] = [
    ("dlpar  memory add count 1", " memory add count 1", True),
    ("dlpar\tmemory add count 1", "memory add count 1", True),
    ("dlpar \tmemory add count 1", "\tmemory add count 1", True),
    ("dlpar memory add count 1\t", "memory add count 1\t", True),
    ("dlpar memory add count 1  ", "memory add count 1  ", True),
    ("dlpar memory add count 1\r", "memory add count 1\r", True),
    ("dlpar memory\x0badd\x85count\u20281", "memory\x0badd\x85count\u20281", True),
    ("dlpar memory add count 1#", "memory add count 1#", True),
    ("dlpar memory add\0 count 1", "memory add\0 count 1", True),
    (r"dlpar $'memory add count 1'", "memory add count 1", False),
    (r"dlpar $'memory\tadd\n\0\x01\'\"\\\r\xc3'", "memory\tadd\n\0\x01'\"\\\r\udcc3", False),
    (r"dlpar $''", "", False),
]
"""Steps that are read alike in a file and elsewhere: what they write, and whether a line feed follows."""

AS_ARGUMENTS = [
    ("dlpar memory add count #1", "memory add count #1"),
    ("dlpar memory add count 1 # more", "memory add count 1 # more"),
    ("dlpar #", "#"),
    ("dlpar 'memory add count 1'", "'memory add count 1'"),
    ('dlpar "memory', '"memory'),
]
IN_A_FILE = [
    ("dlpar memory add count #1", "memory add count"),
    ("dlpar memory add count 1\t# more", "memory add count 1"),
    ("dlpar memory add count 1#2 # more", "memory add count 1#2"),
    ("dlpar 'memory add count #1'", "memory add count #1"),
    ('dlpar "memory add count 1\t"\t# with a tab', "memory add count 1\t"),
    ("dlpar '\"#\\n'", '"#\\n'),
    ("dlpar m'emory'", "m'emory'"),
]


@each(("text", "request", "fed"), TEXTS)
@pytest.mark.parametrize("in_file", [False, True])
def test_a_request_is_written_byte_for_byte(text: str, request: str, fed: bool, in_file: bool) -> None:
    assert parse_step(f"  {text}", in_file=in_file) == Dlpar(text, request, fed)


@each(("text", "request"), AS_ARGUMENTS)
def test_what_a_shell_has_read_is_the_request(text: str, request: str) -> None:
    assert parse_step(text) == Dlpar(text, request)


@each(("text", "request"), IN_A_FILE)
def test_in_a_file_a_request_has_comments_and_quotes(text: str, request: str) -> None:
    (step,) = parse_script(f"{text}\r\n", in_file=True)
    assert isinstance(step, Dlpar)
    assert (step.request, step.fed) == (request, True)
    assert text.startswith(step.text)
    assert parse_step(step.text, in_file=True) == step


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("dlpar # memory add count 1", 7, "what is written to /sys/kernel/dlpar"),
        ("dlpar 'memory", 14, "the quote that ends the text"),
        (r"dlpar $'memory\'", 17, "the quote that ends the text"),
        ("dlpar 'memory' add", 16, "the end of the step"),
        ("dlpar 'memory'# add", 15, "the end of the step"),
        (r"dlpar $'me\qmory'", 11, "an escape"),
        (r"dlpar $'me\x1'", 11, "an escape"),
    ],
)
def test_what_is_wrong_with_a_quoted_request(text: str, column: int, expected: str) -> None:
    with pytest.raises(StepError) as caught:
        parse_step(text, in_file=True)
    assert caught.value.column == column
    assert caught.value.expected.startswith(expected)


def test_every_step_has_an_example() -> None:
    assert {text.split()[0] for text, _ in STEPS} == set(STEP_NAMES)


@pytest.mark.parametrize("text", ["", "   ", "# a comment", "  # dlpar memory add count 1"])
def test_lines_without_a_step(text: str) -> None:
    assert parse_step(text) is None


@pytest.mark.parametrize("digits", ["80000004", "800003fe", "DEADBEEF", "00000010"])
@pytest.mark.parametrize(
    "text",
    [
        "plug {} 1",
        "attach {} 1 assoc 1,2",
        "unplug {} 1",
        "detach {} 1",
        "unmovable 0x80000001 {}",
        "movable {}",
        "rtas get-sensor 9003 {}",
        "rtas set-indicator 9001 {} 1",
        "rtas configure-connector {}",
        "expect drc {} aa 1",
    ],
)
def test_a_drc_index_as_the_kernel_prints_it_is_refused_with_what_was_meant(text: str, digits: str) -> None:
    with pytest.raises(
        StepError, match=rf"expected a DRC index \(8 hex.*did you mean 0x{digits}\?\), not '{digits}'"
    ):
        parse_step(text.format(digits))


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("frobnicate", 1, "a step (dlpar, drmgr, plug,"),
        ("  frobnicate", 3, "a step (dlpar, drmgr, plug,"),
        ("dlpar", 6, "what is written to /sys/kernel/dlpar"),
        ("plug", 5, "a DRC index"),
        ("plug 800003f 1", 6, "a DRC index (not a number: write 0x800003f for hexadecimal)"),
        ("plug 0x80000008", 16, "how many LMBs"),
        ("plug 0x80000008 x", 17, "how many LMBs (not a number"),
        ("plug 0x80000008 1 on 1", 19, "`node`, `row` or `assoc`"),
        ("plug 0x80000008 1 node", 23, "a Linux node"),
        ("plug 0x80000008 1 row", 22, "a row of the lookup arrays at boot"),
        ("plug 0x80000008 1 node 1 2", 26, "the end of the step"),
        ("plug 0x80000008 1 assoc 1,,2", 25, "an associativity list W,W,… (not a number"),
        ("unplug 0x80000008 1 node 1", 21, "the end of the step"),
        ("firmware memory x 00", 10, "the path of a node, from / on"),
        ("firmware / x", 13, "its value in hex, @FILE, or -"),
        ("firmware / x 0", 14, "whole bytes in hex, @FILE, or -"),
        ("firmware / x zz", 14, "whole bytes in hex, @FILE, or -"),
        ("prrn", 5, "a tree, a record, or a scope and phandles"),
        ("prrn x 1", 6, "a tree, a record, or a scope and phandles (not a number"),
        ("topology", 9, "`on` or `off`"),
        ("topology 1", 10, "`on` or `off`"),
        ("topology on now", 13, "the end of the step"),
        ("rtas sense 1", 6, "`get-sensor`, `set-indicator` or `configure-connector`"),
        ("rtas get-sensor 9001 1", 17, "the sensor 9003"),
        ("rtas set-indicator 9002 1 1", 20, "the indicator 9001 or 9003"),
        ("reboot now", 8, "the end of the step"),
        ("withhold 0x80000004", 20, "how many LMBs"),
        ("withhold 0x80000004 1 0", 23, "a status of set-indicator that is an error"),
        ("withhold 0x80000004 1 -0x80000001", 23, "a status of set-indicator that is an error"),
        ("provide 0x80000004 1 -3", 22, "the end of the step"),
        ("expect", 7, "ok, an error number's name, consistent"),
        ("expect EWHAT", 8, "ok, an error number's name, consistent"),
        ("expect drc 1 flags 8", 14, "`aa` or `node`"),
        ("expect blocks many", 15, "a number of memory blocks (not a number"),
    ],
)
def test_errors_say_where_and_what_was_expected(text: str, column: int, expected: str) -> None:
    with pytest.raises(StepError) as caught:
        parse_step(text, 7)
    error = caught.value
    assert (error.line, error.column) == (7, column)
    assert error.expected.startswith(expected)
    assert str(error).startswith(f"line 7, column {column}: expected {expected}")


def test_a_script_counts_its_lines() -> None:
    with pytest.raises(StepError) as caught:
        list(parse_script("# first\n\nreboot\nrebot\n"))
    assert caught.value.line == 4
    assert str(caught.value).endswith("not 'rebot'")
    assert caught.value.suggestion == "did you mean reboot?"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("remove count 1", "dlpar memory remove or dlpar cpu remove"),
        ("add index 0x80000004", "dlpar memory add or dlpar cpu add"),
        ("memory add count 1", "dlpar memory"),
        ("cpu remove count 1", "dlpar cpu"),
    ],
)
def test_a_request_without_its_first_word_is_told_it(text: str, meant: str) -> None:
    with pytest.raises(StepError) as caught:
        parse_step(text)
    assert caught.value.suggestion == f"did you mean {meant}?"


def test_a_script() -> None:
    steps = list(parse_script("# first\nreboot\n\n  kexec # second\n"))
    assert [step.text for step in steps] == ["reboot", "kexec"]


def test_steps_words_and_bytes_are_bounded() -> None:
    most = LIMITS.max_steps
    assert sum(1 for _ in parse_script("reboot\n# none\n\n" * most)) == most
    with pytest.raises(LimitError, match="more than the 10,000 steps"):
        list(parse_script("reboot\n" * (most + 1)))
    start = time.process_time()
    for name in ("unmovable", "prrn 4", "plug", "firmware"):
        longest = f"{name} {'1 ' * 65_000}"
        with suppress(StepError):
            list(parse_script(longest))
        with pytest.raises(LimitError, match="line 2 has more than the 65,536 words"):
            list(parse_script("reboot\n" + longest * 30))
    assert time.process_time() - start < 3
