# SPDX-License-Identifier: MIT
"""Rules by family: each a small function that judges a state, registered with what `explain` tells of it.

The package can be called, as `drmemctl.check(tree)`: that name is this module as soon as anything imports it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from drmemctl.arguments import checked

if TYPE_CHECKING:
    from drmemctl.check.finding import Finding
    from drmemctl.tree.node import Tree


class _Callable(ModuleType):
    @checked()
    def __call__(
        self,
        tree: Tree,
        *,
        before: Tree | None = None,
        kernel: str | None = None,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
    ) -> tuple[Finding, ...]:
        """Return the findings of a tree, the worst first.

        `before` is the tree from before a migration; `kernel` the kernel that the rules must be about, else the
        one that the input names (a capture, a sosreport), else any. `select` and `ignore` are rule ids, beginnings
        of ids or families. `ValueError` for an unknown one, `ProfileError` for a kernel that is not known.
        """
        from drmemctl.check.report import report_tree
        from drmemctl.check.settings import plan_of

        return report_tree(tree, plan_of(kernel, select, ignore), before).findings


sys.modules[__name__].__class__ = _Callable
