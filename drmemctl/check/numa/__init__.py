# SPDX-License-Identifier: MIT
"""Rules of the family numa: domains, distances, option vector 5."""

from drmemctl.check.numa import domains, form1, form2, vector

__all__ = ["domains", "form1", "form2", "vector"]
