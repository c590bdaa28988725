# SPDX-License-Identifier: MIT
"""Print the LMBs that are on another node after a migration: python moved.py BEFORE AFTER."""

import sys
from collections.abc import Iterator

import drmemctl


def moved(before: drmemctl.LmbTable, after: drmemctl.LmbTable) -> Iterator[tuple[drmemctl.Lmb, drmemctl.Lmb]]:
    """Yield assigned LMBs that lead to another node now, by their DRC indexes."""
    for old in before:
        index = after.index_of_drc(old.drc_index)
        if old.assigned and index is not None and after[index].node != old.node:
            yield old, after[index]


def main(before: str, after: str) -> None:
    """Print them."""
    try:
        tables = [drmemctl.lmb(drmemctl.load(name)) for name in (before, after)]
    except drmemctl.DrmemctlError as error:
        sys.exit(str(error))
    for old, new in moved(*tables):
        print(f"{old.drc_index:#010x} at {old.base or 0:#x}: node {old.node} -> {new.node}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
