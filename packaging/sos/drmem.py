# This file is part of the sos project: https://github.com/sosreport/sos
#
# This copyrighted material is made available to anyone wishing to use,
# modify, copy, or redistribute it subject to the terms and conditions of
# version 2 of the GNU General Public License.
#
# See the LICENSE file in the source distribution for further information.

"""Plugin for sos report, offered to that project: what `drmemctl check` judges of a pseries partition.

The kernel's messages come by sos's own plugin `kernel`.
"""

from sos.report.plugins import IndependentPlugin, Plugin


class Drmem(Plugin, IndependentPlugin):
    """Collects the files that drmemctl's capture.sh takes."""

    short_desc = "Dynamic memory of IBM pseries partitions"

    plugin_name = "drmem"
    profiles = ("system", "hardware", "memory")
    architectures = ("ppc.*",)
    files = ("/proc/device-tree/ibm,dynamic-reconfiguration-memory",)

    def setup(self):
        """Say what is collected."""
        self.add_copy_spec(
            [
                "/proc/device-tree/",
                "/sys/firmware/fdt",
                "/proc/iomem",
                "/proc/cmdline",
                "/proc/version",
                "/var/log/drmgr",
                "/var/log/drmgr.0",
                "/var/log/platform",
                "/var/log/dmesg",
                "/sys/devices/system/memory/block_size_bytes",
                "/sys/devices/system/node/node*/distance",
                "/sys/devices/system/node/node*/meminfo",
                "/sys/devices/system/node/node*/cpulist",
            ]
        )
        # A memory block has 256 MiB or more; its links node* say which nodes it spans, which lsmem does not.
        blocks = "/sys/devices/system/memory/memory*"
        names = ("phys_index", "state", "valid_zones", "removable", "node*")
        self.add_copy_spec([f"{blocks}/{name}" for name in names])
