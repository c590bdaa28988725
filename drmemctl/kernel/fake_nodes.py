# SPDX-License-Identifier: MIT
"""`numa=fake=`: nodes that the command line makes up by address, range by range as the kernel goes through memory.

Source: Linux arch/powerpc/mm/numa.c `fake_numa_create_new_node`, `early_numa`.
"""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.kernel.cmdline import memparse, options


class FakeNodes:
    """The boundaries that are left, and the node made up last; without the option it changes nothing."""

    def __init__(self, cmdline: str) -> None:
        values = [value.partition("fake=")[2] for value in options(cmdline, "numa") if "fake=" in value]
        self._text = values[-1] if values else ""
        self._node = 0
        self._reached = 0

    def pieces(self, base: int, size: int, count: int, node: int) -> Iterator[tuple[int, int, int]]:
        """Yield (address, bytes, node) of `count` adjacent ranges of `size` bytes that the tree has on `node`."""
        while count:
            boundary = memparse(self._text).size
            if boundary and boundary >= self._reached:
                self._reached = boundary
                same = min(count, max(0, (boundary - base) // size))
            else:
                same = count  # none is left, or it is below the last, which ends them all
            if same:
                yield base, same * size, self._node or node
            base, count = base + same * size, count - same
            if count:
                # The first range that ends beyond the boundary is the first of the new node, as a whole.
                self._node += 1
                self._text = memparse(self._text).rest.lstrip(", \t")
                yield base, size, self._node
                base, count = base + size, count - 1
