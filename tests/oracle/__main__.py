# SPDX-License-Identifier: MIT
"""`make oracle`: real kernels in real guests, against what drmemctl says and against the bundled records."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from drmemctl.qualify.monitor import OracleError
from tests.oracle import CACHE, dumps, kdump, plugged, second_reader
from tests.oracle.packages import GuestPackages, install
from tests.oracle.regenerate import Regenerated, names, regenerated, replace_fixtures

SERIES = "6.1"
"""The kernel that captures itself, and whose records are made where no others are asked for."""


def options(arguments: list[str]) -> argparse.Namespace:
    """Return what the user asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--only", default=f"{SERIES}-*", metavar="PATTERN", help="records, such as '7.2-*' or '*'")
    parser.add_argument("--kernel", type=Path, metavar="VMLINUX", help="a kernel of your own for these records")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where captures and records go")
    parser.add_argument("--drgn", action="store_true", help="read the dump by drgn as well: 700 MB more")
    parser.add_argument("--write", action="store_true", help="put the new records in the place of the bundled")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run the oracle; 1 if anything is not as it should be."""
    asked = options(arguments)
    chosen = names(asked.only)
    if not chosen or (asked.kernel is not None and not asked.kernel.is_file()):
        print(f"no record is called {asked.only}" if not chosen else f"{asked.kernel}: no such file")
        return 2
    top = asked.out or Path(tempfile.mkdtemp(prefix="drmemctl-oracle-"))
    try:
        install()
        packages = GuestPackages(CACHE)
        wrong = _plugged(asked.kernel, packages, top, drgn=asked.drgn)
    except OracleError as error:
        print(f"oracle: {error}")
        return 1
    made = list(regenerated(chosen, packages, asked.kernel, top))
    return _end(made, wrong, top, write=asked.write)


def _plugged(kernel: Path | None, packages: GuestPackages, top: Path, *, drgn: bool) -> list[str]:
    image = kernel or packages.kernel(SERIES)
    if image is None:
        raise OracleError(f"Debian has no {SERIES} for ppc64el now; name a kernel with KERNEL=path/to/vmlinux")
    print("capture, plug, capture: ", end="", flush=True)
    wrong = _told(plugged.judge(*plugged.captures(image, packages, top / "plug")))
    print("plug, update, dump: ", end="", flush=True)
    run = dumps.dumped(image, packages, top / "dump")
    wrong += _told(dumps.judge(run))
    if drgn:
        print("the dump by drgn: ", end="", flush=True)
        wrong += _told(second_reader.judge(run.memories["core"], packages))
    print("plug, update, crash: ", end="", flush=True)
    return wrong + _told(dumps.judge(kdump.dumped(image, packages, top / "kdump")))


def _told(wrong: list[str]) -> list[str]:
    print("\n    ".join(["not as it should be", *wrong]) if wrong else "as it should be", flush=True)
    return wrong


def _end(made: list[Regenerated], wrong: list[str], top: Path, *, write: bool) -> int:
    missing = [one.name for one in made if one.failure]
    mistaken = [one.name for one in made if one.wrong]
    print(f"{len(made) - len(missing)} of {len(made)} records made; all is in {top}")
    if mistaken:
        print(f"the simulation is wrong about {', '.join(mistaken)}")
    if write and missing:
        print(f"nothing was replaced, since these were not made: {', '.join(missing)}")
    elif write:
        replace_fixtures([one.name for one in made], top)
        print("they are in fixtures/ now: look at the difference before you commit it")
    return 1 if wrong or missing or mistaken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
