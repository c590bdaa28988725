# SPDX-License-Identifier: MIT
"""A plugin: the notifier is told by a parameter to pass an update over, in place of by the global in_drmem_update.

Today `drmem_update_dt` sets a flag for all, updates the property, and clears the flag. Whatever another thread
updates in between is passed over as well. Proposed on linuxppc-dev as an alternative, and never tested there: hand
the property's own update down to the notifier, so that no other update is concerned.
"""

from drmemctl.plugin import (
    NODE,
    Capability,
    Job,
    Lock,
    Plugin,
    Replacement,
    Task,
    drop,
    function_that_writes,
    of_update_property,
    original,
    property_from_array,
    take,
)
from drmemctl.plugin import drmem_update_dt as kernels_drmem_update_dt

NOTIFIER_PARAMETER = Capability(
    "notifier-parameter",
    "drmem_update_dt tells the notifier by a parameter to pass its own update over, and not by a global",
    source="arch/powerpc/mm/drmem.c",
)


def drmem_update_dt(job: Job) -> Task[int]:
    """Regenerate the property from the array; the notifier passes over this update and no other."""
    regenerated = yield from property_from_array(job)
    if regenerated is None:
        return -1
    name, value = regenerated
    yield from of_update_property(job, NODE, name, value, function_that_writes(name), notify=False)
    return 0


FLUSH_MUTEX = Capability(
    "flush-mutex",
    "the mutex around the update of the tree is held while the array is written back, too",
    source="arch/powerpc/mm/drmem.c",
)


def drmem_update_dt_in_mutex(job: Job) -> Task[int]:
    """Do what the kernel does, under a mutex."""
    yield from take(Lock.TREE_UPDATE)
    result = yield from original(kernels_drmem_update_dt)(job)
    yield from drop(Lock.TREE_UPDATE)
    return result


plugin = Plugin(
    name="notifier-parameter",
    about="the notifier is told by a parameter in place of a global",
    capabilities=(NOTIFIER_PARAMETER, FLUSH_MUTEX),
    functions=(
        Replacement("drmem_update_dt", NOTIFIER_PARAMETER, drmem_update_dt),
        Replacement("drmem_update_dt", FLUSH_MUTEX, drmem_update_dt_in_mutex),
    ),
)
