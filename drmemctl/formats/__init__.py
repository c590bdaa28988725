# SPDX-License-Identifier: MIT
"""Byte layouts, one Construct declaration each: the only place that knows an offset. No policy.

Every module declares its layout with its source and has functions that take a property's raw bytes and return
what is there together with the `Defect`s seen; none raises on bad bytes.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _OnDemand(ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


# Construct imports a debugger and OpenSSL for what no layout here has: a tenth of a command's start.
_deferred = [name for name in ("pdb", "hashlib") if name not in sys.modules]
sys.modules.update((name, _OnDemand(name)) for name in _deferred)
try:
    import_module("construct")
finally:
    for _name in _deferred:
        del sys.modules[_name]
