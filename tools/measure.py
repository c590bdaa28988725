# SPDX-License-Identifier: MIT
"""How the code reads, in figures: lines, names that say nothing, class names used twice, helpers with one caller.

``python tools/measure.py [PACKAGE …]`` prints a row for each package, and with ``--worst`` what makes it.
``--trip`` counts the modules and functions that three tasks pass through.
The figures are for comparison between commits and between code bases: each is counted the same way everywhere.
"""

from __future__ import annotations

import argparse
import ast
import collections
import contextlib
import importlib.util
import io
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

#: Names that say where a value came from and not what it is.
EMPTY_NAMES = frozenset(
    (
        *("found", "one", "other", "others", "each", "made", "held", "kept", "taken", "given"),
        *("known", "left", "what", "some", "rest", "asked", "told", "done", "so", "now"),
    )
)
_NOT_CODE = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
)
_SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Figures:
    """What one package's modules add up to.

    ``empty_names`` counts stores to `EMPTY_NAMES` by module; ``classes`` has the modules that define a class of
    a name; ``helpers`` the references to each private function, in its own module.
    """

    code_lines: int = 0
    comment_lines: int = 0
    empty_names: collections.Counter[str] = field(default_factory=collections.Counter)
    classes: dict[str, list[str]] = field(default_factory=lambda: collections.defaultdict(list))
    helpers: dict[tuple[str, str], int] = field(default_factory=dict)
    circles: list[list[str]] = field(default_factory=list)

    @property
    def empty_names_per_thousand(self) -> float:
        """Stores to empty names in a thousand lines of code."""
        return 1000 * sum(self.empty_names.values()) / max(self.code_lines, 1)

    @property
    def repeated_classes(self) -> list[str]:
        """Names of classes that several modules define."""
        return sorted(name for name, modules in self.classes.items() if len(modules) > 1)

    @property
    def helpers_with_one_caller(self) -> float:
        """Per cent of the private functions."""
        return 100 * sum(count == 1 for count in self.helpers.values()) / max(len(self.helpers), 1)

    @property
    def comment_share(self) -> float:
        """Comment lines, per cent of code lines and comment lines."""
        return 100 * self.comment_lines / max(self.code_lines + self.comment_lines, 1)


def measured(package: Path) -> Figures:
    """Count every ``.py`` below *package*."""
    figures = Figures()
    imports: dict[str, set[str]] = {}
    top = package.parent
    while (top / "__init__.py").exists():
        top = top.parent
    for path in sorted(package.rglob("*.py")):
        module = ".".join(path.relative_to(top).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_bytes())
        code, comments = _lines(path, tree)
        figures.code_lines += code
        figures.comment_lines += comments
        _names(figures, module, tree)
        imports[module] = set(_imports(module, path.name == "__init__.py", tree))
    figures.circles = _circles(imports)
    return figures


def _lines(path: Path, tree: ast.Module) -> tuple[int, int]:
    """Lines with code that is not a docstring, and lines that are nothing but a comment."""
    docs: set[int] = set()
    for node in ast.walk(tree):
        first = node.body[0] if isinstance(node, _SCOPES) and node.body else None
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            docs.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    code: set[int] = set()
    comments: set[int] = set()
    with tokenize.open(path) as text:
        for token in tokenize.generate_tokens(text.readline):
            if token.type == tokenize.COMMENT:
                comments.add(token.start[0])
            elif token.type not in _NOT_CODE:
                code.update(range(token.start[0], token.end[0] + 1))
    return len(code - docs), len(comments - code)


def _names(figures: Figures, module: str, tree: ast.Module) -> None:
    references: collections.Counter[str] = collections.Counter()
    private: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) if name in EMPTY_NAMES:
                figures.empty_names[module] += 1
            case ast.arg(arg=name) if name in EMPTY_NAMES:
                figures.empty_names[module] += 1
            case ast.Name(id=name, ctx=ast.Load()):
                references[name] += 1
            case ast.Attribute(attr=name, ctx=ast.Load()):
                references[name] += 1
            case ast.ClassDef(name=name):
                figures.classes[name].append(module)
            case ast.FunctionDef(name=name) if name.startswith("_") and not name.startswith("__"):
                private.append(name)
    for name in private:
        figures.helpers[module, name] = references[name]


def _imports(module: str, is_package: bool, tree: ast.Module) -> Iterator[str]:
    """Name the modules that *module* imports anywhere, in functions and for types alone as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            name = node.module or ""
            if node.level:
                package = module if is_package else module.rpartition(".")[0]
                name = importlib.util.resolve_name("." * node.level + name, package)
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Modules that import one another: the strongly connected sets of more than one module (Tarjan)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for target in sorted(imports[module] & imports.keys() - {module}):
            if target not in order:
                visit(target)
                lowest[module] = min(lowest[module], lowest[target])
            elif target in stack:
                lowest[module] = min(lowest[module], order[target])
        if lowest[module] == order[module]:
            members = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(members) > 1:
                circles.append(sorted(members))

    for module in imports:
        if module not in order:
            visit(module)
    return circles


#: What `--trip` follows: arguments of the command line, run on bundled files.
TRIPS = {
    "an LMB from blob to finding": ["check", "fixtures/trees/v1-nvdimm.dtb.gz", "--select", "DRM030"],
    "`dlpar memory remove count 1`": [
        *("simulate", "fixtures/kernel-arrays/numa2-plug2.dtb.gz", "dlpar memory remove count 1")
    ],
    "a diff to Markdown": [
        *("diff", "fixtures/tutorial/lpar7-before.tar.xz", "fixtures/tutorial/lpar7-after.tar.xz"),
        *("--format", "markdown"),
    ],
}
_PARTS = frozenset({"<module>", "<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>"})
"""Code that is no function: some Pythons call it, others have it in the function around it."""


def trip(arguments: list[str]) -> tuple[int, int]:
    """How many of drmemctl's modules and functions run for a command; what importing runs is not counted."""
    from drmemctl.cli.app import main

    functions: set[tuple[str, str]] = set()
    importing = 0

    def on_event(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal importing
        code = frame.f_code
        if event not in ("call", "return") or "/drmemctl/" not in code.co_filename:
            return
        if code.co_name == "<module>":
            importing += 1 if event == "call" else -1
        elif event == "call" and not importing and code.co_name not in _PARTS:
            functions.add((code.co_filename, code.co_qualname))

    sys.setprofile(on_event)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            main(arguments)
    except SystemExit:
        pass
    finally:
        sys.setprofile(None)
    return len({filename for filename, _ in functions}), len(functions)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", type=Path, default=[Path("drmemctl")])
    parser.add_argument("--worst", action="store_true", help="also the modules and names that make the figures")
    parser.add_argument("--trip", action="store_true", help="modules and functions that three tasks pass through")
    options = parser.parse_args(arguments)
    print(
        "| | code | empty names per 1,000 | classes named twice | helpers with one caller | comments | circles |"
    )
    print("|---|---|---|---|---|---|---|")
    for package in options.packages:
        figures = measured(package)
        print(
            f"| {package.name} | {figures.code_lines:,} | {figures.empty_names_per_thousand:.1f} | "
            f"{len(figures.repeated_classes)} | {figures.helpers_with_one_caller:.0f} % | "
            f"{figures.comment_share:.1f} % | {len(figures.circles)} |"
        )
        if options.worst:
            print("  names:", *(f"{module} {count}," for module, count in figures.empty_names.most_common(25)))
            print(
                "  classes:",
                *(f"{name} ({', '.join(figures.classes[name])});" for name in figures.repeated_classes),
            )
            for circle in figures.circles:
                print("  circle:", *circle)
    if options.trip:
        for name, command in TRIPS.items():
            modules, functions = trip(command)
            print(f"{name}: {modules} modules, {functions} functions")


if __name__ == "__main__":
    main()
