# SPDX-License-Identifier: MIT
"""One target under libFuzzer, in a process of its own: `python -m fuzz.engine TARGET [libFuzzer's arguments]`."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module
from random import Random

import atheris


def _instrumented() -> None:
    """Import all of drmemctl with coverage: modules that commands import later would have none."""
    with atheris.instrument_imports(include=["drmemctl"]):
        package = import_module("drmemctl")
        for module in pkgutil.walk_packages(package.__path__, "drmemctl."):
            if not module.name.endswith("__main__"):
                import_module(module.name)


def main() -> None:
    """Feed the target until libFuzzer's time is up or something is found."""
    _instrumented()
    from fuzz.targets import TARGETS

    target = TARGETS[sys.argv[1]]

    def changed(data: bytes, most: int, seed: int) -> bytes:
        found = target.change(data, Random(seed), atheris.Mutate)
        return atheris.Mutate(data, most) if found is None or len(found) > most else found

    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.run, custom_mutator=changed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
