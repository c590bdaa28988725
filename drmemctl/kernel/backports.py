# SPDX-License-Identifier: MIT
"""What distributions' kernels have that their mainline release has not, or the other way round, with sources.

RHEL: the source packages of every update of 8.0 to 8.10, 9.0 to 9.6 and 10.0, as AlmaLinux and CentOS publish them
(unpacked on GitHub: mkuron/almalinux-kernel and bobolopolis/linux-el, which agree), up to the builds in
`RHEL_8_READ`, `RHEL_9_READ` and `RHEL_10_READ`. All that is in the table of capabilities was looked up in each;
one that is not listed is as in the mainline release.

SLES: patches in openSUSE/kernel-source, at a commit whose README.BRANCH names the branch. Nothing follows from
what is not listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Build = tuple[int, ...]
"""A distribution's own numbering of a release: (70, 13, 1) of 5.14.0-70.13.1.el9_0."""

_BUILD = re.compile(r"[^-]*-(\d{1,9}(?:\.\d{1,9})*)", re.ASCII)


def build_of(release: str) -> Build:
    """Return the build that a release names, () where it names none."""
    match = _BUILD.match(release)
    return () if match is None else parse_build(match[1])


def parse_build(text: str) -> Build:
    """Return the build of its numbers with points between them."""
    return tuple(map(int, text.split(".")))


@dataclass(frozen=True, slots=True)
class Backport:
    """A capability that a distribution's kernel has and its mainline release has not, or the other way round.

    Attributes:
        capability: its name.
        source: where that is to be seen.
        has: whether the kernel has it.
        since: the first build that is known to be so.

    """

    capability: str
    source: str
    has: bool = True
    since: Build = ()


def _read(release: str, has: Mapping[str, str], lacks: Mapping[str, str] | None = None) -> Iterator[Backport]:
    """Yield what is new in the source package of a release: by capability, where in it that is to be seen."""
    for names, is_there in ((has, True), (lacks or {}, False)):
        for name, where in names.items():
            yield Backport(name, f"kernel-{release}.src.rpm, {where}", is_there, build_of(release))


_HOTPLUG = "pseries/hotplug-memory.c"
_MOBILITY = "pseries/mobility.c"

RHEL_8: tuple[Backport, ...] = (
    *_read(
        "4.18.0-80.el8",
        {"topology-stopped-in-migration": f"{_MOBILITY}: stop_topology_update"},
        {
            "vphn-failure-ignored": "mm/numa.c find_and_online_cpu_nid: cpu_to_node after a failure",
            "queued-requests": "pseries/dlpar.c dlpar_store: handle_dlpar_errorlog",
        },
    ),
    *_read("4.18.0-80.11.1.el8_0", {"cpus-locked-in-update": f"{_MOBILITY} post_mobility_fixup: cpus_read_lock"}),
    *_read(
        "4.18.0-147.el8",
        {
            "old-property-check": f"{_HOTPLUG} pseries_update_drconf_memory: old_prop",
            "prrn-off-by-default": "mm/numa.c: topology_updates_enabled",
            "topology-switch-kept": "mm/numa.c start_topology_update: topology_updates_enabled",
            "cpu-readd": "mm/numa.c: dlpar_cpu_readd",
        },
    ),
    *_read(
        "4.18.0-147.3.1.el8_1",
        {"wrong-node-add": "asm/drmem.h lmb_set_nid: memory_add_physaddr_to_nid"},
        dict.fromkeys(
            ("flush-per-lmb", "assigned-first", "tree-errors-logged"), f"{_HOTPLUG} dlpar_memory: drmem_update_dt"
        ),
    ),
    *_read(
        "4.18.0-193.el8",
        {
            "block-size-panic": "drivers/base/memory.c: Memory block size not suitable",
            "blocks-listed-twice": "drivers/base/node.c register_mem_sect_under_node: SYSTEM_BOOTING",
            "no-default-node": "mm/numa.c of_drconf_to_nid_single: NUMA_NO_NODE",
            "pmem-events": "pseries/dlpar.c: PSERIES_HP_ELOG_RESOURCE_PMEM",
        },
        {"iterator-inclusive": "asm/drmem.h for_each_drmem_lmb_in_range"},
    ),
    *_read(
        "4.18.0-240.el8",
        {
            "hotremovable-memblock": "kernel/prom.c: memblock_mark_hotplug",
            "cpu-drc-info": "pseries/hotplug-cpu.c: ibm,drc-info",
        },
    ),
    *_read("4.18.0-240.22.1.el8_3", {}, {"blocks-listed-twice": "drivers/base/node.c: MEMINIT_HOTPLUG"}),
    *_read(
        "4.18.0-305.el8",
        {
            "current-domains": "mm/numa.c find_possible_nodes: ibm,current-associativity-domains",
            "home-node-first": "mm/numa.c numa_setup_cpu: vphn_get_nid",
            "address-check": "mm/book3s64/radix_pgtable.c: Outside the supported range",
        },
        {
            "offline-reserved": "mm/page_alloc.c __offline_isolated_pages",
            "block-size-u32": f"{_HOTPLUG} pseries_memory_block_size: u64",
            "home-node-at-boot": "mm/numa.c: no shared_proc_topology_init",
        },
    ),
    *_read(
        "4.18.0-348.el8",
        {
            "node-lookup-first": f"{_MOBILITY} pseries_devicetree_update: Failed lookup: phandle",
            "update-errors-prefixed": f"{_MOBILITY}: pr_fmt mobility:",
            "suspend-in-stop-machine": f"{_MOBILITY} pseries_suspend: stop_machine(do_join)",
        },
        {
            "assigned-diff-notifier": f"{_HOTPLUG}: no pseries_update_drconf_memory",
            "prrn-update": "kernel/rtasd.c: no handle_prrn_event",
            "prrn-readd": f"{_MOBILITY} pseries_devicetree_update: phandles only",
            "topology-stopped-in-migration": f"{_MOBILITY}: no stop_topology_update",
            **dict.fromkeys(
                ("prrn-off-by-default", "cpu-topology-update", "topology-switch-kept", "cpu-readd"),
                "mm/numa.c: no updates of CPUs are listened to",
            ),
            "home-node-poll": "mm/numa.c: no topology_timer",
        },
    ),
    *_read(
        "4.18.0-372.9.1.el8",
        {
            "aa-sync": "mm/drmem.c: drmem_update_lmbs",
            "form2": "mm/numa.c: FORM2_AFFINITY",
            "unguarded-memory-node": "mm/numa.c parse_numa_properties: associativity_to_nid",
            "connector-distances": f"{_HOTPLUG} update_lmb_associativity_index: update_numa_distance",
            "migratable-max-domains": "mm/numa.c find_possible_nodes: ibm,migratable-partition",
            "platform-facilities-kept": f"{_MOBILITY}: ibm,platform-facilities",
            "cpu-ids-by-node": "pseries/hotplug-cpu.c: node_recorded_ids_map",
        },
        {
            "wrong-node-add": f"{_HOTPLUG} dlpar_add_lmb: of_drconf_to_nid_single",
            "section-removable-check": f"{_HOTPLUG} lmb_is_removable",
        },
    ),
    *_read(
        "4.18.0-425.3.1.el8",
        {},
        {
            "lmb-size-u32": "asm/drmem.h drmem_lmb_info: u64 lmb_size",
            "chosen-limits": "kernel/prom.c early_init_dt_scan_chosen_ppc: the root node's",
        },
    ),
    *_read(
        "4.18.0-513.5.1.el8_9",
        {
            "wait-for-transfer": f"{_MOBILITY}: wait_for_vasi_session_completed",
            "range-prevalidated": "mm/memory_hotplug.c: mhp_range_allowed",
        },
    ),
)
RHEL_8_READ = (
    "80-80.11.2 147-147.8.1 193-193.28.1 240-240.22.1 305-305.25.1 348-348.23.1 372.9.1-372.32.1 425.3.1-425.19.2 "
    "477.10.1-477.27.2 513.5.1-513.24.1 553-553.66.1"
)
"""The first and the last build of each update that were read, and so those between."""

_LPM_FIXES = "kernel-5.14.0-9.el9 (its changelog of 20 October 2021, rhbz#2004809): "

RHEL_9: tuple[Backport, ...] = (
    Backport("aa-sync", f"{_LPM_FIXES}pseries/drmem: update LMBs after LPM", since=(9,)),
    Backport(
        "migratable-max-domains",
        f"{_LPM_FIXES}powerpc/numa: Consider the max NUMA node for migratable LPAR",
        since=(9,),
    ),
    Backport(
        "cpu-ids-by-node",
        f"{_LPM_FIXES}powerpc/pseries: Prevent free CPU ids being reused on another node",
        since=(9,),
    ),
    *_read("5.14.0-70.13.1.el9_0", {"platform-facilities-kept": f"{_MOBILITY}: ibm,platform-facilities"}),
    *_read(
        "5.14.0-162.6.1.el9_1",
        {
            "form2": "mm/numa.c: FORM2_AFFINITY",
            "unguarded-memory-node": "mm/numa.c parse_numa_properties: associativity_to_nid",
            "connector-distances": f"{_HOTPLUG} update_lmb_associativity_index: update_numa_distance",
        },
        {"chosen-limits": "kernel/prom.c early_init_dt_scan_chosen_ppc: the root node's"},
    ),
    *_read("5.14.0-162.18.1.el9_1", {"wait-for-transfer": f"{_MOBILITY}: wait_for_vasi_session_completed"}),
    *_read("5.14.0-284.11.1.el9_2", {"driver-managed-memblock": "mm/memory_hotplug.c: MEMBLOCK_DRIVER_MANAGED"}),
    *_read(
        "5.14.0-362.8.1.el9_3",
        {"kexec-pluggable-counted": "kexec/file_load_64.c kexec_extra_fdt_size_ppc64: memory_hotplug_max"},
        {"kexec-room-divided": "kexec/file_load_64.c kexec_extra_fdt_size_ppc64: if (drmem_lmb_size())"},
    ),
    *_read(
        "5.14.0-503.11.1.el9_5",
        {
            "memory-limit-16m": "kernel/prom.c early_init_devtree: SZ_16M",
            "bridge-nodes": "mm/numa.c parse_numa_properties: pci",
            "long-log-records": "kernel/printk/internal.h: PRINTKRB_RECORD_MAX",
        },
    ),
    *_read("5.14.0-570.12.1.el9_6", {"block-size-probe": "mm/init_64.c: probe_memory_block_size"}),
)
RHEL_9_READ = (
    "70.13.1-70.30.1 162.6.1-162.23.1 284.11.1-284.30.1 362.8.1-362.24.2 427.13.1-427.42.1 503.11.1-503.40.1 "
    "570.12.1-570.32.1"
)

RHEL_10_READ = "55.9.1-55.24.1"

_SERIES = "series.conf of kernel-source at 7ead8e183532"
"""By its README.BRANCH that is SLE15-SP3; its patches of 5.17 are of 2022, when builds got the prefix 150300."""

_SP3_BUILD = (150300,)


def _listed(patches: Mapping[str, str], *, has: bool) -> Iterator[Backport]:
    """Yield what patches of SLES 15 SP3 bring, or take away: by capabilities, the name of the patch."""
    for names, patch in patches.items():
        for name in names.split():
            yield Backport(name, f"{_SERIES} (15 SP3), {patch}.patch", has, _SP3_BUILD)


SLES_15_SP3: tuple[Backport, ...] = (
    *_listed(
        {
            "aa-sync": "pseries-drmem-update-LMBs-after-LPM",
            "migratable-max-domains": "powerpc-numa-Consider-the-max-NUMA-node-for-migratab",
            "cpu-ids-by-node": "powerpc-pseries-Prevent-free-CPU-ids-being-reused-on",
            "current-domains": "powerpc-numa-Restrict-possible-nodes-based-on-platfo",
            "home-node-first": "powerpc-numa-Prefer-node-id-queried-from-vphn",
            "node-lookup-first": "powerpc-pseries-mobility-refactor-node-lookup-during",
            "update-errors-prefixed": "powerpc-pseries-mobility-error-message-improvements",
            "suspend-in-stop-machine": "powerpc-pseries-mobility-use-stop_machine-for-join-s",
            "kexec-file-crash": "powerpc-kexec_file-Prepare-elfcore-header-for-crashi",
        },
        has=True,
    ),
    *_listed(
        {
            "wrong-node-add": "pseries-hotplug-memory-hot-add-skip-redundant-LMB-lo",
            "assigned-diff-notifier": "powerpc-pseries-remove-obsolete-memory-hotplug-DT-no",
            "block-size-u32": "pseries-Fix-64-bit-logical-memory-block-panic",
            "prrn-update": "powerpc-rtasd-simplify-handle_rtas_event-emit-messag",
            "prrn-readd": "powerpc-pseries-remove-prrn-special-case-from-DT-upd",
            "cpu-readd": "powerpc-pseries-remove-dlpar_cpu_readd",
            "cpu-topology-update home-node-poll prrn-off-by-default": (
                "powerpc-numa-remove-ability-to-enable-topology-updat"
            ),
            "topology-stopped-in-migration topology-switch-kept": (
                "powerpc-numa-remove-start-stop_topology_update"
            ),
            "home-node-at-boot": "powerpc-numa-stub-out-numa_update_cpu_topology",
        },
        has=False,
    ),
)

_SP4 = "kernel-source at c0a6ef33cd6a (README.BRANCH: SLE 15 SP4 RT, which merges SLE15-SP4), patches.suse/"

SLES_15_SP4: tuple[Backport, ...] = (
    Backport("cpu-ids-by-node", f"{_SP4}powerpc-pseries-Prevent-free-CPU-ids-being-reused-on.patch (bsc#1190620)"),
    Backport(
        "platform-facilities-kept",
        f"{_SP4}powerpc-pseries-mobility-ignore-ibm-platform-facilit.patch (stable-5.14.19)",
    ),
)

_SP5 = "kernel-source at 349df746f254 (README.BRANCH: SLE 15 SP5 RT, which merges SLE15-SP5), patches.suse/"
_DISTANCES = f"{_SP5}powerpc-pseries-Consolidate-different-NUMA-distance-.patch (8ddc6448ec5a, jsc#PED-551)"

SLES_15_SP5: tuple[Backport, ...] = (
    Backport(
        "form2",
        f"{_SP5}powerpc-pseries-Add-support-for-FORM2-associativity.patch (1c6b5a7e7405, jsc#PED-551)",
    ),
    Backport("connector-distances", _DISTANCES),
    Backport("unguarded-memory-node", _DISTANCES),
)
