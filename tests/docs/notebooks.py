# SPDX-License-Identifier: MIT
"""Running a notebook without Jupyter: its code cells one after the other in this process, as IPython shows them.

What a cell prints is a stream; the value of the expression that it ends with is its result, as text and, where it
has a `_repr_html_`, as HTML.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

Json = dict[str, Any]


def executed(notebook: Json) -> Json:
    """Return a notebook with what its cells give now."""
    names: Json = {"__name__": "__main__"}
    count = 0

    def run(cell: Json) -> Json:
        nonlocal count
        if cell["cell_type"] != "code":
            return cell
        count += 1
        outputs = _outputs("".join(cell["source"]), names, count)
        return {**cell, "execution_count": count, "outputs": outputs}

    with contextlib.chdir(ROOT):
        return {**notebook, "cells": [run(cell) for cell in notebook["cells"]]}


def _outputs(source: str, names: Json, count: int) -> list[Json]:
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"<cell {count}>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"<cell {count}>", "eval"), names)
    outputs: list[Json] = []
    if printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": _lines(printed.getvalue())})
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        if hasattr(value, "_repr_html_"):
            data = {"text/html": _lines(value._repr_html_()), **data}
        outputs.append({"data": data, "execution_count": count, "metadata": {}, "output_type": "execute_result"})
    return outputs


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def read(path: Path) -> Json:
    """Return a notebook."""
    notebook: Json = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def write(path: Path, notebook: Json) -> None:
    """Write a notebook as Jupyter does."""
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
