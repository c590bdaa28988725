# SPDX-License-Identifier: MIT
"""RTAS answers of a file, decoded and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drmemctl.check.engine import Judge, Plan
from drmemctl.check.finding import Finding
from drmemctl.check.stream.answers import RtasStream
from drmemctl.formats.rtas_input import Answer
from drmemctl.kernel.profiles import Profile
from drmemctl.notebook import short_repr


@dataclass(frozen=True, slots=True)
class Decoding:
    """RTAS answers and what is wrong with them.

    Attributes:
        kind: the kind that was asked for.
        stream: the answers and the names behind their numbers.
        findings: what the rules say of them, the worst first.

    """

    kind: str
    stream: RtasStream
    findings: Sequence[Finding]

    __repr__ = short_repr

    @classmethod
    def of(cls, kind: str, stream: RtasStream, kernel: Profile | None) -> Decoding:
        """Judge answers by the rules about a kernel, or about any."""
        return cls(kind, stream, Judge(Plan(kernel=kernel)).findings(stream))

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The answers, each with its `value`: a dataclass with what its bytes hold."""
        return self.stream.answers
