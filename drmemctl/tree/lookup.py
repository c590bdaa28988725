# SPDX-License-Identifier: MIT
"""Finding what a user names in a tree, and saying what is near when it is not there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from drmemctl.errors import InputError, NotInTreeError
from drmemctl.tree.node import Node, Tree, decode_name, encode_name
from drmemctl.wording import did_you_mean, nearest

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Place:
    """A node and where it is.

    Attributes:
        path: its path in full, unit addresses included.
        node: the node.
        property: the name of the property asked for; None for the node as a whole.

    """

    path: str
    node: Node
    property: str | None = None


def find_node(tree: Tree, path: str) -> Place:
    """Return the node at a path, in which parts may leave their unit address out; or raise `NotInTreeError`."""
    place = Place("/", tree.root)
    for name in filter(None, _as_in_tree(path).split("/")):
        child = place.node.child(name)
        if child is None:
            raise _no_node(tree, path, place, name)
        place = Place(f"{place.path.rstrip('/')}/{child.name}", child)
    return place


def find_property(tree: Tree, path: str, name: str | None = None) -> Place:
    """Return the node at a path, and of its properties `name`, or the one that the path itself ends in.

    `/rtas` `ibm,lrdr-capacity` and `/rtas:ibm,lrdr-capacity` are the same. Raises `NotInTreeError`.
    """
    name = None if name is None else _as_in_tree(name)
    if name is None and tree.find(_as_in_tree(path)) is None:
        path, name = _split(tree, path)
    place = find_node(tree, path)
    if name is not None and place.node.find(name) is None:
        raise _no_property(tree, place, name)
    return Place(place.path, place.node, name)


def whole_value(tree: Tree, place: Place) -> tuple[bytes, int]:
    """Return the value of the place's property, and how many more of that name there are.

    Raises `InputError` where the source shows only the beginning of it.
    """
    properties = [prop for prop in place.node.properties if prop.name == place.property]
    first = properties[0]
    if first.is_cut:
        raise InputError(
            f"only {len(first.value):,} of {first.total:,} bytes of the value are known",
            source=tree.source,
            path=place.path,
            property=first.name,
            hint="take the tree from /proc/device-tree, or give lsprop -m a larger number",
        )
    return first.value, len(properties) - 1


def _as_in_tree(text: str) -> str:
    """Return what a user typed as the readers hold it: bytes beyond ASCII one by one."""
    try:
        return decode_name(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        # A surrogate that stands for no byte: nothing that a shell passes.
        return decode_name(encode_name(text))


def _split(tree: Tree, path: str) -> tuple[str, str | None]:
    """Return path and property of `PATH:PROPERTY`; either may have colons, the node that is there decides."""
    path = _as_in_tree(path)
    split: tuple[str, str | None] = (path, None)
    for at in (at for at, char in enumerate(path) if char == ":" and at > path.rfind("/")):
        node = tree.find(path[:at])
        if node is not None:
            split = path[:at], path[at + 1 :]
            if node.find(path[at + 1 :]) is not None:
                break
    return split


def _no_node(tree: Tree, path: str, parent: Place, name: str) -> NotInTreeError:
    near = nearest(name, (child.name for child in parent.node.children))
    prefix = parent.path.rstrip("/") + "/"
    paths = [prefix + child for child in near]
    if not paths:
        # Nodes of that name, with or without its unit address, anywhere in the tree.
        elsewhere = (place for place, node in tree.walk() if name in (node.name, node.base_name))
        paths = list(islice(elsewhere, _NAMED))
    message = f"no node {path}"
    if parent.path != "/":
        message += f": {parent.path} has no {name}"
    return NotInTreeError(message, source=tree.source, hint=did_you_mean(paths) or "see `drmemctl tree`")


def _no_property(tree: Tree, place: Place, name: str) -> NotInTreeError:
    names = nearest(name, (prop.name for prop in place.node.properties))
    if not names:
        having = (path for path, node in tree.walk() if node.find(name) is not None)
        names = [f"{path}:{name}" for path in islice(having, _NAMED)]
    from shlex import quote

    hint = did_you_mean(names) or f"see `drmemctl prop TREE {quote(place.path)}`"
    return NotInTreeError(f"no property {name}", source=tree.source, path=place.path, hint=hint)
