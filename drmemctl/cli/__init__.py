# SPDX-License-Identifier: MIT
"""The command line: one module a command, which parses arguments, calls and renders. No logic."""

from __future__ import annotations

import gc
import sys

_ALLOCATIONS = 100_000
"""Between garbage collections: at Python's 700, importing alone has dozens of them."""


def run() -> None:
    """Run drmemctl with the arguments of this process and exit: the console script."""
    gc.set_threshold(_ALLOCATIONS)
    try:
        from drmemctl.cli.app import main

        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    # What is left goes with the process: the interpreter need not look through it on its way out.
    gc.freeze()
    sys.exit(code)
