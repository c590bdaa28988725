# SPDX-License-Identifier: MIT
"""Beside a directory that is a tree: FIFOs that nobody writes to, links that lead out, files without an end."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tarfile
from pathlib import Path

import pytest

from drmemctl.check.subject import Running
from drmemctl.tree.source import load
from drmemctl.tree.system import read_root
from tests.cli.outputs import BOOTED
from tests.cli.running import COMMAND, environment
from tests.conftest import ROOT
from tests.live_roots import make_root, states, write_tree
from tests.wide import share

NAME = "captures/6.1-lpm"
SECRET = "nobody's business"
BLOCK = "sys/devices/system/memory/memory0"
BESIDE = (
    "proc/iomem", "proc/cmdline", "proc/version", "uname", "dmesg", "memory/blocks",
    "sos_commands/kernel/uname_-a", "sys/devices/system/memory/block_size_bytes",
    f"{BLOCK}/state", f"{BLOCK}/valid_zones", "sys/devices/system/node/node0/distance",
    "sys/devices/system/node/node0/meminfo", "sys/firmware/fdt",
    "var/log/drmgr", "var/log/platform", "var/log/dmesg",
)  # fmt: skip
COMMANDS = {
    "check": ["check", "--isolated", "TREE"],
    "check, root": ["check", "--isolated", "ROOT"],
    "show": ["show", "TREE"],
    "report": ["report", "TREE", "-o", "OUT"],
    "simulate": ["simulate", "TREE", "expect ok"],
    "watch": ["watch", "--root", "ROOT", "--count", "1", "--format", "ndjson"],
    "capture": ["capture", "--root", "ROOT", "-o", "OUT.tar"],
}
WRITING = ("report", "capture")
KINDS = ("fifo", "zero", "file", "relative")


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))


def run(root: Path, out: Path, arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
    words = {"TREE": f"{root}/proc/device-tree", "ROOT": str(root), "OUT": str(out), "OUT.tar": f"{out}.tar"}
    return subprocess.run(
        [*COMMAND, *(words.get(word, word) for word in arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        cwd=ROOT,
        env=environment({}),
        timeout=30,
        preexec_fn=limited,
    )


def everywhere(root: Path, kind: str, outside: Path) -> None:
    """Put a FIFO or a link where each file beside the tree may be, and among its properties."""
    for name in (*BESIDE, "proc/device-tree/odd", "proc/device-tree/chosen/odd"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if kind == "fifo":
            os.mkfifo(path)
        else:
            path.symlink_to(
                {"zero": "/dev/zero", "file": str(outside), "relative": os.path.relpath(outside, path.parent)}[
                    kind
                ]
            )


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_hangs_and_nothing_outside_is_read(kind: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text(f"Linux version 6.6.6 {SECRET}\n")
    root = make_root(tmp_path / "root", NAME, states(NAME)[0])
    everywhere(root, kind, outside)
    looking = [name for name in COMMANDS if name not in WRITING]
    for name in [*share(looking, KINDS.index(kind), 3), *WRITING]:
        done = run(root, tmp_path / "out", COMMANDS[name])
        assert done.returncode in (0, 1), (name, done.stderr)
        assert SECRET.encode() not in done.stdout + done.stderr
        assert b"6.6.6" not in done.stdout
    written = (tmp_path / "out").read_text() + str((tmp_path / "out.tar").read_bytes())
    assert SECRET not in written
    with tarfile.open(tmp_path / "out.tar") as archive:
        assert "capture/proc/device-tree/compatible" in archive.getnames()
        assert "capture/proc/device-tree/odd" not in archive.getnames()


def test_a_link_as_a_directory_leads_nowhere_outside(tmp_path: Path) -> None:
    real = make_root(tmp_path / "real", NAME, states(NAME)[0])
    place = tmp_path / "root"
    write_tree(place / "proc" / "device-tree", load(BOOTED).root)
    for name in ("sys", "memory", "var", "sos_commands"):
        (place / name).symlink_to(real / name)
    (place / "proc" / "iomem").symlink_to(real / "proc" / "iomem")
    assert not read_root(str(place)).files
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "capture").symlink_to(real)
    write_tree(alone / "capture-of", load(BOOTED).root)
    assert Running.of_tree(load(alone / "capture-of")) == Running()


def test_links_below_the_root_are_followed_as_linux_has_them(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", NAME, states(NAME)[0])
    expected = read_root(str(root))
    seen = json.loads(run(root, tmp_path, COMMANDS["watch"]).stdout.splitlines()[0])
    (root / "sys" / "firmware" / "devicetree").mkdir(parents=True)
    (root / "proc" / "device-tree").rename(root / "sys" / "firmware" / "devicetree" / "base")
    (root / "proc" / "device-tree").symlink_to("/sys/firmware/devicetree/base")
    (root / "moved").mkdir()
    (root / "sys" / "devices").rename(root / "moved" / "devices")
    (root / "sys" / "devices").symlink_to("../moved/devices")
    assert expected.files
    assert read_root(str(root)) == expected
    linked = json.loads(run(root, tmp_path, COMMANDS["watch"]).stdout.splitlines()[0])
    assert {key: value for key, value in linked.items() if key != "time"} == {
        key: value for key, value in seen.items() if key != "time"
    }
    assert run(root, tmp_path / "out", COMMANDS["capture"]).returncode == 0
    with tarfile.open(tmp_path / "out.tar") as archive:
        assert "capture/proc/device-tree/compatible" in archive.getnames()


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
def test_a_capture_of_too_much_is_refused_and_costs_little(many: bool, tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", NAME, states(NAME)[0])
    for number in range(12 if many else 1):
        with (root / "proc" / "device-tree" / f"large{number}").open("wb") as stream:
            stream.truncate(60 << 20 if many else 1 << 40)
    done = run(root, tmp_path / "out", COMMANDS["capture"])
    assert done.returncode == 3
    assert done.stderr.startswith(f"drmemctl: {root}: more than 80 MiB to capture; ".encode())
    assert not (tmp_path / "out.tar").exists()


def test_the_end_of_a_long_log_is_taken(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", NAME, states(NAME)[0])
    log = root / "var" / "log" / "drmgr"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"old\n" * (1 << 20) + b"the end\n")
    assert run(root, tmp_path / "out", COMMANDS["capture"]).returncode == 0
    with tarfile.open(tmp_path / "out.tar") as archive:
        member = archive.extractfile("capture/log/drmgr")
        assert member is not None
        content = member.read()
    assert content.endswith(b"old\nthe end\n")
    assert len(content) == 1 << 20
