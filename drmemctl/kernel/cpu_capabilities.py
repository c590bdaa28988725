# SPDX-License-Identifier: MIT
"""What kernels differ in where CPUs come and go; part of the table of capabilities."""

from __future__ import annotations

from drmemctl.kernel.capability import Capability

_NUMA = "arch/powerpc/mm/numa.c"
_HOTPLUG_CPU = "arch/powerpc/platforms/pseries/hotplug-cpu.c"

CPU_CAPABILITIES: tuple[Capability, ...] = (
    HOME_NODE_FIRST := Capability(
        "home-node-first",
        "a CPU that boots or comes online goes to the home node that the hypervisor tells, before the tree's",
        first=(5, 10),
        source=_NUMA,
    ),
    HOME_NODE_AT_BOOT := Capability(
        "home-node-at-boot",
        "at boot CPUs of a partition with shared processors are moved to the home nodes that the hypervisor tells",
        first=(4, 15),
        last=(5, 8),
        source=_NUMA,
    ),
    HOME_NODE_POLL := Capability(
        "home-node-poll",
        "a timer asks for home nodes that changed, and moves their CPUs",
        last=(5, 8),
        commit="c30f931e891e",
        source=_NUMA,
    ),
    POLL_BESIDE_PRRN := Capability(
        "poll-beside-prrn",
        "the timer for home nodes runs also where platform resource reassignment was agreed on",
        first=(4, 15),
        source=_NUMA,
    ),
    CPU_BY_COUNT := Capability(
        "cpu-by-count",
        "CPUs can be added and removed by count; without, that is EINVAL, and only an index will do",
        last=(5, 15),
        commit="fa2a5dfe2ddd",
        source=_HOTPLUG_CPU,
    ),
    CPU_DRC_INFO := Capability(
        "cpu-drc-info",
        "connectors of CPUs are looked up in ibm,drc-info, where /cpus has it; without, in ibm,drc-indexes only",
        first=(5, 5),
        commit="b015f6bc9547",
        source=_HOTPLUG_CPU,
    ),
    LAST_CPU_NAMED := Capability(
        "last-cpu-named",
        "a CPU that cannot go because it is the last one online is reported as that",
        first=(5, 13),
        source=_HOTPLUG_CPU,
    ),
    CPU_UNISOLATE := Capability(
        "cpu-unisolate",
        "a CPU that was to go by index and did not is reported to the hypervisor by unisolating its connector",
        first=(5, 13),
        commit="29c9a2699e71",
        source=_HOTPLUG_CPU,
    ),
    CPU_DEATH_LOGGED := Capability(
        "cpu-death-logged",
        "each thread that goes offline says so",
        last=(5, 12),
        commit="ed8029d7b472",
        source=_HOTPLUG_CPU,
        stable_without=(((5, 10), 38),),
    ),
    CPU_IDS_BY_NODE := Capability(
        "cpu-ids-by-node",
        "a new CPU gets numbers that no CPU of another node had, as long as there are such",
        first=(5, 15),
        commit="bd1dd4c5f528",
        source=_HOTPLUG_CPU,
    ),
    CPU_CACHE_NODES := Capability(
        "cpu-cache-nodes",
        "cache nodes come and go with the last CPU that has them, and a CPU without numbers is not added",
        first=(5, 16),
        commit="7edd5c9a8820",
        source=_HOTPLUG_CPU,
    ),
)
