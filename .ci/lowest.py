# SPDX-License-Identifier: MIT
"""Print the dependencies of pyproject.toml pinned to the lowest version that each allows, one a line."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
for dependency in project["dependencies"]:
    match = re.fullmatch(r"([\w.-]+)>=([\w.]+)(;.*| *;.*)?", dependency)
    if match is None:
        sys.exit(f"{dependency!r} has no lowest version, or more than that")
    sys.stdout.write(f"{match[1]}=={match[2]}{match[3] or ''}\n")
