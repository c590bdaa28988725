# SPDX-License-Identifier: MIT
"""The command line: one module a command, which parses arguments, calls and renders. No logic."""

from __future__ import annotations

import sys


def run() -> None:
    """Run drmemctl with the arguments of this process and exit: the console script."""
    try:
        from drmemctl.cli.app import main

        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
