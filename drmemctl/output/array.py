# SPDX-License-Identifier: MIT
"""The kernel's LMB array as a JSON document."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.formats.dynamic_memory import KERNEL_TOUCHED
from drmemctl.model.associativity import Associativity
from drmemctl.model.drmem import LmbTable
from drmemctl.model.lmb_values import run_record
from drmemctl.output.json import streamed


def array_document(table: LmbTable, nodes: Associativity, kernel: str, *, marks: bool = False) -> Iterator[bytes]:
    """Yield the LMB array; with `marks`, the flags have the bit that a request at work sets."""
    head = {"kernel": kernel, "lmb_size": table.lmb_size}
    hidden = 0 if marks else KERNEL_TOUCHED
    runs = (run_record(run._replace(flags=run.flags & ~hidden), nodes) for run in table.runs)
    return (part.encode("ascii") for part in streamed("array", head, {"runs": runs}))
