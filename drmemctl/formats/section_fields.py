# SPDX-License-Identifier: MIT
"""The sections of an RTAS event that say where it is from: PH, UH, and EP, the power warning.

Source: LoPAR 2.9, "Platform Event Log Format, Version 6"; QEMU hw/ppc/spapr_events.c `rtas_event_log_v6_maina`,
`rtas_event_log_v6_mainb`, `rtas_event_log_v6_epow`; Linux arch/powerpc/platforms/pseries/ras.c `epow_errorlog`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from construct import Bytes, Int8ub, Int16ub, Int32ub, Int64ub, Struct

from drmemctl.formats.fields import Field, preview

MAIN_A = Struct(
    "date" / Int32ub,
    "time" / Int32ub,
    "platform_data1" / Bytes(8),
    "creator_id" / Int8ub,
    "reserved1" / Bytes(2),
    "section_count" / Int8ub,
    "reserved2" / Bytes(4),
    "platform_data2" / Bytes(8),
    "log_id" / Int32ub,
    "platform_data3" / Bytes(4),
)
MAIN_B = Struct(
    "subsystem" / Int8ub,
    "platform_data1" / Int8ub,
    "event_severity" / Int8ub,
    "event_subtype" / Int8ub,
    "platform_data2" / Bytes(4),
    "reserved1" / Bytes(2),
    "action_flags" / Int16ub,
    "reserved2" / Bytes(4),
)
POWER_WARNING = Struct(
    "action" / Int8ub,
    "event_modifier" / Int8ub,
    "extended_modifier" / Int8ub,
    "reserved" / Int8ub,
    "reason" / Int64ub,
)

EPOW_ACTIONS = (
    "reset",
    "warn of cooling",
    "warn of power",
    "shut the system down",
    "halt the system",
    "main enclosure",
    "not known",
    "power off",
)
_MODIFIERS = {1: "normal", 2: "on a UPS", 3: "critical functions only", 4: "temperature"}
_CREATORS = {"C": "hardware console", "E": "service processor", "H": "hypervisor", "L": "partition firmware"}


def _date(value: int) -> str:
    digits = f"{value:08x}"
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def _time(value: int) -> str:
    digits = f"{value:08x}"
    return f"{digits[:2]}:{digits[2:4]}:{digits[4:6]}"


def _creator(value: int) -> str:
    letter = chr(value) if 32 < value < 127 else ""
    return f"{value:#04x}" + (f", {letter}: {_CREATORS.get(letter, 'not known')}" if letter else "")


def _epow_action(value: int) -> str:
    # Linux takes the lower four bits (`rtas_parse_epow_errlog`).
    code = value & 0xF
    return f"{value}, {EPOW_ACTIONS[code] if code < len(EPOW_ACTIONS) else 'not known'}"


_TEXTS: dict[str, Callable[[int], str]] = {
    "date": _date,
    "time": _time,
    "creator_id": _creator,
    "section_count": str,
    "log_id": hex,
    "subsystem": lambda value: f"{value:#04x}{', external environment' if value == 0x80 else ''}",
    "event_severity": lambda value: f"{value:#04x}{', informational' if value == 0 else ''}",
    "event_subtype": lambda value: f"{value:#04x}",
    "action_flags": lambda value: f"{value:#06x}",
    "action": _epow_action,
    "event_modifier": lambda value: f"{value}, {_MODIFIERS.get(value, 'not known')}",
    "extended_modifier": lambda value: f"{value}, {('whole system', 'this partition')[value & 1]}",
    "reason": hex,
}
"""What is shown of a section; of its other fields nothing is known."""

_LAYOUTS: dict[str, Any] = {"PH": MAIN_A, "UH": MAIN_B, "EP": POWER_WARNING}


def section_fields(name: str, at: int, body: bytes) -> Iterator[Field]:
    """Yield the fields of a section's body that begins at byte `at`; of an unknown one, its first bytes."""
    layout = _LAYOUTS.get(name)
    if layout is None or len(body) < layout.sizeof():
        if body:
            yield Field(at, len(body), f"{name}.data", None, preview(body))
        return
    values = layout.parse(body[: layout.sizeof()])
    for part in layout.subcons:
        text_of = _TEXTS.get(part.name)
        if text_of is not None:
            value = int(values[part.name])
            yield Field(at, part.sizeof(), f"{name}.{part.name}", value, text_of(value))
        at += part.sizeof()
