# SPDX-License-Identifier: MIT
"""Locking policies: the locks that the kernel takes, and those that were proposed."""

from __future__ import annotations

from dataclasses import dataclass

from drmemctl.errors import DrmemctlError
from drmemctl.kernel import plugins
from drmemctl.kernel.task import Lock
from drmemctl.notebook import short_repr

_KERNEL = frozenset({Lock.HOTPLUG, Lock.WORKQUEUE, Lock.RTASD})

ALL = "all"
"""What stands for every policy."""


class ThreadsError(DrmemctlError):
    """These threads cannot be explored."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A way to keep threads apart.

    Attributes:
        name: what `--locking` calls it.
        says: what it is, in a sentence.
        locks: the locks that hold.
        drains: whether a migration waits until every reassignment received is done.
        hotplug: whether the tree update after a migration holds device_hotplug_lock, as requests do.

    """

    name: str
    says: str
    locks: frozenset[Lock]
    drains: bool = False
    hotplug: bool = False

    __repr__ = short_repr


POLICIES = (
    Policy("kernel", "what this release does", _KERNEL),
    Policy("none", "no locks and no queues at all", frozenset()),
    Policy("mutex", "a mutex around the device tree update (proposed in 2019)", _KERNEL | {Lock.TREE_UPDATE}),
    Policy("drain", "a migration waits for reassignments that were received", _KERNEL, drains=True),
    Policy("both", "mutex and drain", _KERNEL | {Lock.TREE_UPDATE}, drains=True),
    Policy("hotplug", "the tree update after a migration holds device_hotplug_lock", _KERNEL, hotplug=True),
)

BY_NAME = {policy.name: policy for policy in POLICIES}


def all_policies() -> tuple[Policy, ...]:
    """Return every policy that is known, those of plugins last."""
    return (*POLICIES, *plugins.policies().values())


def policy_named(name: str) -> Policy:
    """Return the policy of a name; `ThreadsError` for none."""
    policy = BY_NAME.get(name) or plugins.looked_up(name, plugins.policies)
    if isinstance(policy, Policy):
        return policy
    names = ", ".join(policy.name for policy in all_policies())
    raise ThreadsError(f"locking {name!r} is not one of {names}, {ALL}")
