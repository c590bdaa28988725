# SPDX-License-Identifier: MIT
"""Which node the properties of an lsprop text belong to: by the paths it shows, else by what they are."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from drmemctl.formats.registry import HOMES
from drmemctl.tree.builder import shown

Names = tuple[str, ...]
"""A path in the tree: the names of the nodes from the root on, without the root."""

_ROOT_NODES = {*HOMES.values(), "cpus", "options", "aliases", "vdevice", "event-sources"}
_ROOT_PROPERTIES = {"#address-cells", "#size-cells", "model", "compatible", "device_type"}


@dataclass(frozen=True, slots=True)
class PrintedPlace:
    """Where one run of lsprop started.

    Attributes:
        names: the node.
        base: the path as printed, which paths of further nodes begin with.
        inferred: the node follows from the properties, no path says it.
        mixed: properties without a path belong to different nodes, each to that which its name says.

    """

    names: Names = ()
    base: str = ""
    inferred: bool = False
    mixed: bool = False

    @property
    def shown(self) -> str:
        """The node's path, printable."""
        return "/" + "/".join(map(shown, self.names))

    def home(self, name: str) -> Names:
        """Return the node of a property that was printed without a path."""
        return (HOMES[name],) if self.mixed and name in HOMES else self.names

    def below(self, path: str) -> Names:
        """Return the node of a path that stands over the properties of a further node."""
        names = _below_root(path)
        if names is not None:
            return names
        inner = path.removeprefix(self.base) if self.base else path
        return (*self.names, *_parts(inner))


def place_of(path: str | None, next_path: str | None, properties: Mapping[str, Sequence[str]]) -> PrintedPlace:
    """Return where a run started.

    `path` is the argument of lsprop if the text shows it, `next_path` that of the first node below (-R prints
    it), `properties` those printed before that, each with the lines of its value.
    """
    base = posixpath.dirname(next_path) if next_path else path or ""
    for folder in (path, base or None):
        if folder is not None and (names := _below_root(folder)) is not None:
            return PrintedPlace(names, base)
    last = _parts(path or "")[-1:]
    if last and last[0] in _ROOT_NODES:
        return PrintedPlace(last, base)
    if next_path is not None and not _ROOT_PROPERTIES.isdisjoint(properties):
        return PrintedPlace((), base)
    return _infer(base, properties)


def is_heading(path: str, properties: Iterable[str]) -> bool:
    """Whether `path:` is a person's heading and no node: a single word over properties of another node."""
    homes = _homes(properties)
    return "/" not in path and bool(homes) and path not in homes


def _homes(properties: Iterable[str]) -> set[str]:
    """Return the nodes in which alone some of the properties stand."""
    return {HOMES[name] for name in properties if name in HOMES}


def _infer(base: str, properties: Mapping[str, Sequence[str]]) -> PrintedPlace:
    own_name = "".join(properties.get("name", ())).strip(' \t"')
    if own_name in _ROOT_NODES:
        return PrintedPlace((own_name,), base, inferred=True)
    homes = _homes(properties)
    if len(homes) == 1 and {"model", "#address-cells"}.isdisjoint(properties):
        return PrintedPlace((homes.pop(),), base, inferred=True)
    return PrintedPlace((), base, inferred=bool(homes), mixed=True)


def split_name(name: str) -> tuple[Names | None, str]:
    """Return the node (None if not said) and the name of a property that was printed with its path."""
    folder, slash, own = name.rpartition("/")
    if not slash or not own:
        return None, name
    names = _below_root(folder)
    if names is None:
        last = _parts(folder)[-1:]
        names = last if last and last[0] in _ROOT_NODES else None
    return names, own


def _below_root(path: str) -> Names | None:
    """Return what follows the place of the device tree in a path; None if it is not in there."""
    parts = _parts(path)
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] == "device-tree" or parts[index - 1 : index + 1] == ("devicetree", "base"):
            return parts[index + 1 :]
    return None


def _parts(path: str) -> Names:
    names: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del names[-1:]
        elif part not in {"", "."}:
            names.append(part)
    return tuple(names)
