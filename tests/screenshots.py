# SPDX-License-Identifier: MIT
"""The pictures of a report in the documents: `python -m tests.screenshots docs/images`, which needs Chromium."""

from __future__ import annotations

import base64
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

from benchmarks.make_trees import build
from tests.browser import Browser
from tests.cli.running import run
from tests.conftest import FIXTURES

WIDTH = 1200


def main(folder: Path) -> None:
    """Write the pictures."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        browser = Browser(scratch / "profile")
        _findings(browser, scratch / "findings.html", folder / "report.png")
        _map(browser, scratch / "map.html", folder / "report-map.png")
        browser.driver.quit()


def _findings(browser: Browser, page: Path, picture: Path) -> None:
    # The page names its input as it was given: not by where this checkout happens to be.
    with chdir(FIXTURES.parent):
        run("report", "fixtures/captures/7.2-vectors-2.dtb.gz", "-o", page, "--title", "Partition lpar42")
    browser.open(page, WIDTH, height=1180)
    _take(browser, picture)


def _map(browser: Browser, page: Path, picture: Path) -> None:
    from selenium.webdriver import ActionChains

    tree = page.with_suffix(".dtb")
    tree.write_bytes(build(4096, "bare"))
    run("report", tree, "-o", page)
    browser.open(page, WIDTH, height=900)
    browser.run("document.getElementById('address-space').scrollIntoView()")
    bar = browser.driver.find_element("css selector", "#map g.bar.n4 rect")
    ActionChains(browser.driver).move_to_element(bar).perform()
    _take(browser, picture)


def _take(browser: Browser, picture: Path) -> None:
    picture.write_bytes(base64.b64decode(browser.command("Page.captureScreenshot")["data"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
