# SPDX-License-Identifier: MIT
"""Which inputs URLs name, and in which state each is: what the storage says without opening any."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from drmemctl.check.inputs import matching
from drmemctl.errors import DrmemctlError, InputError, LimitError
from drmemctl.fleet.storage import file_system, local_path, local_url, reading
from drmemctl.read_files import open_regular
from drmemctl.tree.discover import candidates
from drmemctl.tree.plain_input import STDIN, standard_input
from drmemctl.tree.source import file_of

MOST_FILES = 20_000_000
"""Files below one directory: a fleet is not one of them."""

LONGEST_LIST = 256 << 20
"""Bytes of a list of URLs: two million long ones."""

_STATES = ("ETag", "etag", "checksum", "CRC", "mtime", "LastModified", "last_modified", "updated", "created")
"""What file systems call that by which a changed file is told, the best first."""

_TIMES = ("mtime", "LastModified", "last_modified", "updated")


class Input(NamedTuple):
    """An input as its storage lists it.

    Attributes:
        url: where it is.
        version: in which state, by size and time or by ETag; empty where there is nothing.
        size: bytes, None where the storage does not say.
        modified: when it was changed, in seconds; None where the storage does not say.
        named: whether a URL names it or a pattern matches it, rather than that it lies in a directory.

    """

    url: str
    version: str
    size: int | None = None
    modified: int | None = None
    named: bool = True


def urls_of(name: str) -> Iterator[str]:
    """Yield the URLs in a list, `-` for standard input: one a line, but for empty lines and comments."""
    try:
        if name == STDIN:
            data = standard_input().read(LONGEST_LIST + 1)
        else:
            with open_regular(name) as stream:
                data = stream.read(LONGEST_LIST + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", source=name) from error
    if len(data) > LONGEST_LIST:
        raise LimitError(
            f"a list of more than {LONGEST_LIST >> 20} MiB", source=name, hint="name directories or patterns"
        )
    for line in os.fsdecode(data.removeprefix(BOM_UTF8)).splitlines():
        url = line.strip()
        if url and not url.startswith("#"):
            yield url


def list_inputs(urls: Iterable[str]) -> Iterator[Input]:
    """Yield the inputs that URLs name, each once: files, matches of patterns, all below a directory."""
    used_urls: set[str] = set()
    for url in urls:
        path = local_path(url)
        for entry in _local(path) if path is not None else _remote(url):
            if entry.url not in used_urls:
                used_urls.add(entry.url)
                yield entry


def _local(argument: str) -> Iterator[Input]:
    for name in matching(argument):
        path = os.path.abspath(name)  # noqa: PTH100 - the name may be that of a part of an archive
        if not os.path.isdir(path):  # noqa: PTH112
            yield local_input(path)
            continue
        trees, files = candidates(path, MOST_FILES)
        inputs = [local_input(place) for place in trees] + [local_input(place, named=False) for place in files]
        # Of a directory that holds none, reading it will say so.
        yield from sorted(inputs) or [local_input(path)]


def local_input(path: str, *, named: bool = True) -> Input:
    """Return the file or directory of an absolute path as an input."""
    url = local_url(path)
    try:
        status = os.stat(file_of(path) or path) if "::" in path else os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return Input(url, "", named=named)
    if not os.path.isdir(path):  # noqa: PTH112
        return Input(url, f"{status.st_size}-{status.st_mtime_ns}", status.st_size, int(status.st_mtime), named)
    # A directory that is a tree has changed where any file in it has.
    files = size = newest = 0
    for place, _, names in os.walk(path):
        for name in names:
            try:
                status = os.lstat(f"{place}/{name}")
            except OSError:
                continue
            files, size, newest = files + 1, size + status.st_size, max(newest, status.st_mtime_ns)
    return Input(url, f"{size}-{files}-{newest}", size, newest // 10**9)


def _remote(url: str) -> Iterator[Input]:
    try:
        system, path = file_system(url)
        with reading(url):
            files, named = _files(system, path)
    except DrmemctlError:
        # Reading it will say what is wrong.
        yield Input(url, "")
        return
    _, chained, archive = url.partition("::")
    for name, facts in sorted(files.items()):
        size = facts.get("size")
        yield Input(
            system.unstrip_protocol(name) + chained + archive,
            _state(facts),
            size if isinstance(size, int) else None,
            _time(facts),
            named,
        )


def _files(system: Any, path: str) -> tuple[Mapping[str, Mapping[str, Any]], bool]:
    """Return the files that a path names, by name, and whether it names them."""
    from fsspec.core import has_magic

    if has_magic(path):
        files = {name: facts for name, facts in system.glob(path, detail=True).items() if facts["type"] == "file"}
        if not files:
            raise InputError("no file is called so")
        return files, True
    facts = system.info(path)
    if facts["type"] == "file":
        return {facts["name"]: facts}, True
    return system.find(path, detail=True), False


def _state(facts: Mapping[str, Any]) -> str:
    state = next((facts[name] for name in _STATES if facts.get(name) is not None), facts.get("date_time"))
    if isinstance(state, datetime):
        state = state.isoformat()
    return f"{facts.get('size')}-{str(state).strip(chr(34))}"


def _time(facts: Mapping[str, Any]) -> int | None:
    time = next((facts[name] for name in _TIMES if facts.get(name) is not None), None)
    if isinstance(time, datetime):
        return int(time.timestamp())
    return int(time) if isinstance(time, int | float) else None
