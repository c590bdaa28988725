# SPDX-License-Identifier: MIT
"""Rules of the family dump about values that were replaced since boot."""

from __future__ import annotations

from collections.abc import Iterator

from drmemctl.check.finding import Severity, Violation
from drmemctl.check.kernels import WITH_ARRAY
from drmemctl.check.rule import rule
from drmemctl.check.select import LmbsByReason
from drmemctl.check.subject import Subject
from drmemctl.check.tables import in_both_by_drc_index
from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5
from drmemctl.formats.cells import ADDRESS_CELLS, LMB_SIZE, SIZE_CELLS
from drmemctl.formats.domains import CURRENT_DOMAINS, MAX_DOMAINS
from drmemctl.formats.dynamic_memory import aa_text
from drmemctl.formats.numa_tables import DISTANCE_TABLE, LOOKUP_INDEX_TABLE
from drmemctl.formats.reference_points import REFERENCE_POINTS
from drmemctl.kernel.choice import kernel_for
from drmemctl.kernel.writers import FLUSH, lmb_writers, past_lmb_moments
from drmemctl.model.drmem import LmbTable
from drmemctl.model.dumped import array_in
from drmemctl.model.run import Run, state_of

_READ_AT_BOOT = frozenset(
    {
        *(ARCHITECTURE_VEC5, CURRENT_DOMAINS, DISTANCE_TABLE, LMB_SIZE, LOOKUP_INDEX_TABLE, MAX_DOMAINS),
        *(REFERENCE_POINTS, ADDRESS_CELLS, SIZE_CELLS),
    }
)


@rule(
    "DRM140",
    Severity.ERROR,
    "update of the LMBs that the kernel wrote over",
    needs=("dump", "lmbs"),
    kernels=WITH_ARRAY,
    references=(
        "Linux arch/powerpc/mm/drmem.c drmem_update_dt",
        "Linux d144f4d5a8a8 (5.15): the aa_index of a migration is taken over, flags are not",
        "Linux drivers/of/base.c __of_update_property: replaced values stay in deadprops",
    ),
)
def written_over(subject: Subject) -> Iterator[Violation]:
    """Look for LMBs that an update changed and the next flush changed back, and that are still so.

    Why:
        What firmware said after a migration, or an administrator wrote, is gone: the kernel wrote its array, which
        did not have it. The next kernel puts memory on nodes where it is not, or misses memory that is there.

    Example:
        Of three values that a dump keeps of ibm,dynamic-memory-v2, the first has 80000004 with aa_index 1, the
        second with aa_index 0, as the destination of a migration has it, and the third, written by the kernel at
        the end of a request, with aa_index 1 again.

    Kernel:
        4.16 to 5.14 take nothing of an update over, 5.15 and later the aa_index and nothing else. Nothing says who
        wrote a value: the kernel's have its form and differ from the array as requests leave it.

    Fix:
        drmemctl history shows the values and when each was written. Reboot from firmware's tree; kexec keeps what
        is wrong. On 5.14 and earlier reboot after a migration, before the first request.
    """
    tree, table, name = subject.tree, subject.table, subject.entries.property
    profile = subject.running.profile or kernel_for(tree).profile
    reasons = LmbsByReason[str](subject)
    for written in lmb_writers(name, past_lmb_moments(tree, name), profile, array_in(tree)) or ():
        if written.writer != FLUSH:
            continue
        delivered = LmbTable.of((update for update, _ in written.undone), table.lmb_size)
        flushed = LmbTable.of((run for _, run in written.undone), table.lmb_size)
        pairs = in_both_by_drc_index(flushed, table)
        still_so = LmbTable.of((run for run, current in pairs if run == current), table.lmb_size)
        for update, run in in_both_by_drc_index(delivered, still_so):
            reasons.add(_change(update, run), run)
    yield from reasons.violations(
        lambda reason, lmbs: f"{lmbs.have} {reason} by an update, which the kernel wrote over, first {lmbs.first}"
    )


def _change(update: Run, run: Run) -> str:
    if update.aa_index != run.aa_index:
        return f"aa_index {aa_text(run.aa_index)} where it was made {aa_text(update.aa_index)}"
    states = state_of(run.flags), state_of(update.flags)
    if states[0] != states[1]:
        return f"state {states[0]} where it was made {states[1]}"
    return f"flags {run.flags:#x} where they were made {update.flags:#x}"


@rule(
    "DRM142",
    Severity.WARNING,
    "property that Linux reads at boot alone, and that has changed since",
    needs=("dump",),
    counted="such properties",
    references=("Linux arch/powerpc/mm/numa.c, arch/powerpc/mm/drmem.c drmem_init: read once",),
)
def changed_since_boot(subject: Subject) -> Iterator[Violation]:
    """Look for properties about LMBs and nodes that have another value than at boot, and are not read again.

    Why:
        The kernel goes on with what it read, while kexec, kdump and drmgr, and whoever reads this tree, take the
        new value: a crash kernel has other nodes, or sees other memory, than the kernel that crashed.

    Example:
        /rtas:ibm,associativity-reference-points was <4 4> at boot and is <4 2>, 00000004 00000002: the kernel's
        nodes are numbered by the old one.

    Kernel:
        All. Lookup arrays and the LMBs themselves are read again, see DRM080 and DRM081.

    Fix:
        Reboot: after a migration to a machine of another kind, that is the only way to its topology.
    """
    dump = subject.tree.dump
    for path, replaced in () if dump is None else dump.replaced.items():
        node = subject.tree.find(path)
        oldest = {prop.name: prop.value for prop in replaced if prop.name in _READ_AT_BOOT}
        for name, value in oldest.items():
            current = None if node is None else node.get(name)
            if current != value:
                was = f"{value[:_SHOWN].hex(' ', 4)}{' …' if len(value) > _SHOWN else ''}"
                became = "it is gone" if current is None else "it is another one"
                yield Violation(f"at boot it was {was or 'empty'}, and {became}", path, name)


_SHOWN = 32
