# SPDX-License-Identifier: MIT
"""ibm,max-associativity-domains and ibm,current-associativity-domains."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.affinity import counted_by, domain_properties, possible_nodes, primary
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.kernels import WITH_CURRENT_DOMAINS
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.formats.domains import CURRENT_DOMAINS, MAX_DOMAINS
from drmemctl.model.associativity import MAX_NODES, RTAS


@rule(
    "DRM040",
    Severity.ERROR,
    "number of nodes that Linux cannot count",
    needs=("after-cas",),
    kernels=WITH_CURRENT_DOMAINS,
    references=(
        "Linux arch/powerpc/mm/numa.c find_possible_nodes",
        "Linux 67df77845c18 (5.10): current domains first, read without a check of the length",
        "Linux 9c7248bb8de3 (5.15): max domains where the partition is migratable",
        "LoPAR 2.9, Maximum and Current Associativity Domains",
    ),
)
def uncountable_nodes(subject: Subject) -> Iterator[Violation]:
    """Look for a domains property that ends before the primary reference point, or counts over 256 nodes there.

    Why:
        Linux takes the word at the primary reference point for the number of possible nodes and sets a bit for
        each. It checks neither that the property reaches so far nor that there are bits for so many: it has 256.

    Example:
        ibm,max-associativity-domains 00000001 00000002 with ibm,associativity-reference-points 00000004: the
        property ends before its fourth count. Or 00000001 00001000: 4,096 nodes.

    Kernel:
        5.10 and later, of ibm,current-associativity-domains or, without it (5.15: or with
        ibm,migratable-partition), of ibm,max-associativity-domains: a missing count is whatever lies in memory
        behind the property, a large one sets bits far behind the map of nodes, in other kernel data. The last
        message is "Partition configured for … NUMA nodes.". Whether they come up then depends on what lies there,
        which is not known; `simulate` lets them.

    Fix:
        Report it, with the tree, to whoever makes the firmware. To boot all the same, add numa=off to the
        kernel's command line.
    """
    index, prop = primary(subject), counted_by(subject)
    if index is None or prop is None:
        return
    number = possible_nodes(subject)
    if number is None:
        there = len(prop.data) // 4
        message = f"Linux takes word {index} for the number of nodes, there are {there}: it reads behind the end"
        yield Violation(message, RTAS, prop.name, len(prop.data))
    elif number > MAX_NODES:
        message = f"{number:,} nodes at reference point {index}, and Linux has room for {MAX_NODES}"
        yield Violation(f"{message}: it overwrites what is behind", RTAS, prop.name, 4 * index)


@rule(
    "DRM041",
    Severity.WARNING,
    "current and maximum domains that disagree",
    references=(
        "LoPAR 2.9, Maximum and Current Associativity Domains",
        "Linux arch/powerpc/mm/numa.c find_possible_nodes; 9c7248bb8de3 (5.15)",
    ),
)
def contradicting_domains(subject: Subject) -> Iterator[Violation]:
    """Look for counts of levels that do not fit the length, and for more current domains than there can be.

    Why:
        The two properties say for each level of the lists how many domains there are now, and how many there can
        be on any machine that the partition may move to. Linux counts its nodes by one of them; with a wrong one
        nodes are missing when memory is hot-added there later (see DRM039).

    Example:
        ibm,max-associativity-domains 00000001 00000002 with ibm,current-associativity-domains 00000001 00000004.

    Kernel:
        All kernels since 5.10 believe one property without a look at the other: 5.10 to 5.14 the current one,
        5.15 and later the maximum if the partition is migratable.

    Fix:
        Report it, with the tree, to whoever makes the firmware; after a migration, to that of the machine that
        the partition came to.
    """
    by_name = {prop.name: prop.domains for prop in domain_properties(subject)}
    for name, domains in by_name.items():
        for defect in domains.defects:
            yield Violation(defect.message, RTAS, name, defect.offset)
    if len(by_name) < 2:
        return
    current, maximum = by_name[CURRENT_DOMAINS], by_name[MAX_DOMAINS]
    if current.declared != maximum.declared:
        message = f"{current.declared} levels, and {MAX_DOMAINS} has {maximum.declared}"
        yield Violation(message, RTAS, CURRENT_DOMAINS, 0)
    pairs = enumerate(zip(current.counts, maximum.counts, strict=False), 1)
    over = [(level, number, most) for level, (number, most) in pairs if number > most]
    if over:
        level, number, most = over[0]
        more = f" (and {len(over) - 1:,} more levels)" if len(over) > 1 else ""
        message = (
            f"{number:,} domains at level {level} now, and at most {most:,} ever{more}: nodes may not be possible"
        )
        yield Violation(message, RTAS, CURRENT_DOMAINS, 4 * level)
