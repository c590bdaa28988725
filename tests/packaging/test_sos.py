# SPDX-License-Identifier: MIT
"""The plugin for sos: what it collects of a system is all that a capture of the system holds."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from drmemctl.tree.capture import captured
from tests.conftest import ROOT
from tests.live_roots import make_root, states, write

NAME = "captures/6.1-lpm"


class Plugin:
    """The part of sos's class that the plugin uses."""

    def __init__(self) -> None:
        self.specs: list[str] = []

    def add_copy_spec(self, specs: str | list[str]) -> None:
        self.specs += [specs] if isinstance(specs, str) else specs


class IndependentPlugin:
    """The plugin is for every distribution."""


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the plugin, made as sos does."""
    module = ModuleType("sos.report.plugins")
    module.__dict__.update(Plugin=Plugin, IndependentPlugin=IndependentPlugin)
    for name in ("sos", "sos.report"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "sos.report.plugins", module)
    plugin = runpy.run_path(str(ROOT / "packaging/sos/drmem.py"))["Drmem"]()
    plugin.setup()
    return plugin


def system(place: Path) -> Path:
    """Write a system that has everything a capture takes."""
    root = make_root(place, NAME, states(NAME)[3])
    for path in ("sys/firmware/fdt", "var/log/drmgr", "var/log/drmgr.0", "var/log/platform", "var/log/dmesg"):
        write(root / path, f"memory: {path}\n")
    for path in ("memory/memory0/phys_index", "memory/memory0/removable", "node/node0/distance"):
        write(root / "sys/devices/system" / path, "0\n")
    return root


def collected(root: Path, specs: list[str], place: Path) -> Path:
    """Copy what matches, links to directories as links, as sos does."""
    for path in {path for spec in specs for path in root.glob(spec.strip("/"))}:
        target = place / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            target.symlink_to(path.readlink())
        elif path.is_dir():
            shutil.copytree(path, target)
        else:
            shutil.copy(path, target)
    return place


def test_it_collects_what_a_capture_holds(plugin: Any, tmp_path: Path) -> None:
    root = system(tmp_path / "root")
    everything = dict(captured(str(root), 0))
    assert {"sys/firmware/fdt", "proc/iomem", "memory/nodes", "log/drmgr.0"} <= everything.keys()
    empty = [path for path, data in everything.items() if not data and not path.startswith("proc/device-tree/")]
    assert empty == [], "nothing of it could be missed unnoticed"
    assert dict(captured(str(collected(root, plugin.specs, tmp_path / "sos")), 0)) == everything


def test_it_runs_where_there_are_lmbs(plugin: Any) -> None:
    assert plugin.files == ("/proc/device-tree/ibm,dynamic-reconfiguration-memory",)
    assert plugin.architectures == ("ppc.*",)
    assert all(spec.startswith("/") for spec in plugin.specs)
