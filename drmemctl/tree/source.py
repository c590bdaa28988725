# SPDX-License-Identifier: MIT
"""The one way in: `load` recognises every kind of input by its content and returns its device tree."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from drmemctl.arguments import checked, input_or_bytes
from drmemctl.defect import Defect
from drmemctl.errors import DrmemctlError, InputError, LimitError
from drmemctl.formats.fdt_header import MAGIC
from drmemctl.formats.file_magics import ELF
from drmemctl.read_files import note_descriptor
from drmemctl.tree.compression import compression_of, decompressed
from drmemctl.tree.limits import LIMITS, MIB, check_environment, too_large
from drmemctl.tree.node import Tree, decode_name
from drmemctl.tree.plain_input import BOOTED, KCORE, LIVE, STDIN, TREES, standard_input
from drmemctl.tree.reading import tell, tell_end
from drmemctl.tree.stream import CHUNK, Stream
from drmemctl.tree.tar import BLOCK, is_tar_header

if TYPE_CHECKING:
    from drmemctl.tree.members import Member

_KCORE_PLACE = "/proc/kcore"
_LIVE_PLACES = tuple(f"/{name}" for name in (*TREES, BOOTED))
_HEAD = 1 << 16
"""How many bytes are looked at to tell what an input is."""

_KINDS = (
    "a flattened tree (.dtb), a directory like /proc/device-tree, a tar of one, text of lsprop, dtc, fdtdump, "
    "a dump of a kernel's memory, compressed or not (gzip, xz, zstd, bzip2)"
)
_SEPARATOR = "::"
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_FOREIGN = {
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"070701": "a cpio archive",
    b"\xed\xfe\x0d\xd0": "a flattened tree whose words are byte-swapped",
    ELF: "an ELF file",
}


@checked(source=input_or_bytes)
def load(source: str | os.PathLike[str] | bytes) -> Tree:
    """Return the device tree of any kind of input, recognised by its content.

    `source` is a path, `-` for standard input, `live` for this machine (a file of that name goes first),
    `live::kcore` for its kernel's memory, `ARCHIVE::PATH` for one of several trees in an archive, `DUMP::boot` for
    the tree of a dumped kernel's boot, or the content itself as bytes.

    Raises `InputError` if it cannot be opened, is damaged or of no kind that holds a tree, `BlobError` for a
    malformed flattened tree, `LimitError` if it is larger than `LIMITS`; nothing else.
    """
    check_environment()
    if isinstance(source, bytes | bytearray | memoryview):
        return _read(io.BytesIO(source), "<bytes>", None)
    name = os.fsdecode(source)
    with _translated(name):
        return _load_named(name)


def load_open(raw: IO[bytes], source: str) -> Tree:
    """Return the device tree in a file that is open, wherever it lies; raises what `load` does."""
    check_environment()
    with _translated(source):
        return _read(raw, source, None)


def file_of(source: str) -> str | None:
    """Return the file or directory that a TREE argument names, without `::PATH`; None for `-` and `live`."""
    place, _ = _split(source)
    return None if place == STDIN or is_live(place) else place


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Turn what the operating system refuses into `InputError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError("no such file or directory", source=name) from error
    except OSError as error:
        denied = error.errno in (errno.EACCES, errno.EPERM)
        hint = "it takes another user to read it" if denied else None
        message = f"cannot be read: {error.strerror or error}"
        raise InputError(message, source=name, hint=hint) from error


@contextmanager
def _temporary(source: str) -> Iterator[None]:
    """Say of what the operating system refuses that it is about a temporary file, and not about the input."""
    try:
        yield
    except OSError as error:
        from tempfile import tempdir

        where = f" in {tempdir}" if tempdir else ""
        raise InputError(
            f"this has to be kept in a temporary file{where}, which cannot be written: {error.strerror or error}",
            source=source,
            hint="set TMPDIR to a directory with room, or put the input in a file",
        ) from error


def _load_named(name: str) -> Tree:
    if "\0" in name or not name:
        message = "a path cannot hold a NUL" if name else "the name of the input is empty"
        raise InputError(message, source=name or "''")
    place, member = _split(name)
    if place == STDIN:
        stream = standard_input()
        if sys.stdin.isatty():
            hint = "pipe a tree into it: … < FILE"
            raise InputError("standard input is a terminal", source="<stdin>", hint=hint)
        return _read(stream, "<stdin>", member)
    if is_live(place):
        part, _, below = (member or "").partition(_SEPARATOR)
        if part == KCORE:
            place, member = _KCORE_PLACE, below or None
        else:
            place = _live_place()
    if stat.S_ISDIR(os.stat(place).st_mode):  # noqa: PTH116 - keeps pathlib out of the way of small files
        from drmemctl.tree.directory import read_directory
        from drmemctl.tree.kernel_banner import root_of

        directory = place if member is None else f"{place}/{member}"
        tree, at = read_directory(directory, name)
        return _of_running(tree, "/" if is_live(name) else root_of(directory, at))
    with io.FileIO(place) as raw:
        note_descriptor(raw.fileno())
        tree = _read(raw, place, member)
    return _of_running(tree, "/") if is_live(name) else tree


def _of_running(tree: Tree, root: str) -> Tree:
    """Return a tree with what lies beside it below a directory that stands for `/`."""
    from drmemctl.tree.system import with_beside
    from drmemctl.tree.system_files import ARRAY

    tree = with_beside(tree, root)
    # Of most trees nobody wants to know what lies beside them.
    if not os.path.lexists(f"{root}/{ARRAY}"):
        return tree
    from drmemctl.tree.kept_dump import with_kept_dump

    return with_kept_dump(tree)


def _split(name: str) -> tuple[str, str | None]:
    """Return the file's name and, after `::`, the path inside it; a file's name may hold `::` itself."""
    at = len(name)
    while not os.path.lexists(name[:at]) and (at := name.rfind(_SEPARATOR, 0, at)) >= 0:
        if name[:at] == STDIN or is_live(name[:at]) or os.path.lexists(name[:at]):
            return name[:at], name[at + len(_SEPARATOR) :]
    if os.path.lexists(name):
        return name, None
    return name.partition(_SEPARATOR)[0], None


def is_live(place: str) -> bool:
    """Whether a TREE argument means this machine."""
    return place == LIVE and not os.path.lexists(LIVE)


def is_kcore(place: str) -> bool:
    """Whether a file is the memory of the running kernel, which changes while it is read."""
    return os.path.realpath(place) == _KCORE_PLACE


def _live_place() -> str:
    for place in _LIVE_PLACES:
        if os.path.exists(place):  # noqa: PTH110 - as above
            return place
    hint = "only systems that booted with one have it; on others name a captured tree"
    raise InputError("this machine shows no device tree", source=LIVE, hint=hint)


def _read(raw: IO[bytes] | io.FileIO, source: str, member: str | None) -> Tree:
    with ExitStack() as open_files:
        open_files.callback(tell_end, source)
        return _Input(raw, source, open_files).read(member)


class _Input:
    """One input that is open: `read` may go over it more than once. Files it opens go into `open_files`."""

    def __init__(self, raw: IO[bytes] | io.FileIO, source: str, open_files: ExitStack) -> None:
        self._raw = raw
        self._open_files = open_files
        self._source = source
        self._begin: int | None = raw.tell() if raw.seekable() else None
        self._defects: list[Defect] = []

    def read(self, member: str | None) -> Tree:
        """Return the tree in it, of an archive that at the path `member` if it is given."""
        plain = Stream(self._pull)
        head = plain.peek(BLOCK)
        if self._begin is None and (compression_of(head) or is_tar_header(head)):
            # It may have to be read twice; a compressed archive does not belong in memory.
            self._spool(plain)
            plain = self._restart_plain()
        stream = decompressed(plain, self._source, self._defects)
        head = stream.peek(_HEAD)
        if is_tar_header(head[:BLOCK]):
            tree = self._read_archive(member)
        elif _is_dump(head):
            tree = self._read_dump(stream, member, is_plain=stream is plain)
        elif member is not None:
            raise InputError("this is no archive, :: cannot name a part of it", source=self._source)
        else:
            kind = _kind_of(head, self._source)
            data = self._whole(stream, is_plain=stream is plain, is_text=kind != "fdt")
            tree = _read_content(kind, data, self._source)
        return replace(tree, defects=(*self._defects, *tree.defects)) if self._defects else tree

    def _pull(self) -> bytes:
        tell(self._source, self._raw)
        return self._raw.read(CHUNK) or b""

    def _pass(self, size: int) -> int:
        """Pass bytes without reading them, as far as the file reaches: of a sparse one there may be a TiB."""
        begin = self._raw.tell()
        self._raw.seek(0, io.SEEK_END)
        end = max(begin, min(begin + size, self._raw.tell()))
        self._raw.seek(end)
        return end - begin

    def _spool(self, stream: Stream) -> None:
        import tempfile

        spool = tempfile.SpooledTemporaryFile(max_size=16 * MIB)  # noqa: SIM115 - closed with the input
        self._open_files.enter_context(spool)
        while data := stream.some():
            if stream.offset > LIMITS.max_unpacked:
                message = f"more than {LIMITS.max_unpacked // MIB} MiB came from a pipe"
                raise LimitError(message, source=self._source, hint="put it in a file")
            with _temporary(self._source):
                spool.write(data)
        with _temporary(self._source):
            spool.flush()
        self._raw, self._begin = spool, 0

    def _restart_plain(self) -> Stream:
        self._raw.seek(self._begin or 0)
        return Stream(self._pull, self._pass)

    def _restart(self) -> Stream:
        self._defects.clear()
        return decompressed(self._restart_plain(), self._source, self._defects)

    def _read_archive(self, member: str | None) -> Tree:
        from drmemctl.tree.archive import read_archive
        from drmemctl.tree.kept_dump import with_kept_dump
        from drmemctl.tree.kernel_banner import BannersInArchive
        from drmemctl.tree.system import SystemsInArchive

        wanted = None if member is None else decode_name(os.fsencode(member))
        banners = BannersInArchive()
        systems = SystemsInArchive(self._source)

        def watch(stream: Stream, seen: Member) -> None:
            banners(stream, seen)
            systems(stream, seen)

        tree = read_archive(self._restart, self._source, wanted, _read_member, watch)
        kernel, captured = banners.beside(wanted) or tree.kernel, systems.beside(wanted)
        provenance = tree.provenance if captured is None else captured.provenance
        tree = replace(tree, kernel=kernel, provenance=provenance, beside=captured or tree.beside)
        # What is kept of a dump is about the tree that its kernel had, and not about the one that it booted with.
        return tree if wanted is not None and wanted.endswith(BOOTED) else with_kept_dump(tree)

    def _read_dump(self, stream: Stream, member: str | None, *, is_plain: bool) -> Tree:
        """Return the tree in a dump: what is no file of its own is put in a temporary one, to be read anywhere."""
        from drmemctl.tree.dump import read_dump

        if not is_plain or self._begin != 0:
            self._spool(stream)
        try:
            return read_dump(self._raw, self._source, member, is_running=is_kcore(self._source))
        except DrmemctlError as error:
            raise error.with_source(self._source) from None

    def _whole(self, stream: Stream, *, is_plain: bool, is_text: bool) -> bytes:
        """Return all bytes; those of a plain file at once, since joining pieces takes twice the memory."""
        most = LIMITS.max_text if is_text else LIMITS.max_bytes
        if is_plain and isinstance(self._raw, io.FileIO) and self._begin is not None:
            size = os.fstat(self._raw.fileno()).st_size - self._begin
            if size > most:
                raise too_large(size, self._source, text=is_text)
            self._raw.seek(self._begin)
            data = self._raw.read(size + 1) or b""
            if len(data) == size:
                return data
            stream = self._restart_plain()
        data = stream.read(most + 1)
        if len(data) > most:
            raise too_large(None, self._source, text=is_text)
        return data


def _is_dump(head: bytes) -> bool:
    if head.startswith(MAGIC):
        return False  # as nearly all inputs do, which need nothing of what reads dumps
    from drmemctl.memory.physical import is_dump

    return is_dump(head)


def _read_member(content: bytes, source: str) -> Tree:
    return replace(_read(io.BytesIO(content), source, None), kind="archive")


def _kind_of(head: bytes, source: str) -> str:
    """Return `fdt`, `dts` or `lsprop` for the beginning of an input; raise `InputError` for anything else."""
    if not head:
        raise InputError("this is empty", source=source, hint=f"expected {_KINDS}")
    if head.startswith(MAGIC):
        return "fdt"
    from drmemctl.tree.dts import is_dts
    from drmemctl.tree.lsprop import is_lsprop
    from drmemctl.tree.places import CONTROL, place_words
    from drmemctl.tree.quoted_text import unquoted

    control = _CONTROL.search(head)
    if control is None:
        head = unquoted(head)
        if is_dts(head):
            return "dts"
        if is_lsprop(head):
            return "lsprop"
        content = "text that neither lsprop, dtc nor fdtdump prints"
    else:
        before = head[: control.start()]
        if is_dts(before) or is_lsprop(before):
            place = place_words(head.decode("latin-1"), control.start())
            raise InputError(f"{place}: {CONTROL.format(control[0][0])}", source=source)
        foreign = [name for magic, name in _FOREIGN.items() if head.startswith(magic)]
        content = foreign[0] if foreign else f"beginning with {head[:8].hex(' ')}"
    raise InputError(f"this is no device tree ({content})", source=source, hint=f"expected {_KINDS}")


def _read_content(kind: str, data: bytes, source: str) -> Tree:
    if kind == "fdt":
        from drmemctl.tree.fdt_reader import read_fdt

        return read_fdt(data, source)
    from drmemctl.tree.quoted_text import unquoted

    data = unquoted(data)
    if kind == "dts":
        from drmemctl.tree.dts import read_dts

        return read_dts(data, source)
    from drmemctl.tree.lsprop import read_lsprop

    return read_lsprop(data, source)
