# SPDX-License-Identifier: MIT
"""`drmemctl kexec`: the memory of a crash kernel, before it is needed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from drmemctl.cli.boot_options import say_faults
from drmemctl.cli.common import FILE, color_option, format_option, named_file, open_tree, tree_argument
from drmemctl.cli.kernel_options import kernel_of, kernel_option
from drmemctl.output.screen import Screen

if TYPE_CHECKING:
    from drmemctl.kernel.kdump import CrashMemory, Producer
    from drmemctl.kernel.profiles import Profile
    from drmemctl.tree.node import Tree

_EXAMPLE = """
\b
Examples:
  drmemctl kexec /proc/device-tree
  drmemctl kexec guest.dtb --crashkernel 512M@128M --producer kexec-file
  drmemctl kexec guest.dtb --crashkernel 512M@128M -o crash.dtb

A tree that is already a crash kernel's is judged as it is.
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


@click.command("kexec", short_help="Predict the memory of a crash kernel, and what is wrong.", epilog=_EXAMPLE)
@tree_argument()
@click.option(
    "--crashkernel",
    metavar="SIZE[@BASE]",
    callback=_crash_memory,
    help="The memory reserved for the crash kernel.  [default: what /chosen says; BASE 128M]",
)
@click.option(
    "--producer",
    type=click.Choice(["kexec-tools", "kexec-file"]),
    default="kexec-tools",
    show_default=True,
    help="Who makes the tree: kexec -p, or the kernel itself (kexec -s -p).",
)
@click.option(
    "--page", type=click.Choice(["4096", "65536"]), default="4096", show_default=True, help="Page size, in bytes."
)
@kernel_option()
@click.option("-o", "--output", type=FILE, callback=named_file, help="Write the crash kernel's tree to this file.")
@format_option("table", "json")
@color_option()
def command(
    tree: str,
    crashkernel: CrashMemory | None,
    producer: str,
    page: str,
    kernel: Profile | None,
    output: str | None,
    format: str,
    screen: Screen,
) -> int:
    """Predict the tree that a kdump kernel gets, the memory that it makes of it, and what is wrong with that.

    Those who write linux,drconf-usable-memory count LMBs in another way than Linux, which reads it. The exit code
    is 1 if a rule about that finds something.
    """
    from drmemctl.check.engine import Plan
    from drmemctl.check.report import report_tree
    from drmemctl.kernel.boot import boot
    from drmemctl.kernel.boot_regions import boot_regions
    from drmemctl.kernel.kdump import Producer, crash_regions, without_usable
    from drmemctl.output.kexec import KexecView, show_kexec

    before = open_tree(tree)
    profile = kernel_of(before, kernel)
    after = _predicted(before, crashkernel, Producer(producer), int(page), profile)
    state, faults = boot(after, profile)
    regions, _ = boot_regions(after, profile)
    first, _ = boot_regions(without_usable(before), profile)
    findings = report_tree(after, Plan(select=("DRM064",), kernel=profile)).findings
    if output is not None:
        _write(after, output)
    show_kexec(screen, KexecView(state, after, crash_regions(regions, first), findings), format)
    return say_faults(faults, state) or (1 if findings else 0)


def _predicted(tree: Tree, named: CrashMemory | None, producer: Producer, page: int, profile: Profile) -> Tree:
    from drmemctl.kernel.kdump import CrashMemory, Producer, is_crash_tree, kdump_tree
    from drmemctl.kernel.kexec_load import check_load

    if named is None and is_crash_tree(tree):
        return tree
    crash = named or CrashMemory.from_tree(tree)
    crash_tree = kdump_tree(tree, crash, producer, page)
    if producer is Producer.FILE:
        check_load(tree, crash_tree, crash, profile)
    return crash_tree


def _write(tree: Tree, output: str) -> None:
    from drmemctl.output.files import write_atomically
    from drmemctl.tree.writer import fdt_pieces

    write_atomically(output, fdt_pieces(tree))
