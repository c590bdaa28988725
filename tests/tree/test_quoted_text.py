# SPDX-License-Identifier: MIT
"""Text of lsprop and dtc out of mails and documents: no quoting, no indent, and no other line is a property."""

from __future__ import annotations

import time

import pytest

from drmemctl.errors import InputError
from drmemctl.tree.node import Tree
from drmemctl.tree.quoted_text import unquoted
from drmemctl.tree.source import load
from tests.conftest import FIXTURES

DRMEM = "/ibm,dynamic-reconfiguration-memory"
PLAIN = f"""\
/proc/device-tree{DRMEM}/ibm,lmb-size
\t\t 00000000 10000000
/proc/device-tree{DRMEM}/ibm,dynamic-memory-v2
\t\t 00000001 0000018e 00000000 20000000
\t\t 80000002 00000001 00000008
/proc/device-tree/rtas/ibm,associativity-reference-points
\t\t 00000004 00000002
"""
NODE = """\
ibm,lmb-size     00000000 10000000
name             "ibm,dynamic-reconfiguration-memory"
ibm,dynamic-memory-v2
\t\t 00000001 0000018e 00000000 20000000
\t\t 80000002 00000001 00000008
"""
SOURCE = (FIXTURES / "cases" / "partial-drconf.dts").read_text()


def before_each(line: str, text: str) -> str:
    return "".join(line + part for part in text.splitlines(keepends=True))


QUOTED = {
    "two blanks": lambda text: before_each("  ", text),
    "code block": lambda text: before_each("    ", text),
    "tab": lambda text: before_each("\t", text),
    "three tabs": lambda text: before_each("\t\t\t", text),
    "quoted": lambda text: before_each("> ", text),
    "quoted, no blank": lambda text: before_each(">", text),
    "quoted twice": lambda text: before_each("> > ", text),
    "quoted twice, no blanks": lambda text: before_each(">> ", text),
    "indented, then quoted": lambda text: before_each(">     ", text),
    "quoted, then indented": lambda text: before_each("  > ", text),
    "with empty lines": lambda text: "\n" + before_each("> ", text.replace("\n", "\n\n")),
    "line ends of mail": lambda text: before_each("> ", text).replace("\n", "\r\n"),
}


def known(tree: Tree) -> dict[str, bytes]:
    return {f"{path}:{prop.name}": prop.value for path, node in tree.walk() for prop in node.properties}


@pytest.mark.parametrize("text", [PLAIN, NODE, SOURCE], ids=("properties", "node", "source"))
@pytest.mark.parametrize("changed", QUOTED.values(), ids=QUOTED)
def test_quoting_and_indent_change_nothing(text: str, changed: object) -> None:
    assert callable(changed)
    assert known(load(changed(text).encode())) == known(load(text.encode()))


PROSE = {
    "prompts": ("[root@lpar7 ~]# date\n", "[root@lpar7 ~]# \n"),
    "a prompt of bash": ("bash-5.1# uname -r\n", "bash-5.1#\n"),
    "a prompt of a user": ("$ cd /proc/device-tree\n", "$\n"),
    "a letter": ("Hi all,\n\nthis is what I see here:\n\n", "\nKind regards,\n--\nX\n"),
}


@pytest.mark.parametrize("quote", ["", "> ", "    "])
@pytest.mark.parametrize(("before", "after"), PROSE.values(), ids=PROSE)
def test_other_lines_are_noted_and_no_properties(before: str, after: str, quote: str) -> None:
    read = load(before_each(quote, before + PLAIN + after).encode())
    found = known(read)
    assert {name: found[name] for name in known(load(PLAIN.encode()))} == known(load(PLAIN.encode()))
    assert not [name for name in found if name.endswith(("$", ">", "#", "%", "~]#", ","))]
    assert "lsprop-line" in {defect.code for defect in read.defects}


def test_a_block_of_a_letter_may_be_indented() -> None:
    text = "Hi all,\nplease have a look at this:\n\n" + before_each("    ", PLAIN) + "\nRegards, X Y\n"
    assert known(load(PLAIN.encode())).items() <= known(load(text.encode())).items()


def test_who_wrote_it_and_a_prompt_may_stand_before_source() -> None:
    for line in ("On Monday X wrote:\n", "root@lpar7:~# dtc -I fs /proc/device-tree\n"):
        read = load((line + before_each("> ", SOURCE)).encode())
        assert known(read) == known(load(SOURCE.encode()))
        assert [defect.code for defect in read.defects] == ["dts-line"]


def test_a_few_quoted_lines_are_no_quoting() -> None:
    text = b"> lsprop /proc/device-tree\nx                00000001\ny                00000002\n"
    assert unquoted(text) == text


def test_other_text_is_refused_quoted_or_not() -> None:
    for quote in ("", "> ", "    "):
        with pytest.raises(InputError):
            load(before_each(quote, "just some words\nand more of them\n").encode())


@pytest.mark.parametrize("line", [b"> " * 5000 + b"\n", b" " * 10_000 + b"\n", b">\n", b"\t>\t>\n", b"a#$>%: ;\n"])
def test_hostile_quoting_takes_no_time(line: bytes) -> None:
    start = time.process_time()
    with pytest.raises(InputError):
        load(line * (4_000_000 // len(line)))
    assert time.process_time() - start < 5
