# SPDX-License-Identifier: MIT
"""Judging what is no tree: RTAS answers. Trees are judged by `drmemctl.check`, compared by `drmemctl.diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drmemctl.arguments import checked

if TYPE_CHECKING:
    from drmemctl.check.decoding import Decoding
    from drmemctl.kernel.profiles import Profile
    from drmemctl.tree.node import Tree


@checked()
def decode(
    kind: str,
    data: bytes,
    *,
    tree: Tree | None = None,
    kernel: str | Profile | None = None,
    source: str = "<bytes>",
) -> Decoding:
    """Return what RTAS answered, field by field, and what a kernel would stumble over.

    Args:
        kind: `update-nodes`, `update-properties`, `rtas-event` or `configure-connector`.
        data: the bytes, or text: hex as many tools print it, or a JSON list of {call, answer, status}.
        tree: the tree that phandles and DRC indexes are about; its kernel counts if none is named.
        kernel: the kernel that rules have to be about, else any.
        source: what errors call the data.

    Raises `InputError` or `FormatError` for what is no such answer.

    """
    from drmemctl.check.decoding import Decoding
    from drmemctl.check.stream.answers import RtasStream
    from drmemctl.formats.rtas_input import read_answers
    from drmemctl.kernel.choice import kernel_for
    from drmemctl.kernel.profiles import profile

    _check_kind(kind)
    stream = RtasStream(read_answers(kind, data, source), tree)
    if tree is not None:
        return Decoding.of(kind, stream, kernel_for(tree, kernel).judged)
    return Decoding.of(kind, stream, profile(kernel) if isinstance(kernel, str) else kernel)


@checked()
def encode(kind: str, document: bytes, *, source: str = "<bytes>") -> bytes:
    """Return the bytes of answers that are JSON, as `drmemctl decode --format json` prints them."""
    from drmemctl.formats.rtas_document import encoded

    _check_kind(kind)
    return encoded(kind, document, source)


def _check_kind(kind: str) -> None:
    from drmemctl.errors import FormatError
    from drmemctl.formats.rtas_kinds import KINDS

    if kind not in KINDS:
        raise FormatError(f"no kind {kind!r} of RTAS answers", hint=f"one of {', '.join(KINDS)}")
