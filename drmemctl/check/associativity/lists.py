# SPDX-License-Identifier: MIT
"""The associativity lists of nodes against those of LMBs."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.affinity import OwnList, cpu_lists, memory_lists, whole_lookup
from drmemctl.check.bounds import limited
from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.formats.associativity import ASSOCIATIVITY
from drmemctl.wording import count_of


@rule(
    "DRM036",
    Severity.WARNING,
    "associativity",
    "associativity list of another length than the lookup arrays",
    references=(
        "Linux arch/powerpc/platforms/pseries/hotplug-memory.c find_aa_index: compares N words",
        "LoPAR 2.9, ibm,associativity; ibm,associativity-lookup-arrays: without the length cell",
        "QEMU hw/ppc/spapr_numa.c: a CPU's list has one domain more, the CPU itself",
    ),
)
def other_lengths(subject: Subject) -> Iterator[Violation]:
    """Look for memory nodes and CPUs whose lists have another length than those in the lookup arrays.

    Why:
        For a hot-add the firmware hands over an ibm,associativity as a memory node has it, a length and then the
        domains. Linux compares as many words of it as a lookup array has, without a look at the length. Where
        they differ, it finds no equal list or takes one that is equal by chance, and appends garbage from behind
        the end. A list that is shorter than its own length cell says misleads every reader.

    Example:
        Lookup arrays 00000001 00000004 … (four domains), memory@0 with ibm,associativity 00000003 00000000
        00000000 00000000. A CPU may have one domain more: 00000005 … is right with four.

    Kernel:
        All kernels since 4.10: after the next hot-add the lookup arrays have a list that no firmware made, and
        the LMB may be on another node, or on none at the next kexec, which is deadly (see DRM030).

    Fix:
        Report it, with the tree, to whoever makes the firmware. Do not hot-add memory before it is mended.
    """
    lookup = whole_lookup(subject)
    size = lookup.array_sz if lookup is not None and lookup.n_arrays else None
    yield from limited(_odd_lists(memory_lists(subject), size, 0), "memory nodes")
    yield from limited(_odd_lists(cpu_lists(subject), size, 1), "CPUs")


def _odd_lists(lists: tuple[OwnList, ...], size: int | None, extra: int) -> Iterator[Violation]:
    """Yield what is wrong with lists that should have `size` domains, or up to `extra` more."""
    for own_list in lists:
        declared = count_of(own_list.declared, "domain")
        if len(own_list.domains) < own_list.declared:
            message = f"the list says {declared} and ends after {len(own_list.domains)}"
            yield Violation(message, own_list.path, ASSOCIATIVITY, 0)
        elif size is not None and not size <= own_list.declared <= size + extra:
            message = (
                f"a list of {declared}, and the lookup arrays have {size}: a hot-add compares the wrong words"
            )
            yield Violation(message, own_list.path, ASSOCIATIVITY, 0)
