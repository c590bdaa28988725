# SPDX-License-Identifier: MIT
"""States of memory blocks: what `state` takes, what requests make of an offline block, what a capture shows."""

from __future__ import annotations

import io
import json
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from drmemctl.kernel.cmdline import with_command_line
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Tree
from drmemctl.tree.source import load
from drmemctl.tree.writer import fdt_pieces
from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.kernel.partitions import lmbs, tree

KERNELS = ["4.14", "5.4", "5.10", "6.1", "latest"]
AFTER = FIXTURES / "tutorial" / "lpar7-after.tar.xz"


def partition(kernel: str = "latest", before: Tree | None = None) -> Simulation:
    """LMBs 2 to 5 are assigned, 6 and 7 free."""
    made = before or tree(lmbs(2, 4, 0, 8), lmbs(6, 2), v1=kernel == "4.14")
    return Simulation(made, kernel, hypervisor="powervm")


@pytest.mark.parametrize(
    ("steps", "errno"),
    [
        (("offline 3",), None),
        (("offline 3", "online 3"), None),
        (("online 3",), "EINVAL"),
        (("offline 3", "offline 3"), "EINVAL"),
        (("offline 7",), "ENOENT"),
        (("offline 0",), "EBUSY"),
        (("unmovable 0x80000003", "offline 3"), "EBUSY"),
        (("unmovable 0x80000003", "offline 4"), None),
    ],
)
def test_what_state_takes(steps: tuple[str, ...], errno: str | None) -> None:
    """drivers/base/memory.c state_store: EINVAL where device_online and device_offline return 1."""
    result = partition().run_all(steps)[-1]
    assert (result.ok, result.errno) == (errno is None, errno)


def many_pinned(kernel: str) -> Simulation:
    """LMBs of 20,000 runs are assigned, of which 0x80000008 and 18,999 that follow cannot be moved."""
    before = tree(*(lmbs(number, 1, number % 2, 8) for number in range(2, 20_002)))
    simulation = Simulation(before, kernel, hypervisor="powervm", findings=False)
    state = replace(simulation.state, unmovable=frozenset(range(0x80000008, 0x80000008 + 19_000)))
    simulation.situation = replace(simulation.situation, kernel=state)
    return simulation


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("kernel", "steps", "errors"),
    [
        ("latest", [f"offline {block}" for block in (5, 8, 19_007, 19_008)], [None, "EBUSY", "EBUSY", None]),
        ("5.4", ["dlpar memory remove count 1001"], ["EINVAL"]),
    ],
)
def test_many_pinned_lmbs_cost_by_the_run(kernel: str, steps: list[str], errors: list[str | None]) -> None:
    """Each pinned LMB was looked for in each run: 78 seconds for a step."""
    simulation = many_pinned(kernel)
    begin = time.process_time()
    assert [simulation.run(step).errno for step in steps] == errors
    assert time.process_time() - begin < 5


@pytest.mark.parametrize("kernel", [kernel for kernel in KERNELS if kernel != "5.4"])
@pytest.mark.parametrize("request_", ["index 0x80000003", "indexed-count 2 0x80000002", "count 2"])
def test_a_request_takes_an_offline_block_away(kernel: str, request_: str) -> None:
    """dlpar_change_lmb_state: what is offline need not be taken offline, whatever is in it.

    In 5.4 its pages are reserved, and lmb_is_removable says no (`tests/simulate/test_removable.py`).
    """
    simulation = partition(kernel)
    simulation.run_all(["offline 3"])
    assert not simulation.consistent
    assert simulation.run(f"dlpar memory remove {request_}").ok
    assert simulation.state.blocks.node_of(3) is None
    assert simulation.consistent


@pytest.mark.parametrize("policy", ["offline", "online", "online_movable"])
def test_a_request_puts_memory_online_whatever_the_policy(policy: str) -> None:
    """dlpar_add_lmb calls dlpar_online_lmb, also where memhp_default_state leaves new blocks offline."""
    before = with_command_line(partition().tree, f"memhp_default_state={policy}")
    simulation = partition(before=before)
    assert simulation.run("dlpar memory add index 0x80000006").ok
    assert simulation.state.blocks.offline == frozenset()
    assert simulation.consistent


def test_a_block_that_comes_back_is_online() -> None:
    simulation = partition()
    simulation.run_all(["offline 3", "dlpar memory remove index 0x80000003", "dlpar memory add index 0x80000003"])
    assert simulation.state.blocks.offline == frozenset()
    simulation.run_all(["offline 3", "reboot"])
    assert simulation.state.blocks.offline == frozenset()


def test_an_offline_block_is_found_and_put_right() -> None:
    simulation = partition()
    result = simulation.run("offline 3")
    assert [finding.rule for finding in result.findings] == ["DRM084"]
    assert "offline" in result.findings[0].message
    assert result.to_json()["block_states"] == [{"block": 3, "state": "offline"}]
    assert {"block": 3, "node": 0, "state": "offline"} in list(simulation.blocks_to_json())
    simulation.run("online 3")
    assert simulation.consistent


def captured(folder: Path, blocks: str) -> Path:
    """Write a capture of that partition with these lines of memory blocks."""
    files = {
        "capture/sys/firmware/fdt": b"".join(fdt_pieces(partition().tree)),
        "capture/memory/block_size_bytes": b"10000000\n",
        "capture/memory/blocks": blocks.encode(),
    }
    path = folder / "capture.tar"
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


LINES = "".join(
    f"{block} {block:08x} {'offline' if block == 4 else 'online'} {block // 4} Normal {int(block != 3)}\n"
    for block in range(6)
)


@pytest.mark.parametrize(("kernel", "stuck"), [("5.4", {0x80000003}), ("latest", set())])
def test_a_capture_goes_on_with_its_blocks(tmp_path: Path, kernel: str, stuck: set[int]) -> None:
    simulation = Simulation(load(str(captured(tmp_path, LINES))), kernel)
    assert dict(simulation.state.blocks) == {0: 0, 1: 0, 2: 0, 3: 0, 4: 1, 5: 1}
    assert simulation.state.blocks.offline == {4}
    assert simulation.state.unmovable == stuck


def test_blocks_shows_states(tmp_path: Path) -> None:
    path = captured(tmp_path, LINES)
    shown = run("blocks", path, "--format", "json")
    spans = json.loads(shown.out)["blocks"]
    assert [(span["block"], span["count"], span["state"]) for span in spans] == [
        (0, 2, "online"),
        (2, 2, "online"),
        (4, 1, "offline"),
        (5, 1, "online"),
        (6, 2, None),
    ]
    assert "offline" in run("blocks", path).out
    assert "state" not in run("blocks", AFTER).out
