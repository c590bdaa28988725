# SPDX-License-Identifier: MIT
"""`drmemctl kexec`: what the next kernel gets, and the memory of a crash kernel, before it is needed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import click

from drmemctl.cli.boot_options import say_faults
from drmemctl.cli.common import FILE, color_option, format_option, named_file, open_tree, tree_argument
from drmemctl.cli.kernel_options import hypervisor_option, kernel_of, kernel_option, named_hypervisor
from drmemctl.cli.steps import steps_argument
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from drmemctl.kernel.kdump import CrashMemory, Producer
    from drmemctl.kernel.profiles import Profile
    from drmemctl.simulate.partition import Partition
    from drmemctl.tree.node import Tree

_EXAMPLE = """
\b
Examples:
  drmemctl kexec /proc/device-tree
  drmemctl kexec guest.dtb --crashkernel 512M@128M --producer kexec-file
  drmemctl kexec guest.dtb --crashkernel 512M@128M -o crash.dtb
  drmemctl kexec guest.dtb 'dlpar memory remove count 1' --load file
  drmemctl kexec before.dtb 'lpm after.dtb' --load file --for kdump

With STEPs (those of `drmemctl simulate`) TREE is what the kernel was booted with, and the next kernel is loaded
after them: by kexec -s, where the kernel copies the tree of boot (file), or by kexec -c, where kexec-tools copy
/proc/device-tree (classic). A tree that is already a crash kernel's is judged as it is.
"""

_SIZE = re.compile(r"(0[xX][0-9a-fA-F]+|[0-9]+)([kKmMgG]?)(?:@(0[xX][0-9a-fA-F]+|[0-9]+)([kKmMgG]?))?\Z", re.ASCII)
_DEFAULT_BASE = 128 << 20


def _crash_memory(ctx: click.Context, param: click.Parameter, value: str | None) -> CrashMemory | None:
    if value is None:
        return None
    from drmemctl.kernel.kdump import CrashMemory

    match = _SIZE.match(value)
    if match is None:
        raise click.BadParameter(f"{value!r} is not SIZE[@BASE], such as 512M@128M", ctx, param)
    base = _DEFAULT_BASE if match[3] is None else _bytes(match[3], match[4])
    return CrashMemory(base, _bytes(match[1], match[2]))


def _bytes(number: str, unit: str) -> int:
    return (
        int(number, 16 if number[:2].lower() == "0x" else 10) << {"": 0, "k": 10, "m": 20, "g": 30}[unit.lower()]
    )


@click.command("kexec", short_help="Predict what the next kernel, or a crash kernel, gets.", epilog=_EXAMPLE)
@tree_argument()
@steps_argument
@click.option(
    "--load",
    type=click.Choice(["file", "classic"]),
    help="By kexec_file_load (kexec -s) or kexec_load (-c).  [default: as kexec-tools choose]",
)
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["plain", "kdump", "fadump"]),
    help="What the kernel is loaded for.  [default: plain with STEP or --load, else kdump]",
)
@click.option(
    "--crashkernel",
    metavar="SIZE[@BASE]",
    callback=_crash_memory,
    help="The memory reserved for the crash kernel.  [default: what /chosen says; BASE 128M]",
)
@click.option(
    "--producer",
    type=click.Choice(["kexec-tools", "kexec-file"]),
    help="Who makes a crash kernel's tree: kexec -p, or the kernel (kexec -s -p).  [default: kexec-tools]",
)
@click.option(
    "--page", type=click.Choice(["4096", "65536"]), default="4096", show_default=True, help="Page size, in bytes."
)
@kernel_option()
@hypervisor_option()
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=FILE,
    callback=named_file,
    help="Write the next kernel's tree to this file.",
)
@format_option("text", "json")
@color_option()
def command(
    tree: str,
    steps: tuple[str, ...],
    script: str | None,
    load: str | None,
    purpose: str | None,
    crashkernel: CrashMemory | None,
    producer: str | None,
    page: str,
    kernel: Profile | None,
    hypervisor: str | None,
    output: str | None,
    format: str,
    screen: Screen,
) -> int:
    """Predict the tree that the next kernel or a crash kernel gets, the memory in it, and what is wrong.

    Of a crash kernel: those who write linux,drconf-usable-memory count LMBs in another way than Linux, which reads
    it. Of another one: its LMBs beside those of boot, of now and of the hypervisor. The exit code is 1 if a rule
    finds something, or a STEP fails.
    """
    from drmemctl.cli.steps import parse_steps, session_after
    from drmemctl.kernel.kdump import Producer

    purpose = purpose or (
        "plain" if (steps or script or load) and crashkernel is None and producer is None else "kdump"
    )
    if purpose != "kdump" and (crashkernel or producer):
        raise click.UsageError(f"--crashkernel and --producer are about --for kdump, not {purpose}.")
    if purpose == "fadump" and load:
        raise click.UsageError("--for fadump goes with no --load: firmware boots that kernel.")
    parsed = parse_steps(script, steps)
    before = open_tree(tree)
    profile = kernel_of(before, kernel)
    maker = Producer(producer or ("kexec-file" if load == "file" else "kexec-tools"))
    if purpose == "kdump" and not parsed:
        return _crash(screen, before, before, _Loading(crashkernel, maker, int(page), profile), output, format)
    if before.beside is not None and before.beside.files():
        say("the tree of a running kernel is taken for the one that it was booted with")
    session = session_after(before, parsed, profile, named_hypervisor(hypervisor))
    partition = session.simulation.situation
    if purpose == "kdump":
        base = _crash_base(partition, maker)
        code = _crash(
            screen, base, partition.kernel.tree, _Loading(crashkernel, maker, int(page), profile), output, format
        )
    else:
        code = _next(screen, partition, purpose, load, output, format)
    return code or (1 if session.failed else 0)


class _Loading(NamedTuple):
    """How a crash kernel is loaded."""

    crash: CrashMemory | None
    producer: Producer
    page: int
    profile: Profile


def _crash_base(partition: Partition, producer: Producer) -> Tree:
    """Return the tree that a crash kernel's is made of."""
    from drmemctl.kernel.kdump import Producer
    from drmemctl.kernel.kexec_load import Route, next_tree

    route = Route.FILE if producer is Producer.FILE else Route.CLASSIC
    return next_tree(partition.booted, partition.kernel.tree, route)


def _next(
    screen: Screen, partition: Partition, purpose: str, load: str | None, output: str | None, format: str
) -> int:
    from drmemctl.kernel.boot import boot
    from drmemctl.kernel.kexec_load import LOADED_BY, Route, default_route
    from drmemctl.output.kexec_next import NextView, show_next
    from drmemctl.simulate.next_kernel import handed_lmbs, next_findings, tree_handed_on

    profile = partition.kernel.profile
    route, why = default_route(profile)
    if load is not None:
        route = Route(load)
        why = LOADED_BY[route]
    after = tree_handed_on(partition, purpose, route)
    if purpose == "fadump":
        why = "firmware boots the kernel that saves the dump, with its own tree; LMBs are the hypervisor's"
    state, faults = boot(after, profile)
    findings = next_findings(partition, after)
    if output is not None:
        _write(after, output)
    shown = "firmware" if purpose == "fadump" else route.value
    lmbs = list(handed_lmbs(partition, after))
    show_next(screen, NextView(state, purpose, shown, why, lmbs, findings), format)
    return say_faults(faults, state) or (1 if findings else 0)


def _crash(screen: Screen, base: Tree, live: Tree, loading: _Loading, output: str | None, format: str) -> int:
    """Show the crash kernel that is loaded with a tree made of `base`, by a kernel that runs on `live`."""
    from drmemctl.check.engine import Plan
    from drmemctl.check.report import report_tree
    from drmemctl.kernel.boot import boot
    from drmemctl.kernel.boot_regions import boot_regions
    from drmemctl.kernel.kdump import crash_regions, without_usable
    from drmemctl.output.kexec import KexecView, show_kexec

    profile = loading.profile
    after = _predicted(base, loading)
    state, faults = boot(after, profile)
    regions, _ = boot_regions(after, profile)
    first, _ = boot_regions(without_usable(live), profile)
    findings = report_tree(after, Plan(select=("DRM064",), kernel=profile)).findings
    if output is not None:
        _write(after, output)
    show_kexec(screen, KexecView(state, after, crash_regions(regions, first), findings), format)
    return say_faults(faults, state) or (1 if findings else 0)


def _predicted(tree: Tree, loading: _Loading) -> Tree:
    from drmemctl.kernel.kdump import CrashMemory, Producer, is_crash_tree, kdump_tree
    from drmemctl.kernel.kexec_load import check_load

    if loading.crash is None and is_crash_tree(tree):
        return tree
    crash = loading.crash or CrashMemory.from_tree(tree)
    crash_tree = kdump_tree(tree, crash, loading.producer, loading.page)
    if loading.producer is Producer.FILE:
        check_load(tree, crash_tree, crash, loading.profile)
    return crash_tree


def _write(tree: Tree, output: str) -> None:
    from drmemctl.output.files import write_atomically
    from drmemctl.tree.writer import fdt_pieces

    write_atomically(output, fdt_pieces(tree))
