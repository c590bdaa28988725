# SPDX-License-Identifier: MIT
"""A real Chromium without a window, in which tests open pages; skipped with the reason where there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = (
    "--headless",
    "--no-sandbox",  # Chromium has none for root
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=LocalNetworkAccessChecks",  # the tests listen on this machine for what a page asks for
)
OWN_PAGES = ("chrome:", "chrome-untrusted:", "chrome-extension:", "devtools:")
"""How the addresses of the browser's own pages begin, such as that of a new tab."""


class Browser:
    """A browser with one page; `LookupError` where it is not installed.

    Attributes:
        driver: selenium's.

    """

    def __init__(self, profile: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = _program("chromium", "chromium-browser")
        for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(_program("chromedriver")))
        self.driver.set_page_load_timeout(120)
        self.driver.get("about:blank")  # a new tab goes on loading parts of itself

    def open(
        self, page: Path, width: int = 1600, *, height: int = 1000, dark: bool = False, scripts: bool = True
    ) -> None:
        """Open a page anew, in a window of so many pixels."""
        self.command("Emulation.setScriptExecutionDisabled", value=not scripts)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])
        self._set_size(width, height)
        self.console()
        self.requests()
        self.driver.get(page.as_uri())

    def resize(self, width: int, height: int = 1000) -> None:
        """Make the window larger or smaller, and let the page draw itself anew."""
        self._set_size(width, height)
        self.driver.execute_async_script(
            "const [done] = arguments; requestAnimationFrame(() => requestAnimationFrame(done))"
        )

    def _set_size(self, width: int, height: int) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def command(self, name: str, **parameters: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a function in the page and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def console(self) -> list[str]:
        """Return what the page said to the console since the last time."""
        return [entry["message"] for entry in self._log("browser")]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return entries

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the last time, but by the browser's own pages."""
        events = (json.loads(entry["message"])["message"] for entry in self._log("performance"))
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [event["request"]["url"] for event in sent if not event["documentURL"].startswith(OWN_PAGES)]


def _program(*names: str) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise LookupError(f"{names[0]} is not installed (packages chromium and chromium-driver)")
    return found


def started(profile: Path) -> Iterator[Browser]:
    """Yield a browser and end it."""
    pytest.importorskip("selenium", reason="selenium is not installed")
    try:
        browser = Browser(profile)
    except LookupError as error:
        pytest.skip(str(error))
    yield browser
    browser.driver.quit()
