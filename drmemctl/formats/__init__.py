# SPDX-License-Identifier: MIT
"""Byte layouts, one Construct declaration each: the only place that knows an offset. No policy.

Every module declares its layout with its source and has functions that take a property's raw bytes and return
what is there together with the `Defect`s seen; none raises on bad bytes.
"""

import importlib.util
import sys


def _defer(name: str) -> None:
    """Let a module of the standard library be imported only when something of it is used."""
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


# Construct imports a debugger and OpenSSL for what no layout here has: a tenth of a command's start.
_defer("pdb")
_defer("hashlib")
