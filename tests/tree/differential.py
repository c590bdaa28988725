# SPDX-License-Identifier: MIT
"""Our reading of a blob held against libfdt's: what libfdt refuses is refused, beyond it only for our reasons."""

from __future__ import annotations

from itertools import pairwise

import pytest

from drmemctl.errors import BlobError, LimitError
from drmemctl.formats.fdt_header import BEGIN_NODE, END, END_NODE, NOP
from drmemctl.tree.fdt_reader import read_fdt, read_header, walk_tokens
from drmemctl.tree.node import Tree
from tests.blobs import header
from tests.oracles import Libfdt, content_of


def intervals(data: bytes, oracle: Libfdt) -> list[tuple[int, int]]:
    """Return where the three blocks lie in a blob of version 17 that libfdt accepts."""
    reservations = header(data, "off_mem_rsvmap")
    start, strings = header(data, "off_dt_struct"), header(data, "off_dt_strings")
    return sorted(
        [
            (reservations, reservations + 16 * (len(oracle.reservations(data)) + 1)),
            (start, start + header(data, "size_dt_struct")),
            (strings, strings + header(data, "size_dt_strings")),
        ]
    )


def overlaps(data: bytes, oracle: Libfdt) -> bool:
    blocks = [block for block in intervals(data, oracle) if block[0] < block[1]]
    return any(second[0] < first[1] for first, second in pairwise(blocks))


def misaligned(data: bytes) -> bool:
    return header(data, "off_dt_struct") % 4 > 0 or header(data, "off_mem_rsvmap") % 8 > 0


ROOTLESS = ("there is no root node", "a property outside the root node")


def check_refusal(data: bytes, error: BlobError, oracle: Libfdt) -> None:
    """Fail unless libfdt refuses the blob for the same reason, or the reason is one that we add."""
    assert error.offset is not None
    assert 0 <= error.offset <= len(data)
    theirs = oracle.check(data)
    if error.code == "FDT_ERR_ALIGNMENT":
        assert misaligned(data)
    elif error.code == "FDT_ERR_BADLAYOUT":
        assert theirs == ""
        assert header(data, "version") < 17 or overlaps(data, oracle)
    elif error.message not in ROOTLESS and header(data, "version") > 1 and theirs != error.code:
        # A property behind the root node with a bad name as well: libfdt looks at the place first, we at the name.
        assert error.message.startswith("a property's name lies at")
        named = data[: error.offset + 8] + bytes(4) + data[error.offset + 12 :]
        with pytest.raises(BlobError) as refused:
            read_fdt(named)
        assert refused.value.code == theirs


def check_tree(data: bytes, tree: Tree, oracle: Libfdt) -> None:
    """Fail unless libfdt accepts the blob as well and sees the same in it."""
    version = header(data, "version")
    if version == 1:  # libfdt reads none of these
        return
    assert oracle.check(data) == ""
    assert version < 17 or not overlaps(data, oracle)
    assert list(tree.reservations) == oracle.reservations(data)
    if all(defect.code != "property-after-node" for defect in tree.defects):
        assert content_of(tree.root) == oracle.nodes(data)


def without_nops_behind_the_root(data: bytes) -> bytes:
    """Return a blob that ends where NOPs stand behind its root node: libfdt up to 1.7.2 refuses those."""
    depth, begun = 0, False
    try:
        for token in walk_tokens(data, read_header(data)):
            depth += {BEGIN_NODE: 1, END_NODE: -1}.get(token.tag, 0)
            begun |= depth > 0
            if token.tag == NOP and depth == 0 and begun:
                return data[: token.offset] + END.to_bytes(4, "big") + data[token.offset + 4 :]
    except (BlobError, LimitError):
        pass
    return data


def check(data: bytes, oracle: Libfdt) -> str:
    """Hold our reading of a blob against libfdt's and return "read", "refused" or "limited"."""
    data = without_nops_behind_the_root(data)
    try:
        tree = read_fdt(data)
    except BlobError as error:
        check_refusal(data, error, oracle)
        return "refused"
    except LimitError:
        return "limited"
    check_tree(data, tree, oracle)
    return "read"
