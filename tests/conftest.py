# SPDX-License-Identifier: MIT
"""What all tests share: the bundled files, and the tools of the device-tree-compiler as oracles."""

from __future__ import annotations

import gc
import gzip
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.wide import once

# A slow or busy machine must not fail a property; in CI the examples are the same in every run.
settings.register_profile(
    "drmemctl",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("drmemctl")

# Immutable values by the million leave the collector of cycles nothing to find: it takes a tenth of the time.
gc.set_threshold(100_000, 50, 100)

ROOT = Path(__file__).resolve().parent.parent
"""The top of the checkout."""

FIXTURES = ROOT / "fixtures"
"""The bundled files; their README says where each is from."""

WITHOUT_LMBS = frozenset({"trees/precas", "trees/nomaxmem", "nodes/6.1-no-lmbs", "nodes/6.12-no-lmbs"})
"""Bundled trees without a drmem node."""


COUNTED = (
    *("api", "check", "formats", "hypervisor", "kernel", "memory", "simulate", "tree"),
    *("cli/test_capture", "cli/test_dump"),
)
"""How paths of tests begin whose layers are held to a share of branches, or that run through these layers."""

NOT_COUNTED = (
    *("check/test_fixtures", "check/test_hostile", "check/test_live", "cli/test_dump_commands"),
    *("formats/test_dynamic_memory", "formats/test_registry", "kernel/test_alike"),
    *("simulate/interleave/test_deadline", "simulate/interleave/test_engine", "simulate/interleave/test_search"),
    *("simulate/test_delivered", "simulate/test_findings", "simulate/test_invariants", "simulate/test_measured"),
    *("simulate/test_state_changes", "tree/test_fdt_reader_fuzz"),
)
"""Those of them that take long and go over the same branches again, with other values."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose what is run here, and where `make coverage` counts branches: counting doubles a test's time."""
    marked = [item for item in items if item.get_closest_marker("one_python")]
    elsewhere = set(marked) - set(once(marked))
    config.hook.pytest_deselected(items=list(elsewhere))
    items[:] = [item for item in items if item not in elsewhere]
    for item in items:
        path = item.path.relative_to(ROOT / "tests").as_posix()
        if not path.startswith(COUNTED) or path.startswith(NOT_COUNTED):
            item.add_marker(pytest.mark.no_cover)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not tested on this machine, and why: one line for each reason."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.stats.get("skipped", ())
    )
    if reasons:
        terminalreporter.section("not tested here")
    for reason, tests in reasons.most_common():
        terminalreporter.write_line(f"{tests} test{'s' * (tests > 1)}: {reason}")


def fixture_trees(folder: str = "") -> list[Path]:
    """Return every bundled flattened tree, of one folder where it is named, sorted."""
    found = sorted((FIXTURES / folder).rglob("*.dtb.gz"))
    assert found, f"no trees under {FIXTURES / folder}"
    return found


def tree_name(path: Path) -> str:
    """Return how a bundled file is called in tests: `captures/6.1-lpm`."""
    return path.relative_to(FIXTURES).as_posix().removesuffix(".dtb.gz")


@cache
def gunzip(path: Path) -> bytes:
    """Return the decompressed content of a `.gz` file."""
    with gzip.open(path) as stream:
        return stream.read()


def blob(name: str) -> bytes:
    """Return the flattened tree called `name`, e.g. `captures/6.1-lpm`."""
    return gunzip(FIXTURES / f"{name}.dtb.gz")


@dataclass(frozen=True)
class Tool:
    """An installed program."""

    path: str

    def __call__(self, *arguments: str | Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run it to its end, whatever its exit code; no output is interpreted."""
        return subprocess.run(
            [self.path, *map(str, arguments)], input=stdin, capture_output=True, check=False, timeout=120
        )


def _tool(name: str) -> Tool:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (package device-tree-compiler)")
    return Tool(path)


@pytest.fixture(scope="session")
def dtc() -> Tool:
    return _tool("dtc")


@pytest.fixture(scope="session")
def fdtget() -> Tool:
    return _tool("fdtget")


@pytest.fixture(scope="session")
def fdtdump() -> Tool:
    return _tool("fdtdump")


def libfdt_or_skip() -> Any:
    """Return the binding of libfdt, which needs a C compiler to install; skip the test without it."""
    return pytest.importorskip("libfdt", reason="pylibfdt is not installed (it needs a C compiler)")


@pytest.fixture(scope="session")
def libfdt() -> Any:
    return libfdt_or_skip()


@pytest.fixture(scope="session")
def dtb_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives a bundled tree, e.g. `captures/6.1-lpm`, as an uncompressed file."""
    folder = tmp_path_factory.mktemp("dtb")

    def written(name: str) -> Path:
        path = folder / (name.replace("/", "-") + ".dtb")
        if not path.exists():
            path.write_bytes(blob(name))
        return path

    return written
