# SPDX-License-Identifier: MIT
"""How many nodes Linux reckons with: `find_possible_nodes` of arch/powerpc/mm/numa.c."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from drmemctl.check.affinity import primary
from drmemctl.check.subject import Subject
from drmemctl.check.survey import per_subject, whole
from drmemctl.formats.domains import CURRENT_DOMAINS, MAX_DOMAINS, MIGRATABLE, Domains, decode_domains
from drmemctl.model.associativity import RTAS


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
def counting_property(subject: Subject) -> DomainsProperty | None:
    """Return the one that Linux counts the nodes by: current unless the partition can migrate, else max."""
    migratable = subject.tree.root.find(MIGRATABLE) is not None
    wanted = (prop for prop in domain_properties(subject) if not (migratable and prop.name == CURRENT_DOMAINS))
    return next(wanted, None)


def counted_nodes(prop: DomainsProperty, index: int) -> int | None:
    """Return the word at the primary reference point, where Linux looks whatever the count says; None beyond."""
    word = prop.data[4 * index : 4 * index + 4]
    return int.from_bytes(word, "big") if len(word) == 4 else None


def possible_nodes(subject: Subject) -> int | None:
    """Return the number of nodes below which all are possible, or None if the tree does not tell."""
    index, prop = primary(subject), counting_property(subject)
    return None if index is None or prop is None else counted_nodes(prop, index)
