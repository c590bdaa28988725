# SPDX-License-Identifier: MIT
"""`python -m drmemctl`."""

from drmemctl.cli import run

run()
