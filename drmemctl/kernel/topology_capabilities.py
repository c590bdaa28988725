# SPDX-License-Identifier: MIT
"""What kernels differ in where the platform moves CPUs and memory; part of the table of capabilities."""

from __future__ import annotations

from drmemctl.kernel.capability import Capability

_MOBILITY = "arch/powerpc/platforms/pseries/mobility.c"
_NUMA = "arch/powerpc/mm/numa.c"

TOPOLOGY_CAPABILITIES: tuple[Capability, ...] = (
    PRRN_UPDATE := Capability(
        "prrn-update",
        "a platform resource reassignment makes the kernel fetch device tree updates; without, it is ignored",
        last=(5, 8),
        commit="91713ac37785",
        source="arch/powerpc/kernel/rtasd.c",
    ),
    PRRN_OFF_BY_DEFAULT := Capability(
        "prrn-off-by-default",
        "reassignments make the kernel fetch updates only where topology updates were switched on",
        first=(5, 2),
        last=(5, 8),
        source=_NUMA,
    ),
    PRRN_READD := Capability(
        "prrn-readd",
        "in scope 2 an update of what is no phandle takes the LMB with that DRC index out and in again",
        last=(5, 8),
        commit="4abe60c6448b",
        source=_MOBILITY,
    ),
    CPU_TOPOLOGY_UPDATE := Capability(
        "cpu-topology-update",
        "an update of a CPU's ibm,associativity moves the CPU, where platform resource reassignment was agreed on",
        last=(5, 8),
        commit="c30f931e891e",
        source=_NUMA,
    ),
    TOPOLOGY_STOPPED := Capability(
        "topology-stopped-in-migration",
        "while a migration updates the tree, updates of CPUs are not listened to",
        first=(4, 20),
        last=(5, 8),
        commit="65b9fdadfc4d",
        source=_MOBILITY,
    ),
    TOPOLOGY_SWITCH_KEPT := Capability(
        "topology-switch-kept",
        "topology updates that were switched off stay so after a migration; without, it starts them again",
        first=(5, 2),
        last=(5, 8),
        commit="2d4d9b308f8f",
        source=_NUMA,
    ),
    CPUS_LOCKED_IN_UPDATE := Capability(
        "cpus-locked-in-update",
        "while a migration updates the tree, no CPU comes or goes: who tries waits for its end",
        first=(5, 3),
        commit="e59a175faa8d",
        source=_MOBILITY,
        stable=(((4, 19), 78),),
    ),
    CPU_READD := Capability(
        "cpu-readd",
        "a CPU whose ibm,associativity was updated is taken out and in again, and reads the tree; "
        "without, the hypervisor is asked for its home node",
        first=(5, 1),
        last=(5, 8),
        commit="81b61324922c",
        source=_NUMA,
        stable=(((4, 19), 78),),
    ),
    VPHN_FAILURE_IGNORED := Capability(
        "vphn-failure-ignored",
        "a CPU whose home node the hypervisor does not tell goes to the first online node; without, it stays",
        last=(4, 18),
        source=_NUMA,
    ),
)
