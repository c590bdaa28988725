# SPDX-License-Identifier: MIT
"""Where names stand in device tree source: dtc says it as well (`dtc -T -T`)."""

from __future__ import annotations

import re
from pathlib import Path

from drmemctl.tree.dts import read_dts
from drmemctl.tree.places import SourcePlace
from tests.conftest import FIXTURES, Tool

SOURCE = """/dts-v1/;
/* a
 comment */ / { a; b = <1>; /* x
y */ c = "a\\nb", "c";
  l1: n@0 { d = [00 11
 22]; sub { e = <
 1 2 >; }; };
\t/* t */ n@1 { d; };
};
"""

_OPENED = re.compile(r"\s*(?:\w+: )*(\S+) \{ /\* [^:]*:(\d+):(\d+)-")
_CLOSED = re.compile(r"\s*\}; ")
_PROPERTY = re.compile(r"\s*([^\s;=]+)(?: = .*)?; /\* [^:]*:(\d+):(\d+)-")


def places_of(text: bytes) -> dict[tuple[str, str], SourcePlace]:
    tree = read_dts(text, "t.dts")
    wanted = {(path, "") for path, _ in tree.walk()}
    wanted |= {(path, prop.name) for path, node in tree.walk() for prop in node.properties}
    return dict(tree.places_of(wanted))


def dtc_places(text: bytes, dtc: Tool) -> tuple[dict[str, int], dict[tuple[str, str], SourcePlace]]:
    """Return the lines of nodes and the places of properties as dtc has them."""
    nodes: dict[str, int] = {}
    properties: dict[tuple[str, str], SourcePlace] = {}
    names: list[str] = []
    for line in dtc("-q", "-T", "-T", "-I", "dts", "-O", "dts", "-", stdin=text).stdout.decode().splitlines():
        if opened := _OPENED.match(line):
            names.append(opened[1].strip("/"))
            nodes["/" + "/".join(names[1:])] = int(opened[2])
        elif _CLOSED.match(line):
            names.pop()
        elif match := _PROPERTY.match(line):
            properties["/" + "/".join(names[1:]), match[1]] = SourcePlace(int(match[2]), int(match[3]))
    return nodes, properties


def test_they_are_where_dtc_has_them(dtc: Tool) -> None:
    texts = [SOURCE.encode(), *(path.read_bytes() for path in SOURCES)]
    for text in texts:
        nodes, properties = dtc_places(text, dtc)
        ours = places_of(text)
        assert properties == {key: place for key, place in ours.items() if key[1]}
        assert nodes == {path: place.line for (path, name), place in ours.items() if not name}


SOURCES = [FIXTURES / "cases" / "form2-bad-tables.dts", FIXTURES / "races" / "before.dts"]


def test_a_property_that_is_not_there_is_its_node() -> None:
    tree = read_dts(SOURCE.encode(), "t.dts")
    places = tree.places_of({("/n@1", "none"), ("/none", ""), ("/none", "p"), ("", "")})
    assert places == {("/n@1", "none"): SourcePlace(8, 10)}


def test_of_doubles_it_is_the_first() -> None:
    places = places_of(b"/dts-v1/; / {\n n { p;\n p; };\n n { p; q; };\n};")
    assert places["/n", ""] == SourcePlace(2, 2)
    assert places["/n", "p"] == SourcePlace(2, 6)
    assert ("/n", "q") not in places or places["/n", "q"].line == 2


def test_other_trees_have_none(tmp_path: Path) -> None:
    tree = read_dts(SOURCE.encode(), "t.dts")
    assert tree.with_property("/", "a", b"1").places is None, "what was changed stands nowhere"


def test_a_long_line_is_counted_once() -> None:
    text = b"/dts-v1/; / {" + b"".join(b"p%d;" % number for number in range(50_000)) + b"};"
    place = places_of(text)["/", "p49999"]
    assert place == SourcePlace(1, text.index(b"p49999") + 1)
