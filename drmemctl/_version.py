# SPDX-License-Identifier: MIT
"""The one place that holds the version; the build reads it from here. `.dev` is a development version."""

__version__ = "0.1.0.dev0"
