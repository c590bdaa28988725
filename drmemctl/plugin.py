# SPDX-License-Identifier: MIT
"""What plugins are written with: the values they consist of, and the functions of the simulated kernel.

A plugin is a file of Python with a `Plugin` called `plugin`, for `--plugin FILE`, or an entry point of the group
`drmemctl.plugins` in an installed package. A function of the kernel is a generator that yields actions: what
happens at once, and what it reads and writes. Between two of them another thread may run, so it looks at nothing
but what it was sent, at the profile and at its own log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from drmemctl.formats.dynamic_memory import NODE
from drmemctl.kernel.associativity import update_lmb_associativity_index
from drmemctl.kernel.capability import Capability
from drmemctl.kernel.flush import drmem_update_dt, function_that_writes, property_from_array
from drmemctl.kernel.job import Job
from drmemctl.kernel.lmb_ops import add_lmb as dlpar_add_lmb
from drmemctl.kernel.lmb_ops import remove_lmb as dlpar_remove_lmb
from drmemctl.kernel.mobility import devicetree_update as pseries_devicetree_update
from drmemctl.kernel.mobility import post_mobility_fixup
from drmemctl.kernel.notifier import set_property as of_update_property
from drmemctl.kernel.plugins import (
    REPLACEABLE,
    Plugin,
    PluginError,
    Replacement,
    add,
    load_file,
    load_installed,
    loaded,
    remove,
)
from drmemctl.kernel.requests import dlpar_memory
from drmemctl.kernel.task import Action, Footprint, Lock, StatePart, Task, atomic, drop, take
from drmemctl.kernel.update_node import update_dt_node
from drmemctl.simulate.interleave.policy import Policy
from drmemctl.simulate.partition import Partition, Step, StepResult
from drmemctl.simulate.step_words import StepError, StepWords
from drmemctl.simulate.steps.kernel_step import REQUEST, TREE_UPDATE, Circumstances, KernelStep, MakeTask

P = ParamSpec("P")
R = TypeVar("R")

__all__ = [
    "NODE",
    "REPLACEABLE",
    "REQUEST",
    "TREE_UPDATE",
    "Action",
    "Capability",
    "Circumstances",
    "Footprint",
    "Job",
    "KernelStep",
    "Lock",
    "MakeTask",
    "Partition",
    "Plugin",
    "PluginError",
    "Policy",
    "Replacement",
    "StatePart",
    "Step",
    "StepError",
    "StepResult",
    "StepWords",
    "Task",
    "add",
    "atomic",
    "dlpar_add_lmb",
    "dlpar_memory",
    "dlpar_remove_lmb",
    "drmem_update_dt",
    "drop",
    "function_that_writes",
    "load_file",
    "load_installed",
    "loaded",
    "of_update_property",
    "original",
    "post_mobility_fixup",
    "property_from_array",
    "pseries_devicetree_update",
    "remove",
    "take",
    "update_dt_node",
    "update_lmb_associativity_index",
]


def original(function: Callable[P, R]) -> Callable[P, R]:
    """Return the kernel's own function, for one that stands in its place and goes on with it."""
    return cast("Callable[P, R]", getattr(function, "__wrapped__", function))
