# SPDX-License-Identifier: MIT
"""What each command does, as a function with values in and out; `drmemctl` offers them by their names.

Functions import what they need when they are called, so that one does not pay for another. None prints or exits;
all that goes wrong with an input is a `DrmemctlError`, with an argument a `TypeError` or a `ValueError`.
"""
