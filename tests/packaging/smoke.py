# SPDX-License-Identifier: MIT
"""Whether an installed drmemctl works: `smoke.py [--start] PROGRAM [ARGUMENT]...` runs each command of it once.

With `--start` a few, which say whether it starts. Needs no package, so that it runs where nothing is but drmemctl;
what it finds wrong is printed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures"
TREE = str(FIXTURES / "kernel-arrays" / "numa2-plug2.dtb.gz")
OTHER = str(FIXTURES / "kernel-arrays" / "numa2-plug1.dtb.gz")
RECORD = str(FIXTURES / "mobility" / "basic-6.1.json")
RACES = FIXTURES / "races"
DUMP = str(FIXTURES / "vmcores" / "6.1-16384-lmbs.core.xz")


AT_START = 3
"""How many of the tries say whether the program starts, and reads a tree."""


class Try(NamedTuple):
    """A command line, the exit code that it should have, and what should be in its output."""

    arguments: Sequence[str]
    code: int
    output: str


def tries(folder: str) -> Iterator[Try]:
    """Yield what to try; all of it writes below a directory."""
    yield Try(["--version"], 0, "drmemctl, version ")
    yield Try(["show", TREE], 0, "64 of 256 MiB")
    yield Try(["lmb", TREE], 0, "64 LMBs of 256 MiB in 4 runs")
    yield Try(["lmb", TREE, "--color", "always"], 0, "\x1b[")
    yield Try(["map", TREE], 0, "1 cell = ")
    yield Try(["map", TREE, "--format", "svg"], 0, "<svg ")
    yield Try(["report", OTHER, TREE, "--step", "dlpar memory remove count 1", "-o", "-"], 0, "<!DOCTYPE html>")
    yield Try(["assoc", TREE], 0, "lookup arrays")
    yield Try(["numa", TREE], 0, "distance")
    yield Try(["memblock", TREE], 0, "Normal")
    yield Try(["blocks", TREE], 0, "memory blocks of 256 MiB")
    yield Try(["kexec", TREE, "--crashkernel", "256M"], 1, "was on")
    yield Try(["tree", TREE], 0, "/dts-v1/;")
    yield Try(["prop", TREE, "/ibm,dynamic-reconfiguration-memory", "ibm,lmb-size"], 0, "256 MiB")
    yield Try(["convert", TREE, "-o", f"{folder}/v1.dtb", "--to", "v1"], 0, "")
    yield Try(["lmb", f"{folder}/v1.dtb"], 0, "64 LMBs of 256 MiB")
    for form in ("text", "concise", "json", "sarif", "junit", "github", "gitlab", "markdown"):
        yield Try(["check", "--isolated", "-j2", TREE, OTHER, "--format", form, "--fail-on", "never"], 0, "")
    yield Try(["diff", OTHER, TREE], 1, "LMB")
    yield Try(["history", DUMP], 0, "1 value since boot")
    yield Try(["simulate", TREE, "dlpar memory remove count 1"], 0, "Attempting to hot-remove 1 LMB(s)")
    yield Try(["simulate", TREE, "reboot", "--format", "json"], 0, '"drmemctl.simulate/1"')
    step = "dlpar memory add indexed-count 1 0x80000002"
    yield Try(["explore", str(RACES / "before.dts"), "--thread", step], 0, "kernel")
    yield Try(["removable", TREE], 0, "LMBs")
    yield Try(["repair", TREE], 0, "agree")
    yield Try(["qualify", "--help"], 0, "--vmlinux")
    yield Try(["help", "lmb"], 0, "Show the LMBs")
    yield Try(["kernels", "5.10", "6.1"], 0, "differ in")
    yield Try(["decode", "update-nodes", RECORD, "--fail-on", "never"], 0, "update-nodes")
    yield Try(["rules"], 0, "DRM015")
    yield Try(["explain", "DRM015"], 0, "Why it matters")
    yield Try(["config"], 0, "option")
    yield Try(["capture", "--list"], 0, "proc/iomem")
    yield Try(["capture", "--script"], 0, "#!/bin/sh")
    yield Try(["capture", "--root", f"{folder}/root", "-o", f"{folder}/x.tar.gz"], 0, "")
    yield Try(["tree", f"{folder}/x.tar.gz"], 0, "compatible")
    yield Try(["watch", "--root", f"{folder}/root", "--count", "1"], 0, '"drmemctl.watch/1"')
    for shell in ("bash", "zsh", "fish"):
        yield Try(["completion", shell], 0, "_DRMEMCTL_COMPLETE")
    yield Try(["fleet", "check", "--help"], 0, "DATASET")
    # Its packages are an extra, which is not installed here.
    yield Try(["fleet", "check", TREE, "-o", f"{folder}/fleet"], 2, "")
    yield Try(["lmb", f"{folder}/missing.dtb"], 3, "")
    yield Try(["nonsense"], 2, "")


def _make_root(tree: Path) -> None:
    """Write the tree of a machine without any LMB."""
    memory = tree / "ibm,dynamic-reconfiguration-memory"
    memory.mkdir(parents=True)
    (memory / "ibm,lmb-size").write_bytes(bytes.fromhex("0000000010000000"))
    for name, value in {"compatible": b"IBM,x\0", "model": b"x\0", "#address-cells": b"\0\0\0\2"}.items():
        (tree / name).write_bytes(value)


def faults(program: Sequence[str], most: int | None = None) -> Iterator[str]:
    """Yield what is wrong with a program, of which all is tried or so much."""
    with tempfile.TemporaryDirectory() as folder:
        _make_root(Path(folder, "root", "proc", "device-tree"))
        tried = set()
        for one in islice(tries(folder), most):
            tried.add(one.arguments[0])
            done = subprocess.run([*program, *one.arguments], capture_output=True, text=True, check=False)
            if done.returncode != one.code or one.output not in done.stdout or "Traceback" in done.stderr:
                said = (done.stdout + done.stderr).strip()[-500:]
                wanted = f"expected {one.code} and {one.output!r}"
                yield f"{' '.join(one.arguments)}: exit code {done.returncode}, {wanted}: {said}"
    if most is not None:
        return
    text = subprocess.run([*program, "--help"], capture_output=True, text=True, check=False).stdout
    commands = re.findall(r"^  ([a-z]+)  ", text.partition("Look at a tree:\n")[2], re.MULTILINE)
    yield from (f"{name} was not tried" for name in commands if name not in tried)
    if len(commands) < 20:
        yield f"--help names {len(commands)} commands"


if __name__ == "__main__":
    program = sys.argv[1:]
    found = list(faults(program[1:], AT_START) if program[0] == "--start" else faults(program))
    sys.stderr.writelines(f"{fault}\n" for fault in found[:5])
    sys.stderr.write(f"{len(found)} of the tries failed\n" if found else "")
    sys.exit(bool(found))
