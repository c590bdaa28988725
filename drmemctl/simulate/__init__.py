# SPDX-License-Identifier: MIT
"""The step language, steps carried out on a partition, and what each of them changed.

The package can be called, as `drmemctl.simulate(tree, steps)`: that name is this module as soon as anything
imports it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drmemctl.kernel.profiles import Profile
    from drmemctl.simulate.files import Files
    from drmemctl.simulate.session import Session, Steps
    from drmemctl.tree.node import Tree


class _CallableSimulation(ModuleType):
    def __call__(  # noqa: PLR0913 - as its command has options
        self,
        tree: Tree,
        steps: Steps = (),
        *,
        kernel: str | Profile | None = None,
        hypervisor: str | None = None,
        added: Iterable[str] = (),
        removed: Iterable[str] = (),
        files: Files | None = None,
        findings: bool = True,
        traced: bool = False,
    ) -> Session:
        """Do steps on a tree; see `drmemctl.simulate.session.simulate`."""
        from drmemctl.simulate.session import simulate

        return simulate(
            tree,
            steps,
            kernel=kernel,
            hypervisor=hypervisor,
            added=added,
            removed=removed,
            files=files,
            findings=findings,
            traced=traced,
        )


sys.modules[__name__].__class__ = _CallableSimulation
