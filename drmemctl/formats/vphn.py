# SPDX-License-Identifier: MIT
"""The associativity list of H_HOME_NODE_ASSOCIATIVITY: a CPU's home node as the hypervisor has it, in registers.

Source: LoPAR 2.9, "H_HOME_NODE_ASSOCIATIVITY"; Linux arch/powerpc/platforms/pseries/vphn.c
`vphn_unpack_associativity`. The six registers are a stream of 24 halfwords: one with its first bit set holds a
domain in the other 15, one without begins a domain of 31 bits that the next one ends, and 0xffff ends the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

REGISTERS = 6
HALFWORDS = 4 * REGISTERS
MAX_DOMAIN = 0x7FFFFFFF

_END = 0xFFFF
_SHORT = 0x8000


def pack_home_node(domains: Iterable[int]) -> tuple[int, ...] | None:
    """Return the registers for a list of domains; None for one that they have no room for."""
    halfwords: list[int] = []
    for domain in domains:
        if domain > MAX_DOMAIN:
            return None
        # 0x7fff in one halfword would be the end of the list.
        short = domain < _END - _SHORT
        halfwords += [_SHORT | domain] if short else [domain >> 16, domain & 0xFFFF]
    if len(halfwords) > HALFWORDS:
        return None
    halfwords += [_END] * (HALFWORDS - len(halfwords))
    quads = zip(*[iter(halfwords)] * 4, strict=True)
    return tuple(first << 48 | second << 32 | third << 16 | fourth for first, second, third, fourth in quads)


def unpack_home_node(registers: Sequence[int]) -> tuple[int, ...]:
    """Return the domains that Linux takes out of the registers."""
    halfwords = (register >> shift & 0xFFFF for register in registers[:REGISTERS] for shift in (48, 32, 16, 0))
    domains: list[int] = []
    high: int | None = None
    for halfword in halfwords:
        if high is not None:
            domains.append(high << 16 | halfword)
            high = None
        elif halfword == _END:
            break
        elif halfword & _SHORT:
            domains.append(halfword & ~_SHORT)
        else:
            high = halfword
    return tuple(domains)
