# SPDX-License-Identifier: MIT
"""`capture.txt` of a capture: when it was taken, and of which host; the command and its shell script write it.

    taken: 2026-11-03T09:15:00Z
    host: lpar7.example

Of a redacted one the host is a name that stands for the partition. A line is missing where that is not known.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import NamedTuple

NAME = "capture.txt"

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z", re.ASCII)
_LARGEST = 1024
"""Bytes that are looked at: a host's name has 64 at most (__NEW_UTS_LEN), one with its domain 253."""


class Provenance(NamedTuple):
    """When a capture was taken, in seconds since 1970, and of which host; None and empty are unknown.

    The host is untrusted text.
    """

    time: int | None = None
    host: str = ""

    @property
    def text(self) -> str | None:
        """The time as `capture.txt` has it."""
        if self.time is None:
            return None
        from datetime import UTC, datetime

        return datetime.fromtimestamp(self.time, UTC).isoformat().replace("+00:00", "Z")

    def encode(self) -> bytes:
        """Return the content of `capture.txt`."""
        facts = {"taken": self.text, "host": self.host}
        return "".join(f"{name}: {value}\n" for name, value in facts.items() if value).encode()


UNKNOWN = Provenance()
"""Of an input that does not say it."""


def decode_capture_text(data: bytes) -> Provenance:
    """Return what the text says; lines that are no fact or no time say nothing."""
    lines = data[:_LARGEST].decode("utf-8", "replace").splitlines()
    facts = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    stamp, seconds = facts.get("taken", ""), None
    if _TIME.match(stamp):
        from datetime import datetime

        with suppress(ValueError):
            seconds = int(datetime.fromisoformat(stamp).timestamp())
    return Provenance(seconds, facts.get("host", ""))
