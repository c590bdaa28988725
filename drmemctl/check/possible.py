# SPDX-License-Identifier: MIT
"""How many nodes Linux reckons with: `find_possible_nodes` of arch/powerpc/mm/numa.c."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from drmemctl.check.affinity import primary
from drmemctl.check.subject import Subject
from drmemctl.check.survey import per_subject, whole
from drmemctl.formats.domains import CURRENT_DOMAINS, MAX_DOMAINS, Domains, decode_domains
from drmemctl.model import numa
from drmemctl.model.associativity import NEWEST, RTAS
from drmemctl.model.numa import counting_property


class DomainsProperty(NamedTuple):
    """One of the two properties that are there: its name, its bytes and what they say."""

    name: str
    data: bytes
    domains: Domains


def domain_properties(subject: Subject) -> Iterator[DomainsProperty]:
    """Yield current and maximum domains, as far as the tree shows them whole."""
    rtas = subject.tree.find(RTAS)
    for name in (CURRENT_DOMAINS, MAX_DOMAINS):
        data = whole(rtas, name)
        if data is not None:
            yield DomainsProperty(name, data, decode_domains(data))


@per_subject
def counted_by(subject: Subject) -> DomainsProperty | None:
    """Return the property that Linux counts the nodes by; None where the tree does not show all of it."""
    name = counting_property(subject.tree)
    return next((prop for prop in domain_properties(subject) if prop.name == name), None)


def possible_nodes(subject: Subject) -> int | None:
    """Return the number of nodes below which all are possible, or None if the tree does not tell."""
    if counted_by(subject) is None:
        return None
    possible, _ = numa.possible_nodes(subject.tree, primary(subject), NEWEST)
    return None if possible is None else possible.count
