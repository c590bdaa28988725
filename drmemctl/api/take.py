# SPDX-License-Identifier: MIT
"""Captures of a machine or a dump, what changes on a machine, and the page about a tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from drmemctl.arguments import checked, text

if TYPE_CHECKING:
    from drmemctl.compare.watching import Look, SystemChange
    from drmemctl.kernel.profiles import Profile
    from drmemctl.simulate.session import Steps
    from drmemctl.tree.node import Tree


@dataclass(frozen=True)
class CapturedFiles:
    """What was captured of a machine or a dump.

    Attributes:
        files: path and content of each file.
        when: the time, in seconds since 1970.

    """

    files: tuple[tuple[str, bytes], ...]
    when: int

    def __repr__(self) -> str:
        return f"<CapturedFiles: {len(self.files):,} files, {sum(len(data) for _, data in self.files):,} bytes>"

    @checked(name=text)
    def to_bytes(self, name: str = ".tar.gz") -> bytes:
        """Return it as an archive, compressed as a file's name says: .tar.gz, .tar.xz, .tar.zst, .tar."""
        from drmemctl.tree.capture import archive, compressed

        return compressed(archive(iter(self.files), self.when), name)

    @cached_property
    def tree(self) -> Tree:
        """The tree in it, with all that was captured beside it."""
        from drmemctl.tree.source import load

        return load(self.to_bytes(".tar"))


@checked()
def capture(root: str = "/", *, redact: bool = False, when: int | None = None) -> CapturedFiles:
    """Capture a machine: device tree, memory blocks, nodes, messages about memory. It only reads.

    Args:
        root: a directory that stands for `/`.
        redact: without serial numbers, UUIDs, location codes and host names.
        when: the time that it gets, in seconds since 1970; without it, now.

    """
    from drmemctl.tree.capture import captured

    seconds = _now(when)
    return CapturedFiles(tuple(captured(root.rstrip("/"), seconds, redact=redact)), seconds)


@checked()
def capture_dump(source: str, *, redact: bool = False, when: int | None = None) -> CapturedFiles:
    """Capture what a dump of a kernel's memory holds: for every command as good as the dump itself."""
    from contextlib import suppress

    from drmemctl.errors import DrmemctlError
    from drmemctl.model.associativity import Associativity
    from drmemctl.model.dumped import array_in
    from drmemctl.model.sizes import within_bounds
    from drmemctl.output.array import array_document
    from drmemctl.tree.dump_capture import captured_dump
    from drmemctl.tree.source import load

    tree = within_bounds(load(source))
    table = array_in(tree)
    array = None
    if table is not None and tree.dump is not None:
        nodes = Associativity.from_tree(tree)
        array = b"".join(array_document(table, nodes, tree.dump.release or "latest", marks=True))
    boot = None
    with suppress(DrmemctlError):  # few dumps have it
        boot = load(f"{source}::boot")
    return CapturedFiles(tuple(captured_dump(tree, boot, array, redact=redact)), _now(when))


def _now(when: int | None) -> int:
    import time

    return int(time.time()) if when is None else when


@checked()
def watch(
    root: str = "/", *, interval: float = 2.0, count: int | None = None
) -> Iterator[tuple[float, Look, list[SystemChange]]]:
    """Yield time, state and what changed since the last look at a machine, `count` times or on and on."""
    from drmemctl.compare.watching import looks

    return looks(root, interval, count)


@checked()
def report(
    tree: Tree,
    after: Tree | None = None,
    *,
    steps: Steps = (),
    title: str = "",
    kernel: str | Profile | None = None,
    hypervisor: str | None = None,
    redact: bool = False,
) -> str:
    """Return everything about a tree as one HTML page that loads nothing.

    Args:
        tree: the tree.
        after: a second tree, which the page is about then; differences are its own.
        steps: steps that are simulated on the first.
        title: its heading; without it, the partition's name.
        kernel: the kernel to judge by and to simulate; the input's if there is none, else any and the newest.
        hypervisor: who owns the connectors.
        redact: without serial numbers, UUIDs, location codes and names of files.

    """
    from drmemctl.api.kernels import profile_for
    from drmemctl.check.engine import Plan
    from drmemctl.output.report.page import page
    from drmemctl.simulate.report_content import ReportSources, report_content
    from drmemctl.simulate.session import steps_of

    sources = ReportSources(redact=redact)
    tree, second = sources.shown_tree(tree), None if after is None else sources.shown_tree(after)
    profile = profile_for(tree, kernel)
    plan = Plan(kernel=None if kernel is None else profile)
    return page(report_content(sources, title, tree, second, plan, profile, steps_of(steps), hypervisor))
