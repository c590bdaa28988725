# SPDX-License-Identifier: MIT
"""The parts of `make oracle` that need no guest: commands made of steps, records compared, fixtures replaced."""

from __future__ import annotations

import copy
import io
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from drmemctl.qualify import recorder, records
from drmemctl.qualify.guest import Sent
from drmemctl.qualify.monitor import Monitor, OracleError
from tests.conftest import FIXTURES
from tests.oracle import regenerate
from tests.oracle.compare import differences, mistakes, reason
from tests.oracle.packages import GuestPackages
from tests.oracle.records import record_of
from tests.simulate.records import record, record_names, tree_of

LPM = "captures/6.1-lpm"


def changed(name: str, step: int, **values: Any) -> dict[str, Any]:
    new = copy.deepcopy(record(name))
    new["steps"][step].update(values)
    return new


def test_a_record_equals_itself_and_every_change_is_found() -> None:
    old = record(LPM)
    assert differences(old, old) == []
    assert differences(old, changed(LPM, 4, errno="EBUSY")) == ["step 5, dlpar memory remove count 1: errno"]
    assert differences(old, {**old, "events": [{}]}) == ["events"]
    assert reason(old, changed(LPM, 0, blocks=[])) == ""
    assert "taken offline" in reason(old, changed(LPM, 4, unmovable=["0x80000008"]))
    assert "the kernel is 6.1.9" in reason(old, {**old, "kernel": "6.1.9"})


@pytest.mark.parametrize(
    "name", [LPM, "captures/6.1-memblock", "memblock/7.2-numa-fake", "memblock/6.1-crashkernel-no-base"]
)
def test_the_simulation_does_what_is_bundled(name: str) -> None:
    assert mistakes(record(name), tree_of(name)) == []


def test_what_the_simulation_does_otherwise_is_found() -> None:
    assert mistakes(changed(LPM, 4, log=[]), tree_of(LPM)) == ["step 5, dlpar memory remove count 1: log"]
    name = "memblock/6.1-kernelcore"
    new = copy.deepcopy(record(name))
    new["boot"]["blocks"][0]["zone"] = "Movable"
    assert mistakes(new, tree_of(name)) == ["boot: zones"]


def test_every_bundled_record_has_commands() -> None:
    for name in record_names("captures"):
        commands = recorder._commands(record(name))
        assert sum(line.startswith("step ") for line in commands) == len(record(name)["steps"])


def test_what_the_recorders_operator_removed_is_removed_again() -> None:
    commands = recorder._commands(record("captures/7.2-v2-to-v1"))
    assert [line[:40] for line in commands[2:5]] == [
        "step dlpar memory add indexed-count 1 0x",
        "without ibm,dynamic-memory-v2",
        "step host plug 0x80000008 1 node 1",
    ]


def test_a_crash_kernel_cannot_be_recorded() -> None:
    with pytest.raises(regenerate.LeftOutError, match="crash kernel"):
        regenerate.recorded(record("captures/7.2-kdump"), b"", Path(), None, Path())  # type: ignore[arg-type]


def test_what_nobody_can_record_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packages = GuestPackages(tmp_path)
    made = regenerate.regenerated(["captures/7.2-kdump"], packages, Path("vmlinux"), tmp_path)
    assert list(made) == []
    assert "stays as it is: a crash kernel" in capsys.readouterr().out


class Told(Monitor):
    """A monitor without a QEMU."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def do(self, command: str) -> str:
        self.asked.append(command)
        return 'Memory device [dimm]: "cold0" addr: 0x40000000 slot: 0' if command.startswith("info") else "ok"


def test_the_host_plugs_by_address_and_unplugs_what_lies_there() -> None:
    told, host = Told(), recorder.Host()
    assert host.do(told, "plug 0x80000008 2 node 1") == "ok"
    assert host.do(told, "unplug 0x80000004 2") == "ok"
    assert host.do(told, "unplug 0x80000005 1") == "no DIMM at 0x50000000"
    assert told.asked[:2] == [
        "object_add memory-backend-ram,id=d1,size=536870912",
        "device_add pc-dimm,id=dimm1,memdev=d1,node=1,addr=0x80000000",
    ]
    assert told.asked[3] == "device_del cold0"


def kept(**files: bytes) -> Sent:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as out:
        for name, data in files.items():
            member = tarfile.TarInfo("kept/" + name.replace("__", "/"))
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
    return Sent({"kept": stream.getvalue()}, [])


BOOT = {
    "uname": b"6.1.0-50-powerpc64le\n",
    "cmdline": b"quiet\n",
    "block_size_bytes": b"10000000\n",
    "fdt": b"tree",
    "0__dmesg": b"",
    "0__blocks": b"0 online node0 Normal\n",
    # 64 LMBs of 16 MiB of boot, then four with connectors from 0x3e000000 on.
    "0__ibm,lmb-size": bytes.fromhex("0000000001000000"),
    "0__ibm,dynamic-memory-v2": bytes.fromhex(
        "00000002 00000040 0000000000000000 00000000 ffffffff 000000a0"
        "00000004 000000003e000000 80000010 00000000 00000008"
    ),
}
STEP = {
    "1__rc": b"1\n",
    "1__out": b"sh: write error: Device or resource busy\n",
    "1__blocks": b"",
    "1__dmesg": b"",
}


def test_a_record_is_made_of_what_the_guest_kept() -> None:
    stuck = (
        b"[  1.0] page:1 index:0x2 pfn:0x4000\n[  1.1] pseries-hotplug-mem: Attempting to hot-remove 1 LMB(s)\n"
        b"[  1.2] Built 2 zonelists, mobility grouping on.  Total pages: 876185\n"
    )
    old = {**record(LPM), "steps": [{"step": "dlpar memory remove count 1"}]}
    new, fdt = record_of(old, kept(**{**BOOT, **STEP, "1__dmesg": stuck}))
    assert (new["kernel"], new["block_size"], fdt) == ("6.1.0-50-powerpc64le", 1 << 28, b"tree")
    (step,) = new["steps"]
    assert (step["rc"], step["errno"], step["unmovable"]) == (1, "EBUSY", ["0x80000012"])
    assert step["log"] == ["pseries-hotplug-mem: Attempting to hot-remove 1 LMB(s)"]


def test_a_step_with_the_work_of_another_is_refused() -> None:
    late = b"[ 1.0] pseries-hotplug-mem: Attempting to hot-add 1 LMB(s)\n"
    old = {**record(LPM), "steps": [{"step": "firmware / x 00"}]}
    with pytest.raises(OracleError, match="still at work"):
        record_of(old, kept(**{**BOOT, **STEP, "1__dmesg": late}))
    with pytest.raises(OracleError, match="step 1 was not carried out"):
        record_of(old, kept(**BOOT))
    with pytest.raises(OracleError, match="did not come to its end"):
        record_of(old, Sent({}, []))


def test_new_records_are_put_in_the_place_of_bundled_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in regenerate.FOLDERS:
        shutil.copytree(FIXTURES / folder, tmp_path / "fixtures" / folder)
    before = sorted(path.name for path in (FIXTURES / "captures").iterdir())
    new = tmp_path / "new" / LPM
    new.parent.mkdir(parents=True)
    for end in (".json", ".dtb.gz"):
        Path(f"{new}{end}").write_bytes(b"new")
    monkeypatch.setattr(regenerate, "FIXTURES", tmp_path / "fixtures")
    regenerate.replace_fixtures([LPM], tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "fixtures").iterdir()) == sorted(regenerate.FOLDERS)
    assert sorted(path.name for path in (tmp_path / "fixtures/captures").iterdir()) == before
    assert (tmp_path / f"fixtures/{LPM}.json").read_bytes() == b"new"


def test_messages_without_a_prefix_are_kept_as_well() -> None:
    """A 6.1 whose hypervisor had no connector for half of the LMBs printed the first, and no record had it."""
    for line in (
        "Unexpected Error (-3) returned from configure-connector",
        "rtas_error_rc: unexpected error -3",
        "Platform resource reassignment ignored.",
        "Unable to create mapping for hot added memory 0xc008000000000000..0xc008000010000000: -1",
        "Unable to find space in cpu_present_mask for processor PowerPC,POWER9 with 8 thread(s)",
        "cpu 3 (hwid 3) Ready to die...",
    ):
        assert records.is_ours(line), line
    assert not records.is_ours("radix-mmu: Mapped 0x0000000090000000-0x00000000a0000000 with 1.00 GiB pages")
