# SPDX-License-Identifier: MIT
"""What lsprop prints for a tree, made from its manual and its source: no code of the reader under test."""

from __future__ import annotations

from drmemctl.tree.node import Node, Property

CUT = 128


def printed(prop: Property, most: int = CUT) -> str:
    """Return what lsprop prints for a property: made from its manual and its source, for tests only."""
    shown = prop.value[:most]
    lead = f"{prop.name:<16}" + ("\n\t\t" if len(prop.name) > 16 else "")
    text = all(byte in b"\r\n\t\0" or 0x20 <= byte < 0x7F for byte in shown)
    if shown and text and shown[-1] == 0 and (len(shown) == 1 or shown[0]):
        body = (
            ' "' + "".join({0: '"\n\t\t "', 10: "\n\t\t ", 13: "\n\t\t "}.get(c, chr(c)) for c in shown[:-1]) + '"'
        )
    elif len(shown) == 4:
        number = int.from_bytes(shown, "big", signed=True)
        body = f" {shown.hex()}" + ("" if number <= -0x10000 or 0 <= number <= 9 else f" ({number})")
    elif len(shown) % 4 == 0:
        words = [f" {shown[at : at + 4].hex()}" for at in range(0, len(shown), 4)]
        per_line = 6 if len(words) % 6 == 0 else 5 if len(words) % 5 == 0 else 4
        body = "\n\t\t".join("".join(words[at : at + per_line]) for at in range(0, len(words), per_line))
    else:
        rows = [shown[at : at + 16] for at in range(0, len(shown), 16)]
        body = "\n\t\t".join(
            "".join(f" {byte:02x}" for byte in row).ljust(48)
            + "".join(chr(byte) if 0x20 < byte < 0x7F else "." for byte in row)
            for row in rows
        )
    total = f"\t\t [{len(prop.value)} bytes total]\n" if len(prop.value) > most else ""
    return f"{lead}{body}\n{total}"


def listing(node: Node, path: str, most: int = CUT) -> str:
    """Return what `lsprop -R` prints for a node and all below it."""
    text = "".join(printed(prop, most) for prop in node.properties)
    for child in node.children:
        below = f"{path}/{child.name}" if path else child.name
        text += ("\n" if text else "") + f"{below}:\n" + listing(child, below, most)
    return text
