# SPDX-License-Identifier: MIT
"""`rtas`: a call to firmware about an LMB's connector, as the guest would make it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Partition, Step, StepResult
from drmemctl.simulate.step_words import DRC, StepWords

_SENSOR, _INDICATORS = 9003, (9001, 9003)
"""dr-entity-sense; isolation-state and allocation-state (LoPAR, RTAS sensors and indicators)."""


@dataclass(frozen=True, slots=True)
class Rtas(Step):
    """A call.

    Attributes:
        call: `get-sensor`, `set-indicator` or `configure-connector`.
        drc_index: the connector's.
        token: the sensor or indicator.
        value: what an indicator is set to.

    """

    call: str
    drc_index: int
    token: int = 0
    value: int = 0

    completions: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("get-sensor", "set-indicator", "configure-connector"),
        ("9003", "9001", DRC),
        (DRC,),
        ("0", "1"),
    )

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step."""
        call = words.keyword("get-sensor", "set-indicator", "configure-connector")
        if call == "configure-connector":
            return cls(words.text, call, words.drc_index())
        if call == "get-sensor":
            token = words.number("the sensor 9003")
            if token != _SENSOR:
                raise words.error("the sensor 9003", back=1)
            return cls(words.text, call, words.drc_index(), token)
        token = words.number("the indicator 9001 or 9003")
        if token not in _INDICATORS:
            raise words.error("the indicator 9001 or 9003", back=1)
        return cls(words.text, call, words.drc_index(), token, words.number("its new value"))

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result with the words that the call returned, the status first."""
        del files
        machine = partition.machine
        answer: tuple[int, ...]
        if self.call == "get-sensor":
            answer, machine = machine.get_sensor(self.token, self.drc_index)
        elif self.call == "set-indicator":
            status, machine = machine.set_indicator(self.token, self.drc_index, self.value)
            answer = (status,)
        else:
            connector, machine = machine.configure_connector(self.drc_index)
            answer = (connector.status,)
        after = replace(partition, machine=machine)
        return StepResult(self, partition, after, ok=answer[0] == 0, answer=answer)
