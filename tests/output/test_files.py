from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drmemctl.errors import WriteError
from drmemctl.output.files import write_atomically


def refused(path: Path | str, message: str, **options: object) -> WriteError:
    with pytest.raises(WriteError, match=message) as caught:
        write_atomically(path, b"new", **options)  # type: ignore[arg-type]
    assert caught.value.source == str(path)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_new_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new", b"data")
    write_atomically(str(tmp_path / "pieces"), iter([b"da", b"", b"ta"]))
    assert (tmp_path / "new").read_bytes() == (tmp_path / "pieces").read_bytes() == b"data"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "pieces"]


def test_a_name_without_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_atomically("new", b"data")
    assert (tmp_path / "new").read_bytes() == b"data"


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0, 0o666)])
def test_the_umask_decides_about_a_new_file(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "new", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == mode


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_atomically(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o640)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real/file")
    (tmp_path / "fresh").symlink_to("real/fresh")
    write_atomically(tmp_path / "link", b"new")
    write_atomically(tmp_path / "fresh", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real/file").read_bytes() == (tmp_path / "real/fresh").read_bytes() == b"new"


def test_an_input_is_not_replaced_under_any_of_its_names(tmp_path: Path) -> None:
    path = tmp_path / "in.dtb"
    path.write_bytes(b"old")
    (tmp_path / "link").symlink_to(path)
    os.link(path, tmp_path / "hard")
    for name in ("in.dtb", "link", "hard", "../" + tmp_path.name + "/in.dtb"):
        for source in (str(path), f"{path}::a/b"):
            inputs = ["-", "live", "nope", source]
            asked = refused(tmp_path / name, "this is an input", inputs=inputs, force=False)
            assert asked.hint == "add --force to replace it"
            # Most commands have no such option.
            assert refused(tmp_path / name, "this is an input", inputs=inputs).hint == "name another file"
    assert path.read_bytes() == b"old"


def test_an_input_is_replaced_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "in.dtb"
    path.write_bytes(b"old")
    write_atomically(path, b"new", inputs=[str(path)], force=True)
    assert path.read_bytes() == b"new"


def test_other_files_are_replaced(tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).write_bytes(b"old")
    write_atomically(tmp_path / "out", b"new", inputs=[str(tmp_path / "in")])
    assert (tmp_path / "out").read_bytes() == b"new"


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "dir", "this is a directory")
    refused(f"{tmp_path}/new/", "this is a directory")
    refused(tmp_path / "none/new", "No such file or directory; the directory must exist")
    refused(tmp_path / "file/new", "Not a directory")
    refused(tmp_path / ("x" * 300), "File name too long")
    refused("a\0b", "this is no path")
    refused("/dev/full", "No space left on device")
    refused("/proc/new", "No such file|Permission denied")
    (tmp_path / "loop").symlink_to("loop")
    refused(tmp_path / "loop", "symbolic links")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def fail(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(f"drmemctl.output.files.os.{call}", fail)
        refused(path, os.strerror(code))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_producer_leaves_nothing(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "out", pieces())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_while_writing(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from drmemctl.output.files import write_atomically\n"
        "try: write_atomically(sys.argv[1], bytes(5000))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    command = [sys.executable, "-B", "-c", code, str(tmp_path / "out")]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    assert run.stdout == f"WriteError {tmp_path}/out: cannot be written: File too large\n"
    assert list(tmp_path.iterdir()) == []


def test_a_file_made_read_only_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    real = os.open

    def refuse(name: str, *arguments: int) -> int:
        # Not by chmod: root may write everything.
        if name == str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(name, *arguments)

    monkeypatch.setattr("drmemctl.output.files.os.open", refuse)
    refused(path, "Permission denied")
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_by_its_names(name: str, tmp_path: Path) -> None:
    code = f"from drmemctl.output.files import write_atomically; write_atomically({name!r}, b'data')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert run.stdout == b"data"
    log = tmp_path / "log"
    log.write_bytes(b"before ")
    with log.open("ab") as stream:
        subprocess.run([sys.executable, "-c", code], stdout=stream, check=True)
    assert log.read_bytes() == b"before data"


def test_devices_and_pipes_are_written_directly(tmp_path: Path) -> None:
    write_atomically("/dev/null", b"data")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, [b"da", b"ta"])
    reader.join()
    assert got == [b"data"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_reader_that_has_gone_is_a_broken_pipe() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        with pytest.raises(BrokenPipeError):
            write_atomically(f"/dev/fd/{write}", b"data")
    finally:
        os.close(write)
