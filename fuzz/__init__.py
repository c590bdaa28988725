# SPDX-License-Identifier: MIT
"""Coverage-guided fuzzing with atheris: `make fuzz`, and `python -m fuzz TARGET FILE` to see a find again.

A target takes bytes and returns: what the code under test may raise, the target catches. Any other exception, more
than `LONGEST` seconds for one input, or more than `MOST_MIB` of memory is a find.
"""

LONGEST = 5
MOST_MIB = 400
