# SPDX-License-Identifier: MIT
"""What a report adds to findings, besides what their rules say: where in a text, about which bytes, what helps."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial
from hashlib import sha256

from drmemctl.check.finding import Finding
from drmemctl.check.fixes import fix_of
from drmemctl.check.subject import Subject
from drmemctl.formats.strings import to_bytes
from drmemctl.tree.node import Node, Tree


def complete(findings: Iterable[Finding], subject: Subject) -> tuple[Finding, ...]:
    """Return findings of a state with the digest of what they are about, their place in a text, and a remedy."""
    findings = tuple(findings)
    tree = subject.tree
    digest_of = cache(partial(_digest, tree))
    places = tree.places_of({(finding.path, finding.property) for finding in findings})
    completed = []
    for finding in findings:
        key = (finding.path, finding.property)
        line, column = places.get(key, (0, 0))
        completed.append(
            finding._replace(content=digest_of(*key), line=line, column=column, fix=fix_of(finding, subject))
        )
    return tuple(completed)


def _digest(tree: Tree, path: str, name: str) -> str:
    """Return a digest of a property; of its node, if the property is not there, or of the tree without that."""
    node = tree.find(path) if path else None
    prop = None if node is None or not name else node.find(name)
    digest = sha256()
    if prop is not None:
        digest.update(prop.value)
    elif node is not None:
        digest.update(_node_bytes(node))
    else:
        for node_path, any_node in tree.walk():
            digest.update(to_bytes(node_path) + b"\0" + _node_bytes(any_node))
    return digest.hexdigest()[:16]


def _node_bytes(node: Node) -> bytes:
    parts = ((to_bytes(prop.name), b"%x" % len(prop.value), prop.value) for prop in node.properties)
    return b"\0".join(part for parts_of_prop in parts for part in parts_of_prop)
