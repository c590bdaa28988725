# SPDX-License-Identifier: MIT
"""The step language, steps carried out on a partition, and what each of them changed.

The package can be called, as `drmemctl.simulate(tree, steps)`: that name is this module as soon as anything
imports it.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspect import Signature

    from drmemctl.simulate.session import Session


class _CallableSimulation(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Session:
        """Do steps on a tree; see `drmemctl.simulate.session.simulate`."""
        from drmemctl.simulate.session import simulate

        return simulate(*args, **kwargs)

    @property
    def __signature__(self) -> Signature:
        """That of the function, for prompts and notebooks."""
        from inspect import signature

        from drmemctl.simulate.session import simulate

        return signature(simulate)


sys.modules[__name__].__class__ = _CallableSimulation
