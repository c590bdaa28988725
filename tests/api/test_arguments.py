# SPDX-License-Identifier: MIT
"""Arguments that a function cannot take: an error of the package, or one of Python that says which argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import isfunction, signature
from typing import Any

import pytest

import drmemctl
from drmemctl.errors import DrmemctlError
from tests.cases import each
from tests.conftest import FIXTURES

TREE = drmemctl.load(FIXTURES / "captures" / "6.1-lpm.dtb.gz")
TABLE = drmemctl.lmb(TREE)
STEP = "dlpar memory add count 1"
WRONG: tuple[Any, ...] = (
    *(
        None,
        3,
        -1,
        0,
        1 << 200,
        True,
        1.5,
        float("nan"),
        "",
        "x",
        "\0",
        "\ud800",
        "../nowhere",
        b"",
        b"x",
        [],
        [3],
    ),
    *([None], {}, ()),
    object(),
)

FUNCTIONS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(
        ("address_map", "assoc", "blocks", "check", "dtb", "dts", "history", "kdump", "kexec"), (TREE,)
    ),
    **dict.fromkeys(("lmb", "memblock", "numa", "overview", "removable", "repair", "report", "simulate"), (TREE,)),
    "capture": ("/nowhere",),
    "capture_dump": ("nowhere",),
    "convert": (TREE, "v2"),
    "decode": ("rtas-event", b"\6"),
    "diff": (TREE, TREE),
    "encode": ("rtas-event", b"{}"),
    "explore": (TREE, (STEP,)),
    "load": (TREE.source,),
    "profile": ("6.1",),
    "watch": ("/nowhere",),
}
"""Public functions, each with arguments that it takes."""

FLAGS = {"redact", "hotplug", "findings", "traced", "everything", "migration"}

METHODS: dict[str, tuple[Callable[..., Any], int]] = {
    "explored.traced": (drmemctl.explore(TREE, [STEP], max_states=9).traced, 1),
    "table[]": (TABLE.__getitem__, 1),
    "table.lmb": (TABLE.lmb, 1),
    "table.lmbs": (TABLE.lmbs, 1),
    "table.index_of_drc": (TABLE.index_of_drc, 1),
    "table.part": (TABLE.part, 2),
    "table.rest_of_run": (TABLE.rest_of_run, 1),
    "table.with_changed": (TABLE.with_changed, 2),
    "table.node_of": (TABLE.node_of, 1),
    "tree[]": (TREE.__getitem__, 1),
    "tree.find": (TREE.find, 1),
    "tree.node": (TREE.node, 1),
    "tree.get": (TREE.get, 2),
    "tree.with_property": (TREE.with_property, 3),
    "node[]": (TREE.root.__getitem__, 1),
    "node.child": (TREE.root.child, 1),
    "Simulation": (drmemctl.Simulation, 3),
    "Simulation.run": (drmemctl.Simulation(TREE).run, 1),
    "Session.do": (drmemctl.simulate(TREE).do, 1),
    "LmbTable.from_tree": (drmemctl.LmbTable.from_tree, 1),
    "Drmem.from_tree": (drmemctl.Drmem.from_tree, 1),
    "Associativity.from_tree": (drmemctl.Associativity.from_tree, 1),
    "NumaLayout.from_tree": (drmemctl.NumaLayout.from_tree, 1),
    "CapturedFiles.to_bytes": (drmemctl.CapturedFiles((), 0).to_bytes, 1),
}


def faults(function: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any], name: str) -> Iterator[str]:
    """Yield what is wrong with what a call is answered by."""
    try:
        result = function(*args, **named)
        if isinstance(result, Iterator):
            next(result, None)
    except DrmemctlError as error:
        if not str(error):
            yield "an error without words"
    except (TypeError, ValueError, IndexError) as error:
        if name and name not in str(error) and "is no rule" not in str(error):
            yield f"{args} {named}: {type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - is what is looked for
        yield f"{args} {named}: {type(error).__name__}: {error}"


def test_all_functions_are_tried() -> None:
    names = {name for name in drmemctl.__all__ if isfunction(getattr(drmemctl, name))}
    assert names | {"check", "simulate"} == set(FUNCTIONS)


@each("name", sorted(FUNCTIONS))
def test_a_wrong_argument_is_named(name: str) -> None:
    function: Callable[..., Any] = getattr(drmemctl, name)
    good = FUNCTIONS[name]
    for position, parameter in enumerate(signature(function).parameters):
        if parameter in FLAGS:
            continue
        for value in WRONG:
            args, named = list(good), {"count": 1} if name == "watch" else {}
            if position < len(args):
                args[position] = value
            else:
                named[parameter] = value
            if "root" in signature(function).parameters and not (args[0] or args[0] is None):
                continue  # what is there
            assert list(faults(function, tuple(args), named, parameter)) == []


@each("name", sorted(METHODS))
def test_a_method_takes_nothing_wrong(name: str) -> None:
    method, number = METHODS[name]
    for position in range(number):
        for value in WRONG:
            args: list[Any] = ["/", "model", b"x"] if name.startswith("tree") else [TREE, "6.1", "qemu"]
            args = [0, 0] if name.startswith("table") else args
            args[position] = value
            assert list(faults(method, tuple(args[:number]), {}, "")) == []


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: drmemctl.explore(TREE, [STEP], jobs=0), "jobs must be 1 or more, not 0"),
        (lambda: drmemctl.explore(TREE, [STEP], max_states=-1), "max_states must be 1 or more, not -1"),
        (lambda: drmemctl.explore(TREE, [STEP], max_seconds=0), "max_seconds must be more than 0, not 0"),
        (lambda: TREE[3], "path must be a str, not int"),  # type: ignore[index]
        (lambda: drmemctl.lmb("x.dtb"), r"tree must be a Tree \(drmemctl.load makes one\), not str"),  # type: ignore[arg-type]
        (lambda: drmemctl.kdump(TREE, page=0), "page must be 1 or more, not 0"),
        (lambda: drmemctl.simulate(TREE, [3]), "steps must be a str, or several steps, not int"),  # type: ignore[list-item]
        (lambda: drmemctl.history(TREE, limit=0), "limit must be 1 or more, not 0"),
        (lambda: TABLE["x"], "an index of LMBs must be an int or a slice, not str"),  # type: ignore[call-overload]
    ],
)
def test_what_is_said(call: Callable[[], Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        call()


def test_one_name_stands_for_a_list_of_one() -> None:
    assert drmemctl.check(TREE, select="migration") == drmemctl.check(TREE, select=["migration"])
    assert drmemctl.simulate(TREE, kernel="6.1", removed="drmem-array").simulation.profile == drmemctl.profile(
        "6.1", removed=["drmem-array"]
    )


def test_a_slice_of_lmbs_is_a_sequence_of_lmbs() -> None:
    lmbs = list(TABLE)
    for part in (slice(0, 3), slice(-2, None), slice(None, None, -5), slice(40, 50), slice(3, 1)):
        assert list(TABLE[part]) == lmbs[part]
