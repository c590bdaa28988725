# SPDX-License-Identifier: MIT
"""`drmemctl kexec`: what the next kernel gets, and the memory of a crash kernel, before it is needed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from drmemctl.cli.boot_options import cmdline_option, say_faults, say_not_shown, with_cmdline
from drmemctl.cli.common import FILE, color_option, format_option, named_file, open_tree, tree_argument, write_tree
from drmemctl.cli.kernel_options import hypervisor_option, kernel_of, kernel_option, named_hypervisor
from drmemctl.cli.plugin_options import plugin_option
from drmemctl.cli.steps import steps_argument
from drmemctl.cli.table_options import TableCommand
from drmemctl.output.screen import Screen, say

if TYPE_CHECKING:
    from drmemctl.kernel.kdump import CrashMemory
    from drmemctl.kernel.profiles import Profile
    from drmemctl.simulate.kexec import CrashKernel, NextKernel

_EXAMPLE = """
\b
Examples:
  drmemctl kexec /proc/device-tree
  drmemctl kexec guest.dtb --crashkernel 512M@128M --producer kexec-file
  drmemctl kexec guest.dtb --crashkernel 512M@128M -o crash.dtb
  drmemctl kexec guest.dtb 'dlpar memory remove count 1' --load file
  drmemctl kexec before.dtb 'lpm after.dtb' --load file --for kdump
  drmemctl kexec guest.dtb 'plug 0x80000008 2 node 1' --for kdump --load classic --hotplug

With STEPs (those of `drmemctl simulate`) TREE is what the kernel was booted with, and the next kernel is loaded
after them: by kexec -s, where the kernel copies the tree of boot (file), or by kexec -c, where kexec-tools copy
/proc/device-tree (classic). A tree that is already a crash kernel's is judged as it is.

With STEPs, --for kdump and --for fadump also say whether a dump that was armed before them has to be armed again:
not where the kernel updates the loaded crash kernel (6.10 and later; after kexec -c only with --hotplug), or where
the kernel that saves the dump lists memory itself. --for kdump says what becomes of crashkernel=SIZE,cma.
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


@click.command(
    "kexec",
    cls=TableCommand.with_tables(
        {
            "Memory of a crash kernel (kdump)": "drmemctl.output.kexec:CRASH_COLUMNS",
            "LMBs of the next kernel (plain, fadump)": "drmemctl.output.kexec:NEXT_COLUMNS",
        }
    ),
    short_help="Predict what the next kernel, or a crash kernel, gets.",
    epilog=_EXAMPLE,
)
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
@click.option(
    "--hotplug",
    is_flag=True,
    help="kexec -c is called with --hotplug (kexec-tools 2.0.29): the kernel may change what it loaded.",
)
@cmdline_option()
@kernel_option()
@hypervisor_option()
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=FILE,
    callback=named_file,
    help="Write the next kernel's tree: source if OUT ends in .dts, else a blob.",
)
@plugin_option()
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
    hotplug: bool,
    cmdline: str | None,
    kernel: Profile | None,
    hypervisor: str | None,
    output: str | None,
    format: str,
    screen: Screen,
) -> int:
    """Predict the tree that the next kernel or a crash kernel gets, the memory in it, and what is wrong.

    Of a crash kernel: the writers of linux,drconf-usable-memory count LMBs differently from Linux, which reads it.
    Of another kernel: its LMBs beside those of the boot tree, the live tree and the hypervisor. The exit code is 1
    if a rule finds something, or a STEP fails.
    """
    from drmemctl.cli.steps import parse_steps, session_after
    from drmemctl.kernel.kdump import Producer
    from drmemctl.simulate.kexec import CrashKernel, CrashLoad, NextKernel

    purpose = purpose or (
        "plain" if (steps or script or load) and crashkernel is None and producer is None else "kdump"
    )
    if purpose != "kdump" and (crashkernel or producer):
        raise click.UsageError(f"--crashkernel and --producer are about --for kdump, not {purpose}.")
    if hotplug and purpose != "kdump":
        raise click.UsageError(f"--hotplug is about --for kdump, not {purpose}.")
    if purpose == "fadump" and load:
        raise click.UsageError("--for fadump goes with no --load: firmware boots that kernel.")
    maker = Producer(producer or ("kexec-file" if load == "file" else "kexec-tools"))
    if hotplug and maker is Producer.FILE:
        raise click.UsageError(
            "--hotplug is about kexec -c: by kexec -s the kernel may always change what it loaded."
        )
    parsed = parse_steps(script, steps)
    before = with_cmdline(open_tree(tree), cmdline)
    profile = kernel_of(before, kernel)
    crash_load = CrashLoad(crashkernel, maker, int(page), hotplug)
    say_not_shown(before)
    if purpose == "kdump" and not parsed:
        return _show(screen, CrashKernel.of(before, before, crash_load, profile), output, format)
    if before.beside is not None and before.beside.files():
        say("the tree of a running kernel is taken for the one that it was booted with")
    session = session_after(before, parsed, profile, named_hypervisor(hypervisor), traced=purpose != "plain")
    if purpose == "kdump":
        code = _show(screen, CrashKernel.after(session, crash_load), output, format)
    else:
        code = _show(screen, NextKernel.of(session, purpose, load), output, format)
    return code or (1 if session.failed else 0)


def _show(screen: Screen, view: CrashKernel | NextKernel, output: str | None, format: str) -> int:
    from drmemctl.output.kexec import show_kexec, show_next
    from drmemctl.simulate.kexec import CrashKernel

    if output is not None:
        write_tree(output, view.tree)
    if isinstance(view, CrashKernel):
        show_kexec(screen, view, format)
    else:
        show_next(screen, view, format)
    return say_faults(view.faults, view.kernel) or (1 if view.findings else 0)
