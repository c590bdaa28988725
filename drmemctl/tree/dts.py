# SPDX-License-Identifier: MIT
"""Reader of device tree source as dtc and fdtdump print it: what a tree is, nothing that makes one.

Directives that delete, include or overlay are refused, each with its line. Strings and cells: `dts_values`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from drmemctl.defect import Defect
from drmemctl.errors import LimitError
from drmemctl.tree.builder import Draft, TreeBuilder, shown
from drmemctl.tree.dts_values import UNRESOLVED, Scanner, Value, read_number, read_value
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.node import Property, Tree
from drmemctl.tree.places import CONTROL, TextPlaces

# Before the text there may be what the tools say on stderr, if both are in one file, a prompt, or who wrote it.
# The empty alternative ends each `*+`: Python before 3.11.5, as Debian 12 has it, goes on behind what the last
# alternative tried in vain (gh-100061).
_PREAMBLE = re.compile(
    r"(?:\s++|\*{4}[^\n]*+|[^\n;{}]*?: (?:Warning|ERROR) \(\w+\): [^\n]*+|)*+"
    r"(?P<foreign>(?:(?:[^\n;{}#$>%]*+[#$>%] ?[^\n;{}]*+|[^\n;{}:]*+:)?[ \t]*+\n)*?(?=[ \t]*/dts-v1/;))?"
)
_HEAD = re.compile(
    r"(?:\s++|//[^\n]*+|/\*.*?\*/|#[ \t][^\n]*+|)*+(?:/dts-v1/|/plugin/|/memreserve/|/include/|#include|/\s*\{)",
    re.DOTALL,
)
_ITEM = re.compile(
    r"(?P<label>[A-Za-z_]\w*):|(?P<close>\})|(?P<directive>/[a-z0-9-]+/)|\\?(?P<name>[a-zA-Z0-9,._+*#?@-]+)"
)
_FDTDUMP = re.compile(r"// magic:\s+0xd00dfeed\n")
_BOOT_CPU = re.compile(r"// boot_cpuid_phys:\s*(0x[0-9a-fA-F]{1,8})\n")

_PLAIN = "let dtc make one plain tree of it: dtc -O dts FILE"
_DIRECTIVES = {
    "/delete-node/": "deletes a node",
    "/delete-property/": "deletes a property",
    "/omit-if-no-ref/": "may leave a node out",
    "/include/": "would read a further file",
    "/incbin/": "would read a further file",
}


def is_dts(head: bytes) -> bool:
    """Whether a text begins as device tree source does."""
    text = head.decode("latin-1").removeprefix("\xef\xbb\xbf")
    match = _PREAMBLE.match(text)
    return _HEAD.match(text, match.end() if match else 0) is not None


def read_dts(data: bytes, source: str) -> Tree:
    """Return the tree of a device tree source text.

    Raises `InputError` with line and column where it is not what dtc or fdtdump print, `LimitError` beyond
    `LIMITS`. An escape that versions of dtc print and read differently is a defect `dts-ambiguous-escape`.
    """
    return _Parser(data, source).parse()


class _Parser:
    def __init__(self, data: bytes, source: str) -> None:
        text = data.decode("latin-1").removeprefix("\xef\xbb\xbf")
        match = _PREAMBLE.match(text)
        start = match.end() if match else 0
        header = text[start : start + 2000]
        self._scanner = Scanner(text, source, raw_strings=_FDTDUMP.search(header) is not None)
        self._scanner.at = start
        self._places = TextPlaces(text)
        boot_cpu = _BOOT_CPU.search(header)
        self._boot_cpu = int(boot_cpu[1], 16) if boot_cpu else 0
        self._builder = TreeBuilder(source, "dts")
        if match and match["foreign"]:
            message = (
                f"what stands before /dts-v1/ is no device tree source: {shown(match['foreign'].strip(), 60)}"
            )
            self._builder.note(Defect("dts-line", message))
        self._reservations: list[tuple[int, int]] = []
        self._labels: dict[str, Draft] = {}
        self._pending: list[tuple[Draft, int, int, str, int]] = []

    def parse(self) -> Tree:
        """Return the tree of the whole text."""
        zero = self._scanner.text.find("\0")
        if zero >= 0:
            self._scanner.fail(CONTROL.format(0), zero)
        with self._scanner.limits_placed():
            self._prologue()
            self._body()
        self._resolve()
        if self._scanner.space():
            self._scanner.fail("something follows the tree", hint=_PLAIN)
        tree = self._builder.finish(reservations=self._reservations, boot_cpu=self._boot_cpu)
        return replace(tree, places=self._places)

    def _prologue(self) -> None:
        """Read what stands before the root: the version, memory reservations."""
        scanner = self._scanner
        while True:
            scanner.space()
            if scanner.text.startswith("/memreserve/", scanner.at):
                scanner.at += len("/memreserve/")
                self._reservations.append((read_number(scanner), read_number(scanner)))
                scanner.expect(";", "a memory reservation")
                if len(self._reservations) > LIMITS.max_reservations:
                    message = f"more than {LIMITS.max_reservations:,} memory reservations"
                    raise LimitError(message, source=scanner.source)
            elif scanner.text.startswith("/dts-v1/", scanner.at):
                scanner.at += len("/dts-v1/")
                scanner.expect(";", "/dts-v1/")
            elif match := scanner.take(_ITEM):
                self._odd_prologue(match)
            else:
                break
        scanner.expect("/", "the prologue")
        self._places.note_root(scanner.at - 1)
        scanner.expect("{", "the root's name /")

    def _odd_prologue(self, match: re.Match[str]) -> None:
        if match["label"]:
            self._labels[match["label"]] = self._builder.root
            return
        message = match[0][:40]
        if message == "/plugin/":
            message = "/plugin/: this is an overlay, not a tree"
        elif message in _DIRECTIVES:
            message += f" {_DIRECTIVES[message]}"
        else:
            message = f"{shown(message)} stands where the root node / {{ … }} should"
        self._scanner.fail(message, match.start(), _PLAIN)

    def _body(self) -> None:
        """Read from the root's first property to its end."""
        scanner = self._scanner
        node: Draft | None = self._builder.root
        labels: list[str] = []
        while node is not None:
            scanner.space()
            match = scanner.take(_ITEM)
            if match is None:
                expected = "expected a property, a node or }"
                cut = f"the text ends within the node {shown(node.path)}"
                scanner.fail(expected if scanner.at < len(scanner.text) else cut)
            if match["label"]:
                labels.append(match["label"])
            elif match["close"]:
                scanner.expect(";", "}")
                node = node.parent
            elif match["directive"]:
                directive = match["directive"]
                scanner.fail(f"{directive} {_DIRECTIVES.get(directive, 'is not known')}", match.start(), _PLAIN)
            else:
                node = self._named(node, match, labels)
                labels = []

    def _named(self, node: Draft, match: re.Match[str], labels: list[str]) -> Draft:
        """Read what follows a name; return the node that comes next."""
        scanner, name = self._scanner, match["name"]
        character = scanner.space()
        scanner.at += 1
        if character == "{":
            child = self._builder.child(node, name)
            child.number = self._places.note_node(match.start())
            self._labels.update(dict.fromkeys(labels, child))
            return child
        self._places.note_property(node.number, match.start())
        if character not in {"=", ";"}:
            scanner.fail(f"expected {{, = or ; after {shown(name)}", scanner.at - 1)
        value = read_value(scanner) if character == "=" else Value()
        for offset, target, place in value.references:
            self._pending.append((node, len(node.properties), offset, target, place))
        self._builder.add(node, name, bytes(value.data))
        if value.ambiguous:
            message = (
                f"`\\{value.ambiguous}` was read as NUL and {value.ambiguous[1:]}, as dtc 1.6 prints them; "
                "by the grammar it is one octal number"
            )
            self._builder.note(Defect("dts-ambiguous-escape", message, node.path, name))
        return node

    def _resolve(self) -> None:
        """Put phandles where nodes are referred to."""
        changed: dict[tuple[int, int], tuple[Draft, int, bytearray]] = {}
        for node, index, offset, target, place in self._pending:
            value = node.properties[index].value
            entry = changed.setdefault((id(node), index), (node, index, bytearray(value)))
            entry[2][offset : offset + len(UNRESOLVED)] = self._phandle(target, place)
        for node, index, data in changed.values():
            node.properties[index] = Property(node.properties[index].name, bytes(data))

    def _phandle(self, target: str, place: int) -> bytes:
        node: Draft | None = self._labels.get(target)
        if target.startswith("/"):
            node = self._builder.root
            for name in target.strip("/").split("/"):
                node = node.by_name.get(name) if node is not None and name else node
        if node is None:
            self._scanner.fail(f"&{shown(target)} refers to no node of this text", place, _PLAIN)
        names = ("phandle", "linux,phandle")
        handles = [prop.value for prop in node.properties if prop.name in names and len(prop.value) == 4]
        if not handles:
            self._scanner.fail(f"&{shown(target)} refers to a node without a phandle", place, _PLAIN)
        return handles[0]
