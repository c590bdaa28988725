# SPDX-License-Identifier: MIT
"""Home nodes in registers: the values of Linux tools/testing/selftests/powerpc/vphn/test-vphn.c, and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drmemctl.formats.vphn import HALFWORDS, MAX_DOMAIN, pack_home_node, unpack_home_node
from tests.cases import each

NONE = 0xFFFFFFFFFFFFFFFF
CASES = {
    "no data": ([], []),
    "1 x 16 bits": ([0x8001FFFFFFFFFFFF], [1]),
    "4 x 16 bits": ([0x8001800280038004], [1, 2, 3, 4]),
    "5 x 16 bits": ([0x8001800280038004, 0x8005FFFFFFFFFFFF], [1, 2, 3, 4, 5]),
    "24 x 16 bits": (
        [
            *(0x8001800280038004, 0x8005800680078008, 0x8009800A800B800C),
            *(0x800D800E800F8010, 0x8011801280138014, 0x8015801680178018),
        ],
        list(range(1, 25)),
    ),
    "1 x 32 bits": ([0x00000001FFFFFFFF], [1]),
    "3 x 32 bits": ([0x0000000100000002, 0x00000003FFFFFFFF], [1, 2, 3]),
    "16 then 32": ([0x800100000002FFFF], [1, 2]),
    "32 then 16": ([0x000000018002FFFF], [1, 2]),
    "16 then 2 x 32": ([0x8001000000020000, 0x0003FFFFFFFFFFFF], [1, 2, 3]),
    "all ones in the lower half": ([0x0001FFFF80028003], [0x1FFFF, 2, 3]),
    "the last one cut off": (
        [
            *(0x0000000100000002, 0x0000000300000004, 0x0000000500000006),
            *(0x0000000700000008, 0x000000090000000A, 0x0000000B800C2BAD),
        ],
        list(range(1, 13)),
    ),
    "garbage behind the end": ([0xFFFF2BAD2BAD2BAD, *[0x2BAD2BAD2BAD2BAD] * 5], []),
    "QEMU, form 2, node 0, CPU 1": ([0x0000000000000001], [0, 1]),
}


@each(("registers", "domains"), CASES.values(), ids=CASES)
def test_what_linux_takes_out_of_the_registers(registers: list[int], domains: list[int]) -> None:
    assert list(unpack_home_node([*registers, *[NONE] * (6 - len(registers))])) == domains


@given(st.lists(st.integers(0, MAX_DOMAIN), max_size=HALFWORDS))
def test_what_fits_comes_back(domains: list[int]) -> None:
    registers = pack_home_node(domains)
    room = sum(1 if domain < 0x7FFF else 2 for domain in domains)
    assert (registers is None) == (room > HALFWORDS)
    assert registers is None or unpack_home_node(registers) == tuple(domains)


def test_what_does_not_fit() -> None:
    assert pack_home_node([MAX_DOMAIN + 1]) is None
    assert pack_home_node([0x7FFF]) == (0x00007FFFFFFFFFFF, *[NONE] * 5)
    assert pack_home_node([1] * 25) is None
