# SPDX-License-Identifier: MIT
"""The sections of an RTAS event that say where it is from: PH, UH, and EP, the power warning.

Source: LoPAR 2.9, "Platform Event Log Format, Version 6"; QEMU hw/ppc/spapr_events.c `rtas_event_log_v6_maina`,
`rtas_event_log_v6_mainb`, `rtas_event_log_v6_epow`; Linux arch/powerpc/platforms/pseries/ras.c `epow_errorlog`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from drmemctl.formats.fields import Field, preview
from drmemctl.formats.rows import Rows

_LAYOUTS = {
    "PH": Rows(
        date=32,
        time=32,
        platform_data1=64,
        creator_id=8,
        reserved1=16,
        section_count=8,
        reserved2=32,
        platform_data2=64,
        log_id=32,
        platform_data3=32,
    ),
    "UH": Rows(
        subsystem=8,
        platform_data1=8,
        event_severity=8,
        event_subtype=8,
        platform_data2=32,
        reserved1=16,
        action_flags=16,
        reserved2=32,
    ),
    "EP": Rows(action=8, event_modifier=8, extended_modifier=8, reserved=8, reason=64),
}
"""The bodies of sections, by their names."""

_EPOW_ACTIONS = (
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
    return f"{value}, {_EPOW_ACTIONS[code] if code < len(_EPOW_ACTIONS) else 'not known'}"


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


def section_fields(name: str, at: int, body: bytes) -> Iterator[Field]:
    """Yield the fields of a section's body that begins at byte `at`; of an unknown one, its first bytes."""
    layout = _LAYOUTS.get(name)
    if layout is None or len(body) < layout.size:
        if body:
            yield Field(at, len(body), f"{name}.data", None, preview(body))
        return
    for (part, bits), value in zip(layout.bits.items(), layout.unpack_one(body, 0), strict=True):
        if part in _TEXTS:
            yield Field(at, bits // 8, f"{name}.{part}", value, _TEXTS[part](value))
        at += bits // 8
