# SPDX-License-Identifier: MIT
"""`python -m fuzz [--seconds N] [TARGET…]` fuzzes; `python -m fuzz TARGET FILE…` runs the target on files."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from fuzz import LONGEST, MOST_MIB
from fuzz.targets import TARGETS


def _peak() -> int:
    """Return the most MiB that this process has had: ru_maxrss outlives exec and may be the parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) >> 10 for line in status.splitlines() if line.startswith("VmHWM"))


def replay(name: str, files: list[str]) -> int:
    """Run a target on files, without atheris; return 1 if one took too long or too much, raise what it raises."""
    failed = False
    for file in files:
        data = Path(file).read_bytes()
        begun = time.process_time()
        TARGETS[name].run(data)
        seconds = time.process_time() - begun
        mib = _peak()
        failed |= seconds > LONGEST or mib > MOST_MIB
        print(f"{file}: {seconds:.2f} s, {mib} MiB")
    return int(failed)


def main() -> int:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long to fuzz each target")
    parser.add_argument("names", nargs="*", metavar="TARGET", help=f"{', '.join(TARGETS)}; or files, after one")
    arguments = parser.parse_args()
    names = arguments.names or list(TARGETS)
    if names[0] not in TARGETS:
        parser.error(f"no target {names[0]}: {', '.join(TARGETS)}")
    if any(name not in TARGETS for name in names[1:]):
        return replay(names[0], names[1:])
    from fuzz.campaign import fuzz_all

    return fuzz_all(names, arguments.seconds)


if __name__ == "__main__":
    sys.exit(main())
