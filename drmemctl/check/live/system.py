# SPDX-License-Identifier: MIT
"""Rules of the family live about zones, distances and /proc/iomem."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.rule import rule
from drmemctl.check.select import AffectedLmbs
from drmemctl.check.subject import Subject
from drmemctl.check.tables import part_at, spans_of_addresses
from drmemctl.formats.block_states import ONLINE
from drmemctl.formats.dynamic_memory import HOTREMOVABLE
from drmemctl.kernel.cmdline import has_flag
from drmemctl.kernel.sections import SECTION
from drmemctl.model.intervals import Intervals, side_by_side
from drmemctl.model.live_system import PERSISTENT_MEMORY, SYSTEM_RAM, LiveSystem
from drmemctl.model.memory import Memory, Tally
from drmemctl.model.numa import NumaLayout
from drmemctl.model.run import is_assigned
from drmemctl.wording import range_text

_MOVABLE = "Movable"


def system_of(subject: Subject) -> LiveSystem:
    """Return the live system; an empty one without it."""
    return subject.running.system or LiveSystem()


@rule(
    "DRM123",
    Severity.WARNING,
    "hot-removable memory outside the movable zone",
    needs=("live", "block-size"),
    references=(
        "Linux mm/mm_init.c find_zone_movable_pfns_for_nodes; drivers/base/memory.c valid_zones_show",
        "Linux b6eca183e23e (5.8): HOTREMOVABLE becomes MEMBLOCK_HOTPLUG",
    ),
)
def unmovable_zones(subject: Subject) -> Iterator[Violation]:
    """Look for online memory of hot-removable LMBs that is in no movable zone, although movable_node is set.

    Why:
        The command line asks for memory that can be given back. Outside ZONE_MOVABLE one page of the kernel's own
        is enough to keep an LMB.

    Example:
        movable_node, an LMB with flags 00000108, and Normal in valid_zones of its memory block.

    Kernel:
        5.8 and later mark such memory at boot. What is added later goes where online_movable or auto_online_blocks
        say.

    Fix:
        echo online_movable into auto_online_blocks before memory is added.
    """
    system = system_of(subject)
    if not has_flag(system.cmdline, "movable_node"):
        return
    table = subject.table
    lmbs = spans_of_addresses(table, lambda flags: is_assigned(flags) and bool(flags & HOTREMOVABLE)).disjoint()
    unmovable = AffectedLmbs(subject)
    for start, count, owner, number in side_by_side(lmbs, _block_spans(system).disjoint()):
        if owner is None or number is None:
            continue
        block = system.blocks[number]
        if block.state == ONLINE and block.zones[:1] not in ((), (_MOVABLE,)):
            unmovable.add(part_at(table, owner, start, count))
    if unmovable:
        yield unmovable.violation(
            f"{unmovable.are} hot-removable, but not in ZONE_MOVABLE, first {unmovable.first}"
        )


@rule(
    "DRM124",
    Severity.WARNING,
    "distance in sysfs other than the tree's",
    counted="distances",
    needs=("live",),
    references=(
        "Linux arch/powerpc/mm/numa.c __node_distance, initialize_form2_numa_distance_lookup_table",
        "Linux drivers/base/node.c node_read_distance",
    ),
)
def live_distances(subject: Subject) -> Iterator[Violation]:
    """Look for node distances in sysfs other than those that the tree gives.

    Why:
        Linux computes the distances once. After a migration the tree tells those of another machine; the scheduler
        and the allocator go on with the old ones.

    Example:
        ibm,numa-distance-table 00000004 0a14140a, and "10 40" in /sys/devices/system/node/node0/distance.

    Kernel:
        All read reference points and the table of form 2 at boot only.

    Fix:
        Reboot, or live with it: distances decide about speed only.
    """
    if not subject.after_cas:
        return
    system = system_of(subject)
    memory = Memory.from_tree(subject.tree)
    expected = NumaLayout.of(subject.tree, memory, Tally.of(memory)).distances
    position = {node: index for index, node in enumerate(expected.nodes)}
    # sysfs has a distance for each node that is online, in their order.
    online = sorted(system.nodes)
    for node in (node for node in online if node in position):
        for target, distance in zip(online, system.nodes[node].distances, strict=False):
            by_tree = expected.rows[position[node]][position[target]] if target in position else None
            if by_tree is not None and by_tree != distance:
                yield Violation(
                    f"node {node} to node {target}: {distance} in sysfs, {by_tree} by the tree", "/rtas"
                )


@rule(
    "DRM125",
    Severity.WARNING,
    "memory block and /proc/iomem disagree",
    counted="ranges",
    needs=("live",),
    references=(
        "Linux mm/memory_hotplug.c register_memory_resource; arch/powerpc/mm/mem.c add_system_ram_resources",
    ),
)
def live_resources(subject: Subject) -> Iterator[Violation]:
    """Look for online memory blocks that are not in /proc/iomem, and for System RAM there without a block.

    Why:
        Tools that copy or dump memory go by /proc/iomem: kexec and makedumpfile leave out what is not there, and
        fail on what is there without memory.

    Example:
        memory4 is online, blocks have 0x10000000 bytes, and no System RAM in /proc/iomem holds 0x40000000.

    Kernel:
        All. Seen only with memory that was added past the kernel's own checks.

    Fix:
        Reboot before a dump is needed.
    """
    system = system_of(subject)
    memory = system.spans(SYSTEM_RAM).disjoint()
    if not memory:
        return
    size = system.block_size or 0
    for start, count, number, resource in side_by_side(_block_spans(system).disjoint(), memory):
        if number is None:
            yield Violation(f"{range_text(start, count)}: System RAM in /proc/iomem, but there is no memory block")
            continue
        # mem= may well end inside a block: only one without any memory in it is odd.
        is_lost = resource is None and memory.first_in(number * size, size) is None
        if is_lost and system.blocks[number].state == ONLINE:
            message = "an online memory block, but no System RAM in /proc/iomem"
            yield Violation(f"{range_text(start, count)}: {message}")


def _block_spans(system: LiveSystem) -> Intervals:
    size = system.block_size or 0
    spans = Intervals()
    for number in sorted(system.blocks):
        spans.add(number * size, size, number)
    return spans


@rule(
    "DRM126",
    Severity.INFO,
    "section with both system and persistent memory",
    counted="sections",
    needs=("live",),
    references=(
        "Linux mm/memory_hotplug.c pfn_to_online_page: sections with ZONE_DEVICE in them",
        "Linux arch/powerpc/include/asm/sparsemem.h SECTION_SIZE_BITS 24",
    ),
)
def shared_sections(subject: Subject) -> Iterator[Violation]:
    """Look for sections of 16 MiB in which /proc/iomem has both System RAM and Persistent Memory.

    Why:
        Linux keeps track of memory by the section. Where both share one, code that walks pages has to look twice,
        and kernels before 5.3 refuse the namespace.

    Example:
        3f000000-3f7fffff : System RAM and 3f800000-4f7fffff : Persistent Memory.

    Kernel:
        5.3 to 5.10 can take the pages of such a section for online memory that they are not.

    Fix:
        Begin namespaces at multiples of 16 MiB.
    """
    system = system_of(subject)
    lmbs = spans_of_addresses(subject.table, is_assigned).disjoint() if subject.has_lmbs else Intervals()
    memory = Intervals()
    for start, last, owner in chain(system.spans(SYSTEM_RAM), lmbs):
        memory.add(start, last - start + 1, owner)
    memory = memory.disjoint()
    persistent = system.spans(PERSISTENT_MEMORY)
    for section in sorted({edge // SECTION for start, last, _ in persistent for edge in (start, last) if edge}):
        if memory.first_in(section * SECTION, SECTION) is not None:
            yield Violation(f"the section at {section * SECTION:#x} has both")
