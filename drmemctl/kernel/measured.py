# SPDX-License-Identifier: MIT
"""Which capabilities were seen in real kernels, and in which record: written by `tests.simulate.measured`.

A record exercises the side of a capability that its kernel is on if it comes out otherwise with the capability
added to that kernel, or taken from it. What no record exercises was read in the source. The records are in
`fixtures/`, whose README says where they come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Measured(NamedTuple):
    """The series measured that have a capability, and those that lack it, each with a record that shows it."""

    having: Mapping[str, str]
    lacking: Mapping[str, str]

    @property
    def is_whole(self) -> bool:
        """Whether both sides were measured."""
        return bool(self.having and self.lacking)


READ = Measured({}, {})
"""A capability that was read in the source only."""

# fmt: off
MEASURED: dict[str, Measured] = {
    "drmem-array": Measured(
        {"4.19": "captures/4.19-errors", "5.0": "captures/5.0-errors", "5.4": "captures/5.4-errors",
         "5.10": "captures/5.10-form1-1", "6.1": "captures/6.1-blanks", "7.2": "captures/7.2-bit31",
         "7.3": "captures/7.3-block-states"},
        {"4.14": "mobility/basic-4.14"},
    ),
    "dynamic-memory-v2": Measured(
        {"4.19": "captures/4.19-errors", "5.0": "captures/5.0-errors", "5.4": "captures/5.4-errors",
         "5.10": "captures/5.10-form1-1", "6.1": "captures/6.1-blanks", "6.12": "boot/aa-out-of-range",
         "7.2": "captures/7.2-bit31", "7.3": "captures/7.3-block-states"},
        {"4.14": "mobility/delv2-4.14"},
    ),
    "flush-per-lmb": Measured(
        {"4.14": "captures/4.14-errors", "4.19": "mobility/adddesync-4.19"},
        {"5.0": "mobility/basic-5.0", "5.4": "mobility/adddesync-5.4", "5.10": "captures/5.10-form1-2",
         "6.1": "captures/6.1-odd-lmbs", "7.2": "captures/7.2-bit31", "7.3": "captures/7.3-odd-lmbs"},
    ),
    "assigned-first": Measured(
        {"4.19": "mobility/delv2-4.19"},
        {"5.0": "captures/5.0-errors", "5.4": "captures/5.4-errors"},
    ),
    "tree-errors-logged": Measured(
        {"4.19": "mobility/dellookup-4.19"},
        {},
    ),
    "range-check": Measured(
        {"4.19": "captures/4.19-errors", "5.0": "captures/5.0-errors", "5.4": "captures/5.4-errors",
         "6.1": "captures/6.1-errors"},
        {"4.14": "captures/4.14-errors"},
    ),
    "swapped-drc-indexes": Measured(
        {},
        {"7.2": "captures/7.2-bit31"},
    ),
    "length-check": READ,
    "wrong-node-add": Measured(
        {"5.0": "captures/5.0-errors", "5.4": "captures/5.4-errors"},
        {"5.10": "captures/5.10-form1-1", "6.1": "captures/6.1-blanks", "7.2": "captures/7.2-bit31",
         "7.3": "captures/7.3-block-states"},
    ),
    "reserved-not-removable": Measured(
        {"7.2": "captures/7.2-reserved-assigned"},
        {},
    ),
    "reserved-not-available": Measured(
        {"6.1": "captures/6.1-errors"},
        {"4.14": "captures/4.14-errors", "4.19": "captures/4.19-errors", "5.0": "captures/5.0-errors",
         "5.4": "captures/5.4-errors"},
    ),
    "reserved-range-named": Measured(
        {"6.1": "captures/6.1-holes-v1", "7.3": "captures/7.3-odd-lmbs"},
        {"5.10": "captures/5.10-odd-lmbs"},
    ),
    "counted-marks": Measured(
        {"7.2": "captures/7.2-bit31"},
        {},
    ),
    "unisolate-on-rollback": Measured(
        {"6.1": "captures/6.1-unplug-fails", "7.2": "captures/7.2-form2-1"},
        {"4.14": "captures/4.14-unplug-fails", "5.4": "captures/5.4-unplug-fails1"},
    ),
    "section-removable-check": Measured(
        {"4.14": "captures/4.14-errors", "4.19": "captures/4.19-errors", "5.0": "captures/5.0-errors",
         "5.4": "captures/5.4-errors"},
        {"5.10": "captures/5.10-odd-lmbs", "6.1": "captures/6.1-merge", "7.2": "captures/7.2-mem-limit",
         "7.3": "captures/7.3-odd-lmbs"},
    ),
    "offline-reserved": READ,
    "quiet-index-messages": Measured(
        {"5.10": "captures/5.10-form1-2", "6.1": "captures/6.1-blanks", "7.2": "captures/7.2-form1-2",
         "7.3": "captures/7.3-block-states"},
        {"4.14": "captures/4.14-errors", "4.19": "captures/4.19-errors", "5.0": "captures/5.0-errors",
         "5.4": "captures/5.4-errors"},
    ),
    "add-errors-logged": Measured(
        {"7.3": "captures/7.3-odd-lmbs"},
        {"4.19": "mobility/dellookup-4.19", "5.10": "captures/5.10-odd-lmbs", "6.1": "captures/6.1-odd-lmbs"},
    ),
    "aa-sync": Measured(
        {"6.1": "captures/6.1-form1-1", "7.2": "captures/7.2-form1-1"},
        {"4.19": "captures/4.19-form1-9101", "5.0": "captures/5.0-form1-9101", "5.4": "captures/5.4-form1-9101",
         "5.10": "captures/5.10-form1-1"},
    ),
    "assigned-diff-notifier": Measured(
        {"4.14": "mobility/chunkdel-4.14", "4.19": "mobility/v1-m-v1unassign-4.19",
         "5.0": "mobility/m-v1assign-5.0"},
        {},
    ),
    "old-property-check": Measured(
        {"4.19": "mobility/m-v1assign-4.19", "5.4": "mobility/m-v1assign-5.4"},
        {"5.0": "mobility/m-v1assign-5.0"},
    ),
    "iterator-inclusive": READ,
    "lmb-size-u32": READ,
    "block-size-u32": READ,
    "block-size-panic": Measured(
        {"5.10": "boot/lmb-not-power-of-two", "7.2": "boot/lmb-not-power-of-two"},
        {},
    ),
    "blocks-listed-twice": READ,
    "no-default-node": Measured(
        {"5.10": "boot/aa-out-of-range", "6.1": "boot/aa-out-of-range", "6.12": "boot/aa-out-of-range",
         "7.2": "boot/aa-out-of-range"},
        {},
    ),
    "hotremovable-memblock": Measured(
        {"6.1": "memblock/6.1-inherited-limit", "7.2": "memblock/7.2-kernelcore"},
        {},
    ),
    "memory-limit-16m": Measured(
        {"7.2": "memblock/7.2-crashkernel-no-base"},
        {"6.1": "memblock/6.1-crashkernel-no-base"},
    ),
    "crashkernel-raises-limit": Measured(
        {"6.1": "memblock/6.1-crashkernel"},
        {"7.2": "memblock/7.2-crashkernel"},
    ),
    "chosen-limits": Measured(
        {},
        {"6.1": "memblock/6.1-limit-back-to-front", "7.2": "memblock/7.2-limit-back-to-front"},
    ),
    "kexec-in-hotplug": READ,
    "form2": READ,
    "unguarded-memory-node": READ,
    "connector-distances": READ,
    "current-domains": READ,
    "migratable-max-domains": READ,
    "node-lookup-first": Measured(
        {"5.10": "mobility/adddesync-5.10", "6.1": "mobility/adddesync-6.1"},
        {"4.14": "mobility/adddesync-4.14", "4.19": "mobility/adddesync-4.19", "5.0": "reassignments/p-move-5.0",
         "5.4": "mobility/adddesync-5.4"},
    ),
    "platform-facilities-kept": READ,
    "update-errors-prefixed": READ,
    "suspend-in-stop-machine": Measured(
        {"6.1": "mobility/adddesync-6.1"},
        {"4.14": "mobility/adddesync-4.14", "4.19": "mobility/adddesync-4.19", "5.0": "mobility/basic-5.0",
         "5.4": "mobility/adddesync-5.4", "5.10": "mobility/adddesync-5.10"},
    ),
    "wait-for-transfer": Measured(
        {"6.1": "mobility/adddesync-6.1"},
        {"4.14": "mobility/adddesync-4.14", "4.19": "mobility/adddesync-4.19", "5.0": "mobility/basic-5.0",
         "5.4": "mobility/adddesync-5.4", "5.10": "mobility/adddesync-5.10"},
    ),
    "prrn-update": Measured(
        {"4.14": "reassignments/p-cpu-4.14", "4.19": "reassignments/p-ccfail-4.19",
         "5.0": "reassignments/p-cpu-home-5.0", "5.4": "reassignments/p-cpu-5.4"},
        {},
    ),
    "prrn-off-by-default": Measured(
        {"5.4": "mobility/adddesync-5.4"},
        {"4.14": "reassignments/p-cpu-home-4.14", "4.19": "reassignments/p-ccfail-4.19",
         "5.0": "reassignments/p-cpu-home-5.0"},
    ),
    "prrn-readd": Measured(
        {"4.14": "reassignments/p-lmb-4.14", "4.19": "reassignments/p-ccfail-4.19",
         "5.0": "reassignments/p-move-5.0", "5.4": "reassignments/p-cpu-on-5.4"},
        {},
    ),
    "cpu-topology-update": Measured(
        {"4.14": "mobility/m-cpu-home-4.14", "4.19": "reassignments/p-ccfail-4.19",
         "5.0": "reassignments/p-cpu-home-5.0", "5.4": "reassignments/p-cpu-on-5.4"},
        {},
    ),
    "topology-stopped-in-migration": Measured(
        {"5.0": "mobility/basic-5.0"},
        {"4.14": "mobility/adddesync-4.14", "4.19": "mobility/adddesync-4.19", "5.10": "mobility/adddesync-5.10",
         "6.1": "mobility/adddesync-6.1"},
    ),
    "topology-switch-kept": Measured(
        {"5.4": "mobility/adddesync-5.4"},
        {},
    ),
    "cpus-locked-in-update": Measured(
        {"4.19": "reassignments/m-cpu-4.19"},
        {},
    ),
    "cpu-readd": Measured(
        {"4.19": "reassignments/p-cpu-4.19", "5.4": "reassignments/p-cpu-on-5.4"},
        {"4.14": "mobility/m-cpu-home-4.14", "5.0": "reassignments/p-cpu-home-5.0"},
    ),
    "vphn-failure-ignored": READ,
    "queued-requests": READ,
    "suspend-call-logged": Measured(
        {"4.14": "mobility/adddesync-4.14", "4.19": "mobility/adddesync-4.19", "5.0": "mobility/basic-5.0",
         "5.4": "mobility/adddesync-5.4"},
        {"5.10": "mobility/adddesync-5.10"},
    ),
    "home-node-first": Measured(
        {"6.1": "home-nodes/6.1", "7.2": "home-nodes/7.2"},
        {"4.19": "reassignments/p-cpu-cc-4.19", "5.4": "reassignments/p-cpu-on-5.4"},
    ),
    "home-node-at-boot": READ,
    "home-node-poll": READ,
    "poll-beside-prrn": READ,
    "cpu-by-count": Measured(
        {"5.10": "captures/5.10-cpus"},
        {"6.1": "captures/6.1-cpus", "7.2": "captures/7.2-cpus"},
    ),
    "cpu-drc-info": READ,
    "last-cpu-named": Measured(
        {"6.1": "captures/6.1-cpus", "7.2": "captures/7.2-cpus"},
        {"5.10": "captures/5.10-cpus"},
    ),
    "cpu-unisolate": READ,
    "cpu-death-logged": Measured(
        {"4.19": "reassignments/p-cpu-4.19", "5.4": "reassignments/p-cpu-on-5.4"},
        {"5.10": "captures/5.10-cpus", "6.1": "captures/6.1-cpus", "7.2": "captures/7.2-cpus"},
    ),
    "cpu-ids-by-node": Measured(
        {"6.1": "captures/6.1-cpus", "7.2": "captures/7.2-cpus"},
        {"4.19": "reassignments/p-cpu-cc-4.19", "5.4": "reassignments/p-cpu-on-5.4", "5.10": "captures/5.10-cpus"},
    ),
    "cpu-cache-nodes": READ,
    "block-size-probe": READ,
    "bridge-nodes": READ,
    "pmem-events": READ,
    "physmem-51": Measured(
        {"6.1": "captures/6.1-odd-lmbs", "7.3": "captures/7.3-odd-lmbs"},
        {},
    ),
    "address-check": Measured(
        {"5.10": "captures/5.10-odd-lmbs"},
        {},
    ),
    "range-prevalidated": Measured(
        {"6.1": "captures/6.1-odd-lmbs", "7.3": "captures/7.3-odd-lmbs"},
        {"5.10": "captures/5.10-odd-lmbs"},
    ),
    "movable-node-test": READ,
    "hotplug-mark-all": READ,
    "driver-managed-memblock": READ,
    "kexec-file-crash": READ,
    "kexec-lmbs-counted": READ,
    "kexec-pluggable-counted": READ,
    "kexec-room-divided": READ,
    "crash-hotplug": READ,
    "crash-range-split": READ,
    "crash-backup-offset": READ,
    "fadump-hotplug": READ,
    "crashkernel-cma-suffix": READ,
    "crashkernel-cma": READ,
    "long-log-records": Measured(
        {"7.3": "captures/7.3-odd-lmbs"},
        {"5.10": "captures/5.10-odd-lmbs", "6.1": "captures/6.1-odd-lmbs"},
    ),
    "dt-resource": READ,
}
