# SPDX-License-Identifier: MIT
"""`drmemctl capture` and its shell script: both take the same, and check knows more of what they took."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drmemctl.tree.capture import SECRET_NAMES, TAKEN, redacted
from drmemctl.tree.source import load
from tests.cases import each
from tests.check.test_live import misplaced
from tests.cli.running import run
from tests.conftest import FIXTURES
from tests.live_roots import make_root, states, write, write_tree
from tests.wide import FULL_SIZE

MOVED = "captures/6.1-lpm"


def shells() -> list[list[str]]:
    known = (["sh"], ["bash"], ["dash"], ["busybox", "ash"])
    there = [(shell, place) for shell in known if (place := shutil.which(shell[0]))]
    # sh is mostly another name of one of these.
    return list({os.path.realpath(place): shell for shell, place in there}.values())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = make_root(tmp_path / "root", MOVED, next(one for one in states(MOVED) if misplaced(MOVED, one)))
    write(made / "dmesg", "[    0.1] pseries-hotplug-mem: Attempting\n[    0.2] usb 1-1: new device\n")
    write(made / "var/log/drmgr", "########## Jan 01 drmgr: -c mem -a -q 1\n")
    write(made / "sys/devices/system/node/node0/distance", "10 20\n")
    (made / "proc/device-tree/system-id").write_bytes(b"IBM,0278ABCDE\0")
    (made / "proc/device-tree/vm,uuid").write_bytes(b"1e9ff1a0-5f3e-4f0e-9d0c-6f0c1c1f1a2b\0")
    (made / "proc/device-tree/rtas/ibm,drc-names").write_bytes(b"\0\0\0\1U78D2.001.WZS00AB-P1-C2\0")
    return made


def contents(place: Path) -> dict[str, bytes]:
    with tarfile.open(place) as tar:
        found = {}
        for member in tar:
            stream = tar.extractfile(member) if member.isfile() else None
            if stream is not None:
                found[member.name.removeprefix("./")] = stream.read()
    return found


def by_script(shell: list[str], root: Path, output: Path, *more: str) -> subprocess.CompletedProcess[bytes]:
    script = output.parent / "capture.sh"
    script.write_text(run("capture", "--script").out)
    command = [*shell, str(script), "--root", str(root), "-o", str(output), *more]
    return subprocess.run(command, capture_output=True, check=False, timeout=120)


def findings(place: Path) -> list[tuple[str, list[int]]]:
    found = json.loads(run("check", place, "--select", "live", "--isolated", "--format", "json").out)["findings"]
    return [(one["rule"], [lmb["base"] for lmb in one["lmbs"]]) for one in found]


def test_a_capture_is_a_tree_and_check_holds_it_against_its_blocks(root: Path, tmp_path: Path) -> None:
    for suffix in (".tar.zst", ".tar.gz", ".tar.xz", ".tar"):
        place = tmp_path / f"made{suffix}"
        assert run("capture", "--root", root, "-o", place).code == 0
        assert load(str(place)).find("/rtas") is not None
        assert {rule for rule, _ in findings(place)} == {"DRM121"}
        assert findings(place) == findings(root) == findings(root / "proc/device-tree")


@pytest.mark.parametrize("shell", shells(), ids=lambda shell: shell[0])
@pytest.mark.parametrize("redact", [False, True], ids=["whole", "redacted"])
def test_the_script_takes_the_same(shell: list[str], redact: bool, root: Path, tmp_path: Path) -> None:
    more = ["--redact"] if redact else []
    assert run("capture", "--root", root, "-o", tmp_path / "made.tar", *more).code == 0
    done = by_script(shell, root, tmp_path / "script.tar.gz", *more)
    assert done.returncode == 0, done.stderr
    ours = contents(tmp_path / "made.tar")
    with tarfile.open(tmp_path / "script.tar.gz") as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    theirs = {
        path.relative_to(tmp_path / "unpacked").as_posix(): path.read_bytes()
        for path in (tmp_path / "unpacked").rglob("*")
        if path.is_file()
    }
    times = [files.pop("capture/capture.txt") for files in (ours, theirs)]
    assert theirs == ours
    assert len({re.sub(rb"taken: \S+Z\n", b"", text) for text in times}) == 1
    assert findings(tmp_path / "script.tar.gz") == findings(tmp_path / "made.tar")


def test_busybox_alone_can_run_it(root: Path, tmp_path: Path) -> None:
    if shutil.which("busybox") is None:
        pytest.skip("busybox is not installed")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in subprocess.run(["busybox", "--list"], capture_output=True, check=True, text=True).stdout.split():
        (tools / tool).symlink_to(shutil.which("busybox") or "")
    shell = ["env", "-i", f"PATH={tools}", str(tools / "ash")]
    for more in ((), ("--redact", "--force")):
        assert by_script(shell, root, tmp_path / "made.tar.gz", *more).returncode == 0
        assert findings(tmp_path / "made.tar.gz") == findings(root)
    assert about(tmp_path / "made.tar.gz")["host"].startswith("partition-")


def test_nothing_secret_is_in_a_redacted_capture(root: Path, tmp_path: Path) -> None:
    run("capture", "--root", root, "-o", tmp_path / "made.tar", "--redact")
    found = contents(tmp_path / "made.tar")
    assert found["capture/proc/device-tree/system-id"] == b"x" * 13 + b"\0"
    assert found["capture/proc/device-tree/rtas/ibm,drc-names"] == b"\0\0\0\1Uxxxx.xxx.xxxxxxx-P1-C2\0"
    assert not any(b"0278ABCDE" in data or b"WZS00AB" in data for data in found.values())
    assert "capture/sys/firmware/fdt" not in found


def about(place: Path) -> dict[str, str]:
    text = contents(place)["capture/capture.txt"].decode()
    return dict(line.split(": ", 1) for line in text.splitlines())


def taken_by(shell: list[str] | None, root: Path, place: Path, *more: str) -> dict[str, str]:
    """Take a capture with the command or the script; return what it says of itself."""
    if shell is None:
        assert run("capture", "--root", root, "-o", place, "--force", *more).code == 0
    else:
        assert by_script(shell, root, place, "--force", *more).returncode == 0
    return about(place)


UUIDS = {"ibm,partition-uuid": b"6f9619ff-8b86-d011-b42d-00c04fc964ff\0", "vm,uuid": b"0" * 36 + b"\0"}


def named(text: str) -> str:
    return f"partition-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@pytest.mark.parametrize(
    "shell", [None, *shells()[-1:]], ids=lambda shell: "command" if shell is None else shell[0]
)
def test_a_capture_says_when_it_was_taken_and_where(shell: list[str] | None, root: Path, tmp_path: Path) -> None:
    place, tree = tmp_path / "made.tar.gz", root / "proc/device-tree"
    before = datetime.now(UTC).replace(microsecond=0)
    assert set(taken_by(shell, root, place)) == {"taken"}
    write(root / "etc/hostname", "lpar7.example\n")
    facts = taken_by(shell, root, place)
    assert before <= datetime.fromisoformat(facts["taken"]) <= datetime.now(UTC)
    assert facts["host"] == "lpar7.example"
    shown = json.loads(run("show", place, "--format", "json").out)
    assert (shown["taken"], shown["host"]) == (facts["taken"], "lpar7.example")
    assert f"taken      {facts['taken']}, host lpar7.example\n" in run("show", place).out
    # Redacted, a name stands for it: that of its UUID, of /etc/machine-id, and with neither of its serial number.
    for name, value in UUIDS.items():
        (tree / name).write_bytes(value)
    assert taken_by(shell, root, place, "--redact")["host"] == named(
        "drmemctl uuid 6f9619ff-8b86-d011-b42d-00c04fc964ff\n"
    )
    assert json.loads(run("show", place, "--format", "json").out)["host"].startswith("partition-")
    (tree / "ibm,partition-uuid").unlink()
    write(root / "etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    expected = named("drmemctl machine-id 0123456789abcdef0123456789abcdef\n")
    assert taken_by(shell, root, place, "--redact")["host"] == expected
    (root / "etc/machine-id").unlink()
    (tree / "ibm,partition-no").write_bytes(b"\0\0\0\7")
    (tree / "ibm,partition-name").write_bytes(b"lpar 7\xff\0")
    key = hashlib.sha256(b"drmemctl partition IBM,0278ABCDE 00000007 lpar 7\n").hexdigest()
    assert taken_by(shell, root, place, "--redact")["host"] == named(f"{key}\n" * (1 << 20))
    assert run("report", place, "--redact", "-o", "-").out.count(named(f"{key}\n" * (1 << 20))) == 1
    for name in ("system-id", "ibm,partition-no", "ibm,partition-name"):
        (tree / name).unlink()
    assert set(taken_by(shell, root, place, "--redact")) == {"taken"}


@each(
    ("text", "expected"),
    [
        (b"taken: 2026-11-03T09:15:00Z\nhost: lpar7\n", ("2026-11-03T09:15:00Z", "lpar7")),
        (b"host: \x1b[31mred\xff\r\n", (None, "\x1b[31mred\ufffd")),
        (b"taken: 2026-13-03T09:15:00Z\n", (None, None)),
        (b"taken: 0000-01-01T00:00:00Z\n", (None, None)),
        (b"taken: 0001-01-01T00:00:00Z\n", ("0001-01-01T00:00:00Z", None)),
        (b"taken: 9999-12-31T23:59:59Z", ("9999-12-31T23:59:59Z", None)),
        (b"taken: yesterday\nnothing\n\0", (None, None)),
        (b"", (None, None)),
    ],
)
def test_what_a_capture_says_of_itself_may_be_anything(text: bytes, expected: tuple[object, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "capture"
        write_tree(root / "proc/device-tree", load(FIXTURES / "trees/v2-gap.dtb.gz").root)
        (root / "capture.txt").write_bytes(text)
        with tarfile.open(f"{folder}/made.tar", "w") as tar:
            tar.add(root, "capture")
        for place in (root, f"{folder}/made.tar"):
            shown = json.loads(run("show", place, "--format", "json").out)
            assert (shown.get("taken"), shown.get("host")) == expected
            assert "\x1b" not in run("show", place).out


def test_only_messages_about_memory_are_taken(root: Path, tmp_path: Path) -> None:
    run("capture", "--root", root, "-o", tmp_path / "made.tar")
    assert contents(tmp_path / "made.tar")["capture/dmesg"] == b"[    0.1] pseries-hotplug-mem: Attempting\n"


def test_everything_that_is_taken_is_listed(root: Path, tmp_path: Path) -> None:
    run("capture", "--root", root, "-o", tmp_path / "made.tar")
    listed = [line.split()[0] for line in run("capture", "--list").out.splitlines()]
    assert listed == [path for path, _ in TAKEN]
    for name in contents(tmp_path / "made.tar"):
        assert any(name.removeprefix("capture/").startswith(path) for path in listed), name


def test_a_machine_without_a_tree(tmp_path: Path) -> None:
    outcome = run("capture", "--root", tmp_path, "-o", tmp_path / "made.tar")
    assert (outcome.code, (tmp_path / "made.tar").exists()) == (3, False)
    done = by_script(["sh"], tmp_path, tmp_path / "made.tar.gz")
    assert (done.returncode, (tmp_path / "made.tar.gz").exists()) == (3, False)


def test_wrong_arguments() -> None:
    assert run("capture", "-o", "capture.zip").code == 2


def test_redacting_keeps_the_length() -> None:
    for name in SECRET_NAMES:
        assert redacted(name, b"abc\0def\0") == b"xxx\0xxx\0"
    assert redacted("reg", b"U78D2.001") == b"U78D2.001"


def test_a_tree_alone_has_nothing_beside_it(root: Path, tmp_path: Path) -> None:
    assert load(FIXTURES / "trees/v2-gap.dtb.gz").beside is None
    beside = load(root).beside
    assert beside is not None
    assert beside.files().links >= {"sys/devices/system/memory/memory0/node0"}


NAME = re.compile(r"drmemctl-capture-lpar7\.example-\d{8}T\d{6}Z(-\d+)?\.tar\.gz")
REDACTED = re.compile(r"drmemctl-capture-\d{8}T\d{6}Z(-\d+)?\.tar\.gz")


def taken_in(folder: Path, root: Path, shell: list[str] | None, *more: str) -> str:
    """Take a capture in a directory, by the command or the script; return its name."""
    before = set(folder.iterdir())
    if shell is None:
        outcome = run("capture", "--root", root, *more)
        assert outcome.code == 0, outcome.err
    else:
        script = folder.parent / "capture.sh"
        script.write_text(run("capture", "--script").out)
        command = [*shell, str(script), "--root", str(root), *more]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
    (made,) = set(folder.iterdir()) - before
    return made.name


TAKERS = pytest.mark.parametrize(
    "shell", [None, *shells()], ids=lambda shell: "command" if shell is None else shell[0]
)


@TAKERS
def test_each_capture_has_a_name_of_its_own(
    shell: list[str] | None, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root / "etc/hostname", "lpar7.example\n")
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    number = 3 if shell is None or FULL_SIZE else 2
    names = [taken_in(folder, root, shell) for _ in range(number)]
    assert len(set(names)) == number
    assert all(NAME.fullmatch(name) for name in names)
    assert REDACTED.fullmatch(taken_in(folder, root, shell, "--redact"))
    assert all(load(str(folder / name)).find("/rtas") is not None for name in names)
    (root / "etc/hostname").write_text("../x y/\x1b[1m$(id)\n")
    assert "/" not in (name := taken_in(folder, root, shell))
    assert name.startswith("drmemctl-capture-_x-"), name


@pytest.mark.parametrize("without", ["backports.zstd", "lzma", "bz2"])
def test_the_name_does_not_depend_on_what_is_installed(
    without: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, without, None)
    assert run("capture", "--root", root, "--redact").code == 0
    (made,) = tmp_path.glob("*.tar.*")
    assert REDACTED.fullmatch(made.name)
    assert load(str(made)).find("/rtas") is not None


@pytest.mark.parametrize("kind", ["file", "link", "dangling"])
def test_a_file_is_replaced_with_force_only(kind: str, root: Path, tmp_path: Path) -> None:
    target, place = tmp_path / "target.tar.gz", tmp_path / "made.tar.gz"
    if kind != "dangling":
        target.write_bytes(b"mine")
    if kind == "file":
        target.rename(place)
    else:
        place.symlink_to(target)
    if kind != "dangling":
        outcome = run("capture", "--root", root, "-o", place)
        assert outcome.code == 3
        assert "there is a file already" in outcome.err
        assert "--force" in outcome.err
        assert place.read_bytes() == b"mine"
    for shell in shells():
        done = by_script(shell, root, place)
        assert done.returncode == 3
        assert b"there is a file already; add --force" in done.stderr
    assert not target.exists() or target.read_bytes() == b"mine"
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} == set()
    assert by_script(["sh"], root, place, "--force").returncode == 0
    assert load(str(place)).find("/rtas") is not None
    assert run("capture", "--root", root, "-o", place, "--force").code == 0


def test_a_name_that_is_taken_meanwhile_is_not_replaced(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "made.tar"

    def late(descriptor: int) -> None:
        del descriptor
        place.write_bytes(b"theirs")

    monkeypatch.setattr("drmemctl.output.files.os.fsync", late)
    assert run("capture", "--root", root, "-o", place).code == 3
    assert place.read_bytes() == b"theirs"


@pytest.mark.parametrize("shell", [None, *shells()], ids=lambda shell: "command" if shell is None else shell[0])
def test_what_is_secret_in_the_tree_is_nowhere_else_either(
    shell: list[str] | None, root: Path, tmp_path: Path
) -> None:
    tree = root / "proc/device-tree"
    secrets = {
        "system-id": b"IBM,0278ABCDE\0",
        "ibm,partition-name": b"bank.prod/7 [a*b]$\0",
        "vm,uuid": b"01234567-89ab-cdef-0123-456789abcdef\0",
        "security-password": b"s3cr&t\\1\0",
        "security-mode": b"command\0",
        "local-mac-address": bytes.fromhex("0ab1c2d3e4f5"),
        "host-serial": b"10\0",
    }
    for name, value in secrets.items():
        (tree / name).write_bytes(value)
    said = (
        "bank.prod/7 [a*b]$ has serial 0278ABCDE or IBM,0278ABCDE, {01234567-89ab-cdef-0123-456789abcdef}"
        " s3cr&t\\1 0a:b1:c2:d3:e4:f5 U78D2.001.WZS00AB-P1 10 LMBs"
    )
    (tree / "chosen").mkdir(exist_ok=True)
    (tree / "chosen/bootargs").write_bytes(b"host=0278ABCDE quiet\0")
    for path in ("proc/cmdline", "var/log/drmgr", "var/log/platform"):
        write(root / path, f"{said}\n")
    write(root / "dmesg", f"[    0.1] pseries: {said}\n")
    place = tmp_path / "made.tar.gz"
    if shell is None:
        assert run("capture", "--root", root, "-o", place, "--redact").code == 0
    else:
        assert by_script(shell, root, place, "--redact").returncode == 0
    found = {name: data for name, data in contents(place).items() if not name.endswith("/")}
    expected = said
    for text in (
        "bank.prod/7 [a*b]$",
        "0278ABCDE",
        "01234567-89ab-cdef-0123-456789abcdef",
        "s3cr&t\\1",
        "0a:b1:c2:d3:e4:f5",
    ):
        expected = expected.replace(text, "x" * len(text))
        assert not any(text.encode() in data for data in found.values()), text
    expected = expected.replace("U78D2.001.WZS00AB", "Uxxxx.xxx.xxxxxxx")
    for path in ("proc/cmdline", "log/drmgr", "log/platform"):
        assert found[f"capture/{path}"].decode() == f"{expected}\n"
    assert found["capture/dmesg"].decode() == f"[    0.1] pseries: {expected}\n"
    assert found["capture/proc/device-tree/chosen/bootargs"] == b"host=xxxxxxxxx quiet\0"
    assert found["capture/proc/device-tree/security-mode"] == b"xxxxxxx\0"


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the standard library has zstd")
def test_a_name_for_zstd_where_that_cannot_be_written(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    done = run("capture", "--root", root, "-o", tmp_path / "x.tar.zst")
    assert done.code == 3
    assert "name a .tar.gz or .tar.xz" in done.err
    assert not (tmp_path / "x.tar.zst").exists()
