# SPDX-License-Identifier: MIT
"""Command lines that print and command lines that write a file, for tests of outputs that go wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.cli.running import COMMAND, environment
from tests.conftest import FIXTURES, ROOT
from tests.live_roots import make_root, states

TREE = str(FIXTURES / "trees" / "many-dimms.dtb.gz")
OTHER = str(FIXTURES / "trees" / "v2-gap.dtb.gz")
BOOTED = str(FIXTURES / "captures" / "6.1-lpm.dtb.gz")
FAULTY = str(FIXTURES / "boot" / "aa-out-of-range.dtb.gz")
VMCORE = str(FIXTURES / "vmcores" / "6.1-radix64k-written-back.core.xz")
RACE = str(FIXTURES / "races" / "before.dts")
AFTER = str(FIXTURES / "races" / "after.dts")
RECORD = str(FIXTURES / "mobility" / "basic-6.1.json")
REMOVE = "dlpar memory remove count 1"

PRINTING: dict[str, tuple[int, list[str]]] = {
    "--help": (0, ["--help"]),
    "--version": (0, ["--version"]),
    "simulate --help": (0, ["simulate", "--help"]),
    "show": (0, ["show", TREE]),
    "show json": (0, ["show", TREE, "--format", "json"]),
    "lmb": (0, ["lmb", TREE, "--expand"]),
    "map": (0, ["map", TREE]),
    "assoc": (0, ["assoc", TREE]),
    "numa": (0, ["numa", TREE]),
    "memblock": (0, ["memblock", TREE]),
    "blocks": (0, ["blocks", BOOTED]),
    "repair": (0, ["repair", BOOTED]),
    "removable": (0, ["removable", BOOTED]),
    "kexec": (0, ["kexec", BOOTED, "--crashkernel", "256M"]),
    "tree": (0, ["tree", TREE]),
    "prop": (0, ["prop", TREE, "/ibm,dynamic-reconfiguration-memory"]),
    "convert": (0, ["convert", TREE, "-o", "-"]),
    "check": (1, ["check", "--isolated", FAULTY]),
    "capture --script": (0, ["capture", "--script"]),
    "capture --list": (0, ["capture", "--list"]),
    "diff": (1, ["diff", TREE, OTHER]),
    "history": (0, ["history", VMCORE, "--kernel", "6.1"]),
    "simulate": (0, ["simulate", TREE, REMOVE]),
    "simulate json": (0, ["simulate", TREE, REMOVE, "--format", "json"]),
    "explore": (0, ["explore", RACE, "--thread", REMOVE]),
    "kernels": (0, ["kernels"]),
    "decode": (0, ["decode", "update-nodes", RECORD, "--fail-on", "never"]),
    "rules": (0, ["rules"]),
    "explain": (0, ["explain", "DRM001"]),
    "config": (0, ["config", "lmb"]),
}
"""What prints much, by name: its exit code and the arguments."""


def writing(folder: Path) -> dict[str, list[str]]:
    """Return command lines that write a file, whose name is to follow; inputs that they need go to `folder`."""
    root = make_root(folder / "root", "captures/6.1-lpm", states("captures/6.1-lpm")[0])
    document = folder / "document.json"
    command = [*COMMAND, "decode", "update-nodes", RECORD, "--fail-on", "never", "--format", "json"]
    document.write_bytes(subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout)
    return {
        "convert": ["convert", TREE, "--format", "dtb", "-o"],
        "check": ["check", "--isolated", FAULTY, "--format", "json", "-o"],
        "simulate": ["simulate", TREE, REMOVE, "-o"],
        "simulate array": ["simulate", TREE, REMOVE, "--save-array"],
        "kexec": ["kexec", BOOTED, "--crashkernel", "256M", "-o"],
        "explore": ["explore", RACE, "--thread", f"lpm {AFTER}", "--thread", REMOVE, "--save-trace"],
        "decode": ["decode", "update-nodes", "--encode", str(document), "-o"],
        "capture": ["capture", "--force", "--root", str(root), "-o"],
    }


def shell(script: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command line, which is `"$@"` in a shell's script, and return what came of it."""
    command = ["sh", "-c", script, "sh", *COMMAND, *arguments]
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        cwd=ROOT,
        env=environment({}),
        timeout=120,
    )
