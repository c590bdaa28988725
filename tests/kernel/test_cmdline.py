# SPDX-License-Identifier: MIT
"""Command lines about memory: lib/cmdline.c `memparse`, `parse_crashkernel`, and what is to be known of them."""

from __future__ import annotations

import pytest

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.kernel.boot_notes import boot_notes
from drmemctl.kernel.cmdline import (
    command_line,
    crash_kernel,
    crash_kernel_size,
    has_flag,
    memparse,
    not_as_the_tree,
    options,
    with_command_line,
)
from drmemctl.kernel.errno import EINVAL, errno_name, is_errno_name
from drmemctl.kernel.profiles import profile
from drmemctl.kernel.registered_memory import RegisteredMemory
from drmemctl.model.run import Run
from drmemctl.simulate.boot_blocks import BootBlocks
from drmemctl.tree.node import Tree
from tests.kernel.partitions import lmbs, tree, u32

K, M, G = 1 << 10, 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("text", "size", "rest"),
    [
        ("0", 0, ""),
        ("17", 17, ""),
        ("017", 15, ""),
        ("0x17", 23, ""),
        ("0X1f,", 31, ","),
        ("08", 0, "8"),
        ("0x", 0, "x"),
        ("2k", 2 * K, ""),
        ("2K@", 2 * K, "@"),
        ("3m", 3 * M, ""),
        ("3M4", 3 * M, "4"),
        ("1g", G, ""),
        ("1G", G, ""),
        ("1t", 1 << 40, ""),
        ("1P", 1 << 50, ""),
        ("1e", 1 << 60, ""),
        ("16E", 0, ""),
        ("17E", 1 << 60, ""),
        ("1x", 1, "x"),
        ("-1", 0, "-1"),
        ("", 0, ""),
    ],
)
def test_numbers_with_a_unit(text: str, size: int, rest: str) -> None:
    assert memparse(text) == (size, rest)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        ("crashkernel=256M", (256 * M, None)),
        ("crashkernel=256M@128M", (256 * M, 128 * M)),
        ("crashkernel=256M@", (256 * M, None)),
        ("crashkernel=256M@0", (256 * M, None)),
        ("crashkernel=1G crashkernel=256M@128M quiet", (256 * M, 128 * M)),
        # Other forms are read by other rules.
        ("crashkernel=2G-4G:320M,4G-:512M", None),
        ("crashkernel=256M,high", None),
        ("crashkernel=auto", None),
        ("crashkernel", None),
        ("crashkernel=0", None),
        # With a suffix it is about other memory, and does not count here.
        ("crashkernel=256M@128M crashkernel=1G,high crashkernel=64M,low crashkernel=1G,cma", (256 * M, 128 * M)),
    ],
)
def test_memory_for_a_crash_kernel(text: str, found: tuple[int, int | None] | None) -> None:
    assert crash_kernel(text, cma=True) == found


def test_a_kernel_that_does_not_know_cma_takes_it_for_the_size() -> None:
    """`parse_crashkernel_simple` finds a comma where `@` or the end has to be, and gives up."""
    text = "crashkernel=256M@128M crashkernel=1G,cma"
    assert (crash_kernel(text, cma=False), crash_kernel_size(text, 4 << 30, cma=False)) == (None, 0)
    assert crash_kernel_size(text, 4 << 30, cma=True) == 256 * M


def test_options_by_name() -> None:
    text = "quiet mem=1G  numa=off memory=x mem numa=fake=1G movable_node"
    assert options(text, "mem") == ["1G", ""]
    assert options(text, "numa") == ["off", "fake=1G"]
    assert (has_flag(text, "movable_node"), has_flag(text, "movable")) == (True, False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("quiet mem=1G", "mem=1G"),
        ("numa=off mem=1G ro", "numa=off mem=1G"),
        ("numa=debug,off", "numa=debug,off"),
        ("numa=debug numa=fake=1G", "numa=fake=1G"),
        (f"numa=off{'x' * 99}", f"numa=off{'x' * 32}"),
        ("mem=1G " * 9, "mem=1G mem=1G mem=1G mem=1G"),
        # What does nothing: `early_parse_mem` gives up, and no other option is about nodes.
        ("mem=junk numa=debug memory=1G movable_node", ""),
        ("", ""),
    ],
)
def test_what_the_tree_does_not_show(text: str, words: str) -> None:
    told = not_as_the_tree(tree(bootargs=text))
    assert told.startswith(f"the command line has {words}: ") if words else not told
    crash = tree(lmbs(2, 2, 1, 8), bootargs=text).with_property(NODE, "linux,drconf-usable-memory", b"")
    both = f"the command line has {words} and " if words else ""
    assert not_as_the_tree(crash).startswith(
        f"{both}the tree is a crash kernel's, with linux,drconf-usable-memory: "
    )


@pytest.mark.parametrize(
    ("kernel", "v1", "told"), [("4.15", False, True), ("4.15", True, False), ("4.16", False, False)]
)
def test_a_kernel_that_does_not_read_the_property(kernel: str, v1: bool, told: bool) -> None:
    made = tree(lmbs(2, 2, 1, 8), v1=v1)
    note = not_as_the_tree(made, profile(kernel))
    assert note.startswith("Linux 4.15 does not read ibm,dynamic-memory-v2: here is what the tree has") == told
    assert bool(note) == told
    # What is said to be missing is missing there.
    assert {span.node for span in BootBlocks.of(made, profile(kernel)).spans()} - {None} == (
        {0} if told else {0, 1}
    )
    both = made.with_property(NODE, "ibm,dynamic-memory", u32(0))
    assert not not_as_the_tree(both, profile(kernel))
    assert not not_as_the_tree(tree(), profile(kernel))


@pytest.mark.parametrize(
    ("size", "kernel", "told"), [(4 * G, "5.3", True), (2 * G, "5.3", False), (4 * G, "6.1", False)]
)
def test_a_kernel_that_keeps_a_part_of_the_lmb_size(size: int, kernel: str, told: bool) -> None:
    run = Run(size, 2, 0x80000001, 1, 8)
    made = tree(run).with_property(NODE, "ibm,lmb-size", size.to_bytes(8, "big"))
    assert not_as_the_tree(made, profile(kernel)).startswith("Linux 5.3 keeps 32 bits of ibm,lmb-size: ") == told
    # What is said to be missing is missing there.
    taken = sum(
        entry.region.end - entry.region.base for entry in RegisteredMemory.of(made, profile(kernel)).regions
    )
    assert (taken == 2 * 0x10000000) == told


def test_the_command_line_of_a_tree() -> None:
    assert command_line(tree(bootargs="quiet mem=1G")) == "quiet mem=1G"
    assert command_line(tree().with_property("/chosen", "bootargs", None)) == ""
    written = with_command_line(tree(bootargs="quiet"), "numa=off \udcff")
    assert written.get("/chosen", "bootargs") == b"numa=off \xff\0"
    # early_init_dt_scan_chosen copies a C string.
    assert command_line(written.with_property("/chosen", "bootargs", b"quiet\0mem=1G\0")) == "quiet"
    assert command_line(written.with_property("/chosen", "bootargs", b"quiet")) == "quiet"
    assert command_line(written.with_property("/chosen", "bootargs", b"")) == ""


LIMIT = (256 * M).to_bytes(8, "big")
SAYS = "linux,memory-limit in /chosen says 0x10000000"
READ_BACK_TO_FRONT = (
    ": a little-endian kernel, which this one is taken for, reads the bytes back to front,"
    f" as {int.from_bytes(LIMIT, 'little'):#x}"
)


def with_limit(cmdline: str) -> Tree:
    return tree(bootargs=cmdline).with_property("/chosen", "linux,memory-limit", LIMIT)


@pytest.mark.parametrize(
    ("base", "kernel", "notes"),
    [
        (tree(), "6.1", []),
        (tree(bootargs="kernelcore=1G movablecore=1G"), "6.1", []),
        (
            tree(bootargs="movablecore=1G kernelcore=mirror movable_node"),
            "6.1",
            [
                "kernelcore= is ignored: movable_node is there",
                "movablecore= is ignored: movable_node is there",
            ],
        ),
        (
            tree(bootargs="kernelcore=mirror"),
            "6.1",
            ["kernelcore=mirror is not worked out: zones are shown as without it"],
        ),
        (
            tree(bootargs="mem=1G crashkernel=256M"),
            "6.1",
            ["crashkernel= may raise the limit of mem=: by how much is worked out only for SIZE@ADDRESS"],
        ),
        (
            tree(bootargs="mem=1G crashkernel=2G-4G:320M"),
            "6.1",
            ["crashkernel= may raise the limit of mem=: by how much is worked out only for SIZE@ADDRESS"],
        ),
        (tree(bootargs="mem=1G crashkernel=256M@128M"), "6.1", []),
        (tree(bootargs="mem=1G crashkernel=256M"), "latest", []),
        (tree(bootargs="mem=1G"), "6.1", []),
        (tree(bootargs="crashkernel=256M fadump=on"), "6.1", []),
        (
            tree(bootargs="mem=1G fadump=on"),
            "latest",
            ["fadump= may raise the limit of mem=: that is not worked out"],
        ),
        (
            with_limit("quiet"),
            "5.10",
            [f"{SAYS}{READ_BACK_TO_FRONT}"],
        ),
        (
            with_limit("quiet"),
            "latest",
            [f"{SAYS} and has no effect: Linux from 5.17 on does not find it"],
        ),
        # prom_init writes down there what mem= says.
        (with_limit("mem=1G"), "latest", []),
        (with_limit("mem=x"), "5.10", []),
    ],
)
def test_what_is_to_be_known(base: Tree, kernel: str, notes: list[str]) -> None:
    assert boot_notes(base, profile(kernel)) == notes


def test_error_numbers_by_name() -> None:
    assert (errno_name(-22), errno_name(0), errno_name(EINVAL)) == ("EINVAL", None, "EINVAL")
    # What is no error number stays a number.
    assert (errno_name(-524), errno_name(3)) == ("-524", "3")
    assert (is_errno_name("EEXIST"), is_errno_name("EFOO"), is_errno_name("22")) == (True, False, False)
