# SPDX-License-Identifier: MIT
"""The rule of the family state about CPUs, whose nodes a simulated kernel tells."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.subject import Subject
from drmemctl.formats.associativity import ASSOCIATIVITY
from drmemctl.model.associativity import domains_of
from drmemctl.model.processors import CPUS


@rule(
    "DRM087",
    Severity.WARNING,
    "CPU on a different node than its ibm,associativity",
    counted="CPUs",
    needs=("cpus",),
    references=(
        "Linux c30f931e891e (5.9): updates of CPUs are not listened to any more",
        "Linux 65b9fdadfc4d (4.20): nor, up to 5.8, while a migration updates the tree",
        "Linux arch/powerpc/mm/numa.c dt_update_callback, find_and_online_cpu_nid (up to 5.8)",
    ),
)
def misplaced_cpus(subject: Subject) -> Iterator[Violation]:
    """Look for CPUs that Linux has on another node than their ibm,associativity leads to.

    Why:
        The scheduler keeps programs near their memory by Linux's nodes: a CPU that is on the wrong one is fed from
        memory that is far, and memory that is near counts as far.

    Example:
        /cpus/PowerPC,POWER9@0 on node 0 since boot, and since a migration ibm,associativity 00000002 00000001
        00000000 with reference point 00000001.

    Kernel:
        5.9 and later leave every CPU where it was at boot, 5.2 to 5.8 unless topology_updates=on. Earlier ones
        move it where reassignments (PRRN) were agreed on, but 4.20 to 5.1 not while a migration updates the tree:
        the update of a reassignment that comes at that time is missed for good.

        Where the hypervisor tells home nodes (hcall-vphn), a CPU that is at home is on the right node, whatever
        the tree says.

    Fix:
        Remove the CPU and add it again (drmgr -c cpu), or reboot.
    """
    associativity = subject.running.associativity or subject.associativity
    parent = subject.tree.find(CPUS)
    # Of two nodes of a name, the first is found, as by path.
    nodes = {f"{CPUS}/{node.name}": node for node in reversed(parent.children if parent is not None else ())}
    for cpu in subject.running.cpus or ():
        domains = domains_of(nodes[cpu.path]) if cpu.path in nodes else None
        expected = None if domains is None else associativity.node_of_row(domains)
        if expected not in (None, cpu.node) and cpu.path not in subject.running.at_home:
            name = cpu.path.removeprefix(f"{CPUS}/")
            message = f"{name} is on node {cpu.node}, where the tree says {expected}: Linux leaves it there"
            yield Violation(message, cpu.path, ASSOCIATIVITY)
