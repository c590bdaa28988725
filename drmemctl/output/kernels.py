# SPDX-License-Identifier: MIT
"""The capabilities of kernels: all, those of one, or those that two differ in; and the kernels that have names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from drmemctl.formats.plain import record
from drmemctl.kernel import plugins
from drmemctl.kernel.backports import Backport
from drmemctl.kernel.capabilities import CAPABILITIES
from drmemctl.kernel.capability import Capability, Release
from drmemctl.kernel.distributions import BY_NAME as DISTRIBUTIONS
from drmemctl.kernel.kernel_names import parse_kernel_name
from drmemctl.kernel.measured import MEASURED, READ, Measured
from drmemctl.kernel.profiles import Profile
from drmemctl.output.screen import Screen
from drmemctl.output.table import AS_IT_IS, Column, TableChoice, show_table
from drmemctl.output.text import safe
from drmemctl.wording import count_of


@dataclass(frozen=True, slots=True)
class KernelsView:
    """What to show: no kernel, one, or two to compare; and what the named ones stand for."""

    kernels: tuple[Profile, ...]
    names: Mapping[str, str]

    def shown(self) -> list[Capability]:
        """Return the capabilities concerned."""
        if not self.kernels:
            return list(CAPABILITIES)
        if len(self.kernels) == 1:
            return [capability for capability in CAPABILITIES if self.kernels[0].has(capability)]
        return [
            capability
            for capability in CAPABILITIES
            if self.kernels[0].has(capability) != self.kernels[1].has(capability)
        ]

    def settled(self) -> list[tuple[Profile, Backport]]:
        """Return what sources settle of distributions' kernels, of two only what they differ in."""
        shown = {capability.name for capability in self.shown()}
        return [
            (kernel, backport)
            for kernel in self.kernels
            if kernel.distribution
            for backport in DISTRIBUTIONS[kernel.distribution].settled(parse_kernel_name(kernel.name))
            if len(self.kernels) == 1 or backport.capability in shown
        ]

    def title(self) -> str:
        """Return what is shown, in a line."""
        number = count_of(len(self.shown()), "capability", "capabilities")
        if not self.kernels:
            whole = sum(measured_of(capability).is_whole for capability in CAPABILITIES)
            return f"{number} that kernels differ in, {whole} of them measured on both sides"
        names = [profile.name for profile in self.kernels]
        if len(names) == 1:
            return f"{names[0]} has {number}, built from {release_text(self.kernels[0].release)}"
        return f"{names[0]} and {names[1]} differ in {number}"


COLUMNS = (
    Column("capability", help="the name by which --with and --without know it"),
    Column("kernel", gives_way=1, help="which of two kernels has it; those named that have it"),
    Column("releases", gives_way=2, help="the releases of Linux that have it, stable ones too"),
    Column("changes", prose=True, help="what is different with it"),
    Column("commit", gives_way=4, help="the commit that brought it"),
    Column("source", gives_way=5, help="the file and function, or where else it is said"),
    Column("measured", gives_way=3, help="on which releases either side of it was measured; else read"),
)
_CSV = ("capability", "kernel", "releases", "changes", "commit", "source", "measured")


def show_kernels(screen: Screen, view: KernelsView, format: str, choice: TableChoice = AS_IT_IS) -> None:
    """Print the capabilities as `text` (a table where columns are chosen), `json`, `csv` or `markdown`."""
    if format == "json":
        from drmemctl.output.json import document, schema

        facts: dict[str, Any] = {
            "schema": schema("kernels"),
            "kernels": [{"name": kernel.name, "release": release_text(kernel.release)} for kernel in view.kernels],
            "capabilities": [_capability(view, capability) for capability in view.shown()],
            "names": [{"name": name, "about": about} for name, about in view.names.items()],
        }
        if settled := view.settled():
            facts["settled"] = [
                {"kernel": kernel.name, **record(backport, "capability has source")}
                for kernel, backport in settled
            ]
        screen.write(document(facts))
    elif format == "markdown":
        screen.write_all(_markdown(view))
    elif format == "csv":
        from drmemctl.output.csv import csv_lines

        screen.write_all(csv_lines(_CSV, (dict(zip(_CSV, row, strict=True)) for row in _rows(view))))
    elif choice != AS_IT_IS:
        rows = ([text or "-" for text in row] for row in _rows(view))
        show_table(screen, COLUMNS, rows, title=view.title(), choice=choice)
    else:
        _show_text(screen, view)


def _rows(view: KernelsView) -> Iterator[tuple[str, ...]]:
    """Yield the texts of each capability, one for each of `COLUMNS`."""
    for capability in view.shown():
        holders = ", ".join(kernel.name for kernel in view.kernels if kernel.has(capability))
        yield (
            *(capability.name, holders, releases(capability), capability.changes),
            *(capability.commit, capability.source, measured_text(capability)),
        )


def release_text(release: Release) -> str:
    """Return a release as people write it."""
    return "{}.{}".format(*release)


def releases(capability: Capability) -> str:
    """Return the releases that have a capability: `5.15 and later, 5.10.262`, `up to 4.19, not 4.19.85`."""
    first, last = capability.first, capability.last
    if capability.proposed:
        return "none, a proposal"
    if first is None:
        said = "all" if last is None else f"up to {release_text(last)}"
    elif last is None:
        said = f"{release_text(first)} and later"
    else:
        said = release_text(first) if first == last else f"{release_text(first)} to {release_text(last)}"
    until = [f"not {release_text(series)}.{patch}" for series, patch in capability.stable_without]
    return ", ".join([said, *(f"{release_text(series)}.{patch}" for series, patch in capability.stable), *until])


def measured_of(capability: Capability) -> Measured:
    """Return on which releases each side of a capability was measured."""
    return MEASURED.get(capability.name, READ)


def measured_text(capability: Capability) -> str:
    """Return that in words: `with it on 4.14, 4.19; without it on 5.0`, `read` where no record exercises it."""
    measured = measured_of(capability)
    if measured == READ:
        return "read"
    sides = (("with it", measured.having), ("without it", measured.lacking))
    return "; ".join(f"{side} on {', '.join(records)}" if records else f"{side} read" for side, records in sides)


def _show_text(screen: Screen, view: KernelsView) -> None:
    screen.write_text((screen.style(view.title(), "bold") + "\n",))
    for capability in view.shown():
        mark = f"{_holder(view, capability)}: " if len(view.kernels) == 2 else ""
        screen.write_text(f"{line}\n" for line in _lines(screen, capability, mark))
    if settled := view.settled():
        screen.write(screen.style("\nsettled by what distributions publish", "bold") + "\n")
        for kernel, backport in settled:
            word = "has" if backport.has else "has not"
            name = screen.style(backport.capability, "cyan")
            screen.write_text((f"  {kernel.name} {word} {name}: {backport.source}\n",))
    if not view.kernels and plugins.capabilities():
        screen.write(screen.style("\nof plugins, where --with names them", "bold") + "\n")
        screen.write_text(
            f"  {screen.style(name, 'cyan')}  {safe(capability.changes, 2000)}\n"
            for name, capability in plugins.capabilities().items()
        )
    if not view.kernels:
        screen.write(screen.style("\nkernels with names", "bold") + "\n")
        width = max(map(len, view.names))
        screen.write_text(f"  {name:{width}}  {description}\n" for name, description in view.names.items())


def _lines(screen: Screen, capability: Capability, mark: str) -> Iterator[str]:
    """Yield a capability as lines: in a table its sentence would be wrapped, or cut."""
    yield f"{mark}{screen.style(capability.name, 'cyan')}  {releases(capability)}"
    yield f"    {capability.changes}"
    where = "  ".join(part for part in (capability.commit, capability.source) if part)
    if where:
        yield "    " + screen.style(where, "dim")
    yield (
        f"    measured: {measured_text(capability)}"
        if measured_of(capability) != READ
        else "    read, not measured"
    )


def _holder(view: KernelsView, capability: Capability) -> str:
    """Return which of two kernels has a capability."""
    return next(profile.name for profile in view.kernels if profile.has(capability))


def _markdown(view: KernelsView) -> Iterator[str]:
    two = len(view.kernels) == 2
    heads = ["capability", *(("kernel",) if two else ()), "releases", "changes", "commit", "source", "measured"]
    yield f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n"
    for capability in view.shown():
        holders = [_holder(view, capability)] if two else []
        cells = [f"`{capability.name}`", *holders, releases(capability), capability.changes]
        cells += [capability.commit, capability.source, measured_text(capability)]
        yield f"| {' | '.join(cells)} |\n"
    if not view.kernels:
        yield "\n| kernel | what it is |\n|---|---|\n"
        yield from (f"| `{name}` | {description} |\n" for name, description in view.names.items())


def _measured_records(records: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"kernel": series, "record": name} for series, name in records.items()]


def _capability(view: KernelsView, capability: Capability) -> dict[str, Any]:
    return {
        "name": capability.name,
        "changes": capability.changes,
        "first": None if capability.first is None else release_text(capability.first),
        "last": None if capability.last is None or capability.proposed else release_text(capability.last),
        "stable": [f"{release_text(series)}.{patch}" for series, patch in capability.stable],
        "stable_without": [f"{release_text(series)}.{patch}" for series, patch in capability.stable_without],
        **({"proposed": True} if capability.proposed else {}),
        "commit": capability.commit or None,
        "source": capability.source or None,
        "measured": {
            "with": _measured_records(measured_of(capability).having),
            "without": _measured_records(measured_of(capability).lacking),
        },
        "kernels": [profile.name for profile in view.kernels if profile.has(capability)],
    }
