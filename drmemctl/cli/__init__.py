# SPDX-License-Identifier: MIT
"""The command line: one module a command, which parses arguments, calls and renders. No logic."""

from __future__ import annotations

import gc
import io
import os
import sys

_ALLOCATIONS = 100_000
"""Between garbage collections: at Python's 700, importing alone has dozens of them."""


def _escape_what_cannot_be_encoded() -> None:
    r"""Let a stream that is ASCII only show `\u2026` for an ellipsis instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def run() -> None:
    """Run drmemctl with the arguments of this process and exit: the console script."""
    gc.set_threshold(_ALLOCATIONS)
    if sys.stdout is None:  # closed by whoever started us (`>&-`): the exit code still counts
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the process lives
    _escape_what_cannot_be_encoded()
    try:
        from drmemctl.cli.app import main

        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    # What is left goes with the process: the interpreter need not look through it on its way out.
    gc.freeze()
    sys.exit(code)
