from __future__ import annotations

import bz2
import errno
import gzip
import io
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drmemctl.errors import DrmemctlError, InputError, LimitError
from drmemctl.tree import source as source_module
from drmemctl.tree.limits import RAISE_VARIABLE, Limits, limits_from
from drmemctl.tree.source import file_of, load
from tests.cases import each
from tests.conftest import Tool, blob, fixture_trees, gunzip, tree_name
from tests.tree.samples import NAMES, content, tar_of, tree, write_directory
from tests.wide import examples


@each("path", fixture_trees(), ids=tree_name)
def test_every_bundled_tree_is_read_by_its_name(path: Path) -> None:
    read = load(path)
    assert (read.kind, read.source) == ("fdt", str(path))
    assert read.root == load(gunzip(path)).root


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_input_gives_the_same_content(name: str, tmp_path: Path, dtc: Tool, fdtdump: Tool) -> None:
    expected = tree(name)
    (tmp_path / "t.dtb").write_bytes(blob(name))
    (tmp_path / "t.tar.bz2").write_bytes(bz2.compress(tar_of(expected)))
    (tmp_path / "t.dts").write_bytes(dtc("-q", "-I", "dtb", "-O", "dts", tmp_path / "t.dtb").stdout)
    (tmp_path / "dump").write_bytes(fdtdump(tmp_path / "t.dtb").stdout)
    write_directory(expected.root, tmp_path / "device-tree")
    kinds = {}
    for place in ("t.dtb", "t.tar.bz2", "t.dts", "dump", "device-tree"):
        read = load(tmp_path / place)
        kinds[place] = read.kind
        assert content(read) == content(expected), place
    assert list(kinds.values()) == ["fdt", "archive", "dts", "dts", "directory"]


def test_the_kind_follows_from_the_content_not_from_the_name(tmp_path: Path) -> None:
    path = tmp_path / "tree.tar.xz"
    path.write_bytes(blob("trees/form0"))
    assert load(path).kind == "fdt"


def test_names_may_be_strings_or_paths(tmp_path: Path) -> None:
    path = tmp_path / "a b\udcff.dtb"
    path.write_bytes(blob("trees/form0"))
    assert load(path).root == load(str(path)).root == tree().root


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    class Input(io.TextIOWrapper):
        pass

    monkeypatch.setattr(sys, "stdin", Input(io.BytesIO(data)))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, gzip.compress(blob("trees/form0"), mtime=0))
    read = load("-")
    assert (read.source, read.root) == ("<stdin>", tree().root)


@pytest.mark.parametrize("data", [b"plain", b"tar"])
def test_standard_input_may_be_a_pipe(data: bytes) -> None:
    fed = gzip.compress(tar_of(tree())) if data == b"tar" else blob("trees/form0")
    code = "from drmemctl.tree.source import load; print(load('-').kind)"
    run = subprocess.run([sys.executable, "-c", code], input=fed, capture_output=True, check=True)
    assert run.stdout == (b"archive\n" if data == b"tar" else b"fdt\n")


def test_a_member_of_an_archive_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, tar_of(tree(), "a/device-tree") + b"")
    assert load("-::a/device-tree").root == tree().root


def test_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="no standard input"):
        load("-")


def test_standard_input_that_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b"")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    with pytest.raises(InputError, match="is a terminal"):
        load("-")


@pytest.mark.parametrize("packed", [False, True])
def test_a_named_pipe(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = gzip.compress(blob("trees/form0"), mtime=0) if packed else blob("trees/form0")
    writer = threading.Thread(target=path.write_bytes, args=(data,))
    writer.start()
    read = load(path)
    writer.join()
    assert read.root == tree().root


def test_live_is_the_first_place_that_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    write_directory(tree().root, tmp_path / "base")
    (tmp_path / "fdt").write_bytes(blob("trees/v1-dimm"))
    places = (str(tmp_path / "missing"), str(tmp_path / "base"), str(tmp_path / "fdt"))
    monkeypatch.setattr(source_module, "_LIVE_PLACES", places)
    assert load("live").kind == "directory"
    monkeypatch.setattr(source_module, "_LIVE_PLACES", places[2:])
    assert load("live").root == tree("trees/v1-dimm").root
    monkeypatch.setattr(source_module, "_LIVE_PLACES", places[:1])
    with pytest.raises(InputError, match="this machine shows no device tree"):
        load("live")


def test_a_file_called_live_goes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "live").write_bytes(blob("trees/form0"))
    assert load("live").root == tree().root
    assert file_of("live") == "live"


def test_names_with_colons_are_names_first(tmp_path: Path) -> None:
    path = tmp_path / "a::b.tar"
    path.write_bytes(tar_of(tree(), "x/y"))
    assert load(path).root == load(f"{path}::x/y").root == tree().root
    assert file_of(f"{path}::x/y") == str(path)
    assert file_of("-::x") is None


def expect(source: str | bytes | Path, message: str, kind: type[DrmemctlError] = InputError) -> DrmemctlError:
    with pytest.raises(DrmemctlError, match=message) as caught:
        load(source)
    assert type(caught.value) is kind
    assert caught.value.source
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_missing_file(tmp_path: Path) -> None:
    expect(tmp_path / "nope", "no such file or directory")
    expect(f"{tmp_path}/nope.tar::member", "no such file or directory")
    expect(f"{tmp_path}\0x", "cannot hold a NUL")
    expect("x" * 5000, "File name too long")
    expect("", "the name of the input is empty")


def test_a_file_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    expect(tmp_path / "f" / "g", "Not a directory")


def test_a_file_without_permission(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "t.dtb"
    path.write_bytes(blob("trees/form0"))

    def refuse(name: str) -> io.FileIO:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)

    # Not by chmod: root reads everything.
    monkeypatch.setattr("drmemctl.tree.source.io.FileIO", refuse)
    expect(path, "cannot be read: Permission denied")


def test_a_link_to_nothing_and_to_itself(tmp_path: Path) -> None:
    (tmp_path / "nothing").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    expect(tmp_path / "nothing", "no such file")
    expect(tmp_path / "loop", "symbolic links")


def test_devices_neither_hang_nor_fill_memory() -> None:
    expect("/dev/null", "is empty")
    expect("/dev/zero", "beginning with 00 00")
    expect("/dev/urandom", "no device tree")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "this is empty; expected a flattened tree"),
        (b"\n" * 100, "text that neither lsprop, dtc nor fdtdump prints"),
        (b"hello world, this is a letter\n", "text that neither"),
        (b'{"schema": "x"}', "text that neither"),
        (b"PK\x03\x04" + bytes(100), "a zip archive"),
        (b"\x7fELF\x02" + bytes(100), "an ELF file"),
        (b"070701" + b"\0" * 100, "a cpio archive"),
        (b"\xed\xfe\x0d\xd0" + bytes(100), "byte-swapped"),
        (bytes(10240), "beginning with 00 00"),
        ("dts".encode("utf-16"), "beginning with ff fe"),
        (gzip.compress(b"nothing of use", mtime=0), "text that neither"),
    ],
)
def test_other_content_is_named(data: bytes, message: str) -> None:
    error = expect(data, message)
    assert "lsprop, dtc, fdtdump" in (error.hint or "")


def test_a_part_of_what_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "t.dtb"
    path.write_bytes(blob("trees/form0"))
    expect(f"{path}::chosen", "this is no archive")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.dtb"
    with path.open("wb") as stream:
        stream.write(blob("trees/form0"))
        stream.truncate(1 << 40)
    error = expect(path, "has 1,099,511,627,776 bytes, more than the 64 MiB", LimitError)
    assert RAISE_VARIABLE in (error.hint or "")


@pytest.mark.parametrize("line", [b"/dts-v1/;\n", b"ibm,lmb-size     00000000 10000000\n"])
def test_text_that_is_too_large_is_not_read(line: bytes, tmp_path: Path) -> None:
    """A tree is several times as large as its text; reading 60 MiB of it took a gigabyte and 20 seconds."""
    path = tmp_path / "text"
    path.write_bytes(line.ljust((18 << 20) + 1, b"\n"))
    error = expect(path, "has 18,874,369 bytes, more than the 18 MiB that the text of a device tree", LimitError)
    assert RAISE_VARIABLE in (error.hint or "")
    expect(gzip.compress(path.read_bytes()), "has more than the 18 MiB that the text", LimitError)


def test_a_tree_that_is_too_large_when_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "LIMITS", Limits(max_bytes=10_000))
    expect(gzip.compress(blob("trees/form0"), mtime=0), "MiB that a device tree may have", LimitError)


def test_the_environment_raises_the_limits() -> None:
    assert limits_from({}) == Limits()
    raised = limits_from({RAISE_VARIABLE: "256"})
    assert (raised.max_bytes, raised.max_nodes, raised.max_depth) == (256 << 20, 4 * 65_536, 64)
    assert raised.max_text == 256 << 20
    assert limits_from({RAISE_VARIABLE: "1"}).max_bytes == 1 << 20


@pytest.mark.parametrize("value", ["x", "-1", "0", "1e3", "٣", "99999", "2049"])
def test_a_limit_that_is_no_number_is_said(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RAISE_VARIABLE, value)
    assert limits_from({RAISE_VARIABLE: value}) == Limits()
    with pytest.raises(LimitError, match="no number of MiB"):
        load(b"")


HEADS = [b"", b"\xd0\x0d\xfe\xed", b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"BZh9", b"/dts-v1/;\n/ {"]


@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(head=st.sampled_from(HEADS), body=st.binary(max_size=2000))
def test_random_bytes_raise_nothing_but_our_errors(head: bytes, body: bytes) -> None:
    with suppress(DrmemctlError):
        load(head + body)


@settings(max_examples=examples(300), deadline=None)
@given(data=st.data())
def test_damaged_inputs_raise_nothing_but_our_errors(data: st.DataObject) -> None:
    forms = [blob("trees/form0"), tar_of(tree()), gzip.compress(blob("trees/form0"), mtime=0)]
    damaged = bytearray(data.draw(st.sampled_from(forms)))
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(DrmemctlError):
        load(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


def test_reading_a_blob_loads_no_module_for_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "t.dtb"
    path.write_bytes(blob("trees/form0"))
    code = (
        f"import sys; sys.path[:] = {sys.path!r};"
        "from drmemctl.tree.source import load; load(sys.argv[1]);"
        "print(*{'tarfile', 'lzma', 'bz2', 'zlib', 'backports', 'fdt', 'tempfile', 'pathlib', 'gzip',"
        " 'drmemctl.tree.dts', 'drmemctl.tree.archive'} & set(sys.modules))"
    )
    command = [sys.executable, "-S", "-E", "-c", code, str(path)]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    assert run.stdout == "\n"
