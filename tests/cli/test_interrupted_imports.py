# SPDX-License-Identifier: MIT
"""An interrupt or a termination that falls into an import, whatever Python makes of its exception there."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.cli.outputs import BOOTED
from tests.cli.running import environment
from tests.conftest import ROOT

AT_AN_IMPORT = """
import signal, sys

moment, number = int(sys.argv.pop(1)), int(sys.argv.pop(1))
imports = 0

def interrupt(event, arguments):
    global imports
    if event == "import":
        imports += 1
        if imports == moment:
            signal.raise_signal(number)

from drmemctl.cli import run
sys.addaudithook(interrupt)
run()
"""

IN_A_CLASS = """
import signal, sys

class Named:
    def __set_name__(self, owner, name):
        signal.raise_signal(signal.SIGINT)

class Finder:
    # What is raised in __set_name__ arrives as a RuntimeError, up to Python 3.11.
    def find_spec(self, name, path, target=None):
        if name == where:
            type("Owner", (), {"attribute": Named()})

where = sys.argv.pop(1)
from drmemctl.cli import run
sys.meta_path.insert(0, Finder())
run()
"""


def run(code: str, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment({}),
        check=False,
        timeout=60,
        # Whoever runs the tests in the background of a shell has SIGINT ignored, and so would we.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize("moment", [*range(1, 12), *range(12, 400, 24)])
def test_an_interrupt_at_any_import(moment: int) -> None:
    ended = run(AT_AN_IMPORT, str(moment), str(int(signal.SIGINT)), "report", BOOTED, "-o", "/dev/null")
    assert ended in ((130, "drmemctl: interrupted"), (0, ""))
    assert moment > 100 or ended[0] == 130


@pytest.mark.parametrize("moment", range(10, 300, 40))
def test_a_termination_at_any_import(moment: int) -> None:
    ended = run(AT_AN_IMPORT, str(moment), str(int(signal.SIGTERM)), "report", BOOTED, "-o", "/dev/null")
    assert ended in ((143, ""), (0, ""))


@pytest.mark.parametrize(
    "module", ["drmemctl.cli.ending", "drmemctl.output.writer", "click", "click.core", "drmemctl.cli.show", "fdt"]
)
def test_an_interrupt_that_python_turns_into_another_error(module: str) -> None:
    ended = run(IN_A_CLASS, module, "convert", BOOTED, "-o", "/dev/null", "--format", "dtb")
    assert ended == (0, "") if module == "drmemctl.cli.show" else ended == (130, "drmemctl: interrupted")
