from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest

from drmemctl.defect import Defect
from drmemctl.errors import InputError, LimitError
from drmemctl.tree import compression
from drmemctl.tree.compression import compression_of, decompressed
from drmemctl.tree.limits import MIB, Limits
from drmemctl.tree.source import load
from drmemctl.tree.stream import Stream
from drmemctl.zstd import zstd_module
from tests.conftest import blob
from tests.tree.samples import tree

ZSTD = zstd_module("use another compression")

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": ZSTD.compress,
    "bzip2": bz2.compress,
}
all_methods = pytest.mark.parametrize("method", COMPRESSORS)


def stream_of(data: bytes, piece: int = 1 << 16) -> Stream:
    raw = io.BytesIO(data)
    return Stream(lambda: raw.read(piece))


def unpack(data: bytes, limits: Limits | None = None, piece: int = 1 << 16) -> tuple[bytes, list[Defect]]:
    defects: list[Defect] = []
    stream = decompressed(stream_of(data, piece), "x", defects, limits)
    return stream.read(1 << 31), defects


@all_methods
@pytest.mark.parametrize("size", [0, 1, 5000, 3 * MIB])
def test_gives_what_was_compressed(method: str, size: int) -> None:
    data = random.Random(size).randbytes(size // 2) + bytes(size - size // 2)
    assert unpack(COMPRESSORS[method](data)) == (data, [])


@all_methods
def test_gives_the_same_whatever_pieces_it_arrives_in(method: str) -> None:
    data = random.Random(1).randbytes(5000) + b"a" * 100_000
    assert {unpack(COMPRESSORS[method](data), piece=piece)[0] for piece in (1, 7, 4096)} == {data}


@all_methods
def test_members_that_follow_one_another_are_one(method: str) -> None:
    packed = b"".join(COMPRESSORS[method](part) for part in (b"one ", b"", b"two ", b"three"))
    assert unpack(packed) == (b"one two three", [])


def test_compressions_nest() -> None:
    packed = lzma.compress(gzip.compress(ZSTD.compress(b"tree"), mtime=0))
    assert unpack(packed) == (b"tree", [])


def test_too_many_layers_are_refused() -> None:
    packed = b"tree"
    for _ in range(4):
        packed = gzip.compress(packed, mtime=0)
    with pytest.raises(LimitError, match="compressed more than 3 times"):
        unpack(packed)


@all_methods
def test_zeros_after_the_end_are_padding(method: str) -> None:
    assert unpack(COMPRESSORS[method](b"tree") + bytes(512)) == (b"tree", [])


@all_methods
def test_other_bytes_after_the_end_are_ignored_and_said(method: str) -> None:
    packed = COMPRESSORS[method](b"tree")
    data, defects = unpack(packed + b"\x01garbage")
    assert data == b"tree"
    assert [(defect.code, defect.offset) for defect in defects] == [("trailing-bytes", len(packed))]


@all_methods
def test_a_stream_that_ends_early_is_an_error_at_every_offset(method: str) -> None:
    packed = COMPRESSORS[method](blob("trees/form0"))
    # Up to its magic number a stream is not known to be one.
    for end in [*range(8, 64), *range(64, len(packed), 97), *range(len(packed) - 16, len(packed))]:
        with pytest.raises(InputError, match="ends early") as caught:
            unpack(packed[:end])
        assert caught.value.offset == end


@all_methods
def test_damage_is_an_input_error_or_goes_unnoticed_never_more(method: str) -> None:
    packed = bytearray(COMPRESSORS[method](blob("trees/form0")))
    chance = random.Random(7)
    errors = 0
    for _ in range(300):
        damaged = bytearray(packed)
        damaged[chance.randrange(6, len(packed))] ^= 1 << chance.randrange(8)
        with suppress(InputError):
            unpack(bytes(damaged))
            continue
        errors += 1
    # zstd has no checksum unless asked for one.
    assert errors > (30 if method == "zstd" else 250)


SMALL = Limits(max_unpacked=8 * MIB, ratio_floor=MIB, max_ratio=50)


@all_methods
def test_a_bomb_is_stopped_by_its_ratio(method: str) -> None:
    packed = COMPRESSORS[method](bytes(6 * MIB))
    with pytest.raises(LimitError, match="grows more than 50 times"):
        unpack(packed, SMALL)


@all_methods
def test_a_bomb_is_stopped_by_its_size(method: str) -> None:
    packed = COMPRESSORS[method](random.Random(1).randbytes(MIB)) * 9
    with pytest.raises(LimitError, match="more than 8 MiB unpacked"):
        unpack(packed, SMALL)


@all_methods
def test_a_large_bomb_costs_neither_time_nor_memory(method: str) -> None:
    packed = COMPRESSORS[method](b"\xd0\x0d\xfe\xed") + COMPRESSORS[method](bytes(64 * MIB)) * 40
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(LimitError):
        load(packed)
    seconds = time.process_time() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 20
    assert peak < 250 * MIB


def test_a_quine_of_gzip_layers_is_bounded() -> None:
    packed = bytes(10 * MIB)
    for _ in range(3):
        packed = gzip.compress(packed, mtime=0)
    with pytest.raises(InputError, match="beginning with 00"):
        load(packed)


def test_many_empty_members_are_bounded() -> None:
    member = gzip.compress(b"", mtime=0)
    start = time.process_time()
    with pytest.raises(LimitError, match="more than 20,000 members"):
        unpack(member * 30_000, Limits(max_members=20_000))
    assert time.process_time() - start < 5


def test_frames_that_say_nothing_are_bounded() -> None:
    """Each costs what a frame costs: 500,000 of eight bytes took 12 s."""
    skippable = (0x184D2A50).to_bytes(4, "little") + bytes(4)
    start = time.process_time()
    with pytest.raises(LimitError, match="more than 100,000 members"):
        unpack(skippable * 100_002, Limits())
    assert time.process_time() - start < 8


def test_a_zstd_window_beyond_what_zstd_allows_is_refused() -> None:
    packed = zstd_of(b"tree" * 1000, 28)
    with pytest.raises(LimitError, match="zstd data needs 264 MiB to be unpacked, more than the 256"):
        unpack(packed)


def test_an_xz_dictionary_beyond_the_memory_limit_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 512 * MIB}]
    packed = lzma.compress(b"tree", filters=filters)
    with pytest.raises(LimitError, match="xz data needs 520 MiB to be unpacked, more than the 256"):
        unpack(packed)


def xz_of(data: bytes, dictionary: int, *, delta: bool = False) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": dictionary}]
    return lzma.compress(data, filters=[{"id": lzma.FILTER_DELTA, "dist": 1}, *filters] if delta else filters)


def zstd_of(data: bytes, window_log: int) -> bytes:
    parameters = ZSTD.CompressionParameter
    packer = ZSTD.ZstdCompressor(options={parameters.window_log: window_log, parameters.compression_level: 1})
    return bytes(packer.compress(data) + packer.flush())


def test_memory_for_unpacking_is_that_of_all_layers_together() -> None:
    largest: tuple[Callable[[bytes], bytes], ...] = (
        lambda data: xz_of(data, 128 * MIB),
        lambda data: zstd_of(data, 27),
    )
    for outer in largest:
        for inner in largest:
            with pytest.raises(
                LimitError, match="136 MiB to be unpacked, more than the 120 MiB that are left of 256"
            ):
                unpack(outer(inner(b"tree" * 10_000)))
    # What `xz -9` and `zstd --ultra -22` make may lie in one another, and either alone be as large as it gets.
    assert unpack(xz_of(xz_of(xz_of(b"tree", 64 * MIB), 64 * MIB), 64 * MIB))[0] == b"tree"
    assert unpack(zstd_of(xz_of(b"tree", 64 * MIB, delta=True), 27))[0] == b"tree"


def test_streams_that_follow_one_another_use_the_same_memory() -> None:
    packed = b"".join(xz_of(b"tree", 128 * MIB) for _ in range(5))
    assert unpack(packed)[0] == b"tree" * 5


@all_methods
def test_the_bytes_of_all_layers_count_together(method: str) -> None:
    limits = Limits(max_unpacked=3 * MIB, ratio_floor=64 * MIB)
    noise = random.Random(3).randbytes(2 * MIB)
    assert unpack(gzip.compress(noise), limits)[0] == noise
    with pytest.raises(LimitError, match="more than 3 MiB unpacked"):
        unpack(COMPRESSORS[method](gzip.compress(noise)), limits)


def test_a_ratio_counts_from_the_outermost_bytes() -> None:
    packed = gzip.compress(gzip.compress(bytes(2 * MIB)))
    with pytest.raises(LimitError, match="grows more than 200 times"):
        unpack(packed, Limits(ratio_floor=MIB))


def test_gzip_header_fields_are_passed_over() -> None:
    raw = zlib.compressobj(wbits=-15)
    body = raw.compress(b"tree") + raw.flush()
    tail = zlib.crc32(b"tree").to_bytes(4, "little") + (4).to_bytes(4, "little")
    header = b"\x1f\x8b\x08\x1c" + bytes(4) + b"\x00\x03" + b"\x03\x00abc" + b"name\0" + b"comment\0"
    assert unpack(header + body + tail) == (b"tree", [])


def test_a_wrong_checksum_is_damage() -> None:
    packed = bytearray(gzip.compress(b"tree", mtime=0))
    packed[-8] ^= 1
    with pytest.raises(InputError, match="gzip data is damaged: incorrect data check"):
        unpack(bytes(packed))


@all_methods
def test_a_compressed_blob_is_the_blob(method: str) -> None:
    assert load(COMPRESSORS[method](blob("trees/form0"))).root == tree().root


def test_what_follows_the_compressed_tree_is_a_defect_of_it() -> None:
    read = load(gzip.compress(blob("trees/form0"), mtime=0) + b"junk")
    assert [defect.code for defect in read.defects] == ["trailing-bytes"]


@pytest.mark.parametrize("head", [b"", b"\x1f\x8b", b"BZh0", b"\xfd7zXZ", b"PK\x03\x04", b"\x1f\x8b\x07"])
def test_other_heads_are_no_compression(head: bytes) -> None:
    assert compression_of(head) is None


def test_the_decoder_of_this_python_is_chosen() -> None:
    assert {method.name for method in compression.METHODS} == set(COMPRESSORS)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the standard library has zstd")
def test_without_the_package_zstd_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = ZSTD.compress(b"a")
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    with pytest.raises(InputError) as caught:
        unpack(packed)
    assert str(caught.value) == (
        "x: zstd cannot be read or written by this Python; "
        "unpack it with `zstd -d`, or install the Python package backports.zstd"
    )
