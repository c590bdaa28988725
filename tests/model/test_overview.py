# SPDX-License-Identifier: MIT
"""The overview's own figures; those of its parts are tested with the parts."""

from __future__ import annotations

import struct

import pytest

from drmemctl.errors import NotInTreeError
from drmemctl.model.overview import Identity, Overview
from drmemctl.tree.node import Tree
from tests.model.partitions import LMB, cells, drmem, fixture_tree, memory, node, partition

DRMEM = "/ibm,dynamic-reconfiguration-memory"
V1 = "ibm,dynamic-memory"


def test_the_machine_says_who_it_is() -> None:
    root = node(
        "",
        model=b"IBM,9080-HEX\0",
        ibm__partition_name=b"lpar7\0",
        ibm__partition_no=cells(7),
        **{"system-id": b"IBM,0213C6D98\0", "vm,uuid": b"not this one\0"},
    )
    assert Identity.of(root) == Identity("IBM,9080-HEX", "IBM,0213C6D98", "lpar7", 7)


@pytest.mark.parametrize(
    ("uuid", "serial"),
    [
        (b"00000000-0000-0000-0000-000000000000\0", None),
        (b"6d7b8f2c-8f5c-4b3a-9f57-0d8f5a1c1d55\0", "6d7b8f2c-8f5c-4b3a-9f57-0d8f5a1c1d55"),
    ],
)
def test_a_guest_without_a_serial_number_has_its_uuid(uuid: bytes, serial: str | None) -> None:
    assert Identity.of(node("", **{"vm,uuid": uuid})).serial == serial


def test_what_the_root_does_not_say_is_not_known() -> None:
    assert Identity.of(node("", ibm__partition_no=b"\0")) == Identity(None, None, None, None)


def both() -> Tree:
    v1 = struct.pack(">IQIIII", 1, LMB, 0x80000001, 0, 0, 8)
    return partition(drmem([(4, 0, 0, 0, 0)], ((0,),))).with_property(DRMEM, V1, v1)


def test_v1_wins_over_v2_and_it_is_said() -> None:
    dynamic = Overview.from_tree(both()).dynamic
    assert dynamic is not None
    assert (dynamic.format, dynamic.property, dynamic.both, dynamic.lmbs) == ("v1", V1, True, 1)
    assert [one.code for one in Overview.from_tree(both()).defects] == ["drmem-both"]


def test_states_are_counted_by_lmb() -> None:
    sets = [(1, 0, 0, 0, 8), (2, LMB, 1, 0, 0x108), (4, 3 * LMB, 3, 0, 0), (8, 7 * LMB, 7, 0, 0xA0)]
    dynamic = Overview.from_tree(partition(drmem(sets, ((0,),)))).dynamic
    assert dynamic is not None
    assert dynamic.states == {"assigned": 3, "free": 4, "reserved": 8, "hot-removable": 2}


def test_defects_of_all_parts_come_together() -> None:
    tree = partition(
        memory(0, LMB, (0,), linux__usable_memory=b"\0"),
        drmem([], ((0,),), None),
        rtas={"ibm__max_associativity_domains": cells(5, 1)},
    )
    codes = {one.code for one in Overview.from_tree(tree).defects}
    assert {"lmb-size-absent", "usable-reg-trailing", "domains-too-short"} <= codes


def test_features_are_those_agreed_on() -> None:
    # Byte 2 0x20, byte 5 0xa0, byte 6 0x04, byte 22 0x80, byte 23 0x40, byte 24 0x40, byte 26 0x40, by fdtget.
    assert Overview.from_tree(fixture_tree("trees/memless-form2")).features == (
        "DRCONF_MEMORY",
        "FORM1",
        "FORM2",
        "HP_EVT",
        "DRMEM_V2",
        "XIVE_EXPLOIT",
        "MMU_RADIX",
        "RADIX_GTSE",
    )


def test_findings_are_none_until_someone_gives_them() -> None:
    tree = fixture_tree("trees/v2-gap")
    assert Overview.from_tree(tree).findings is None
    assert Overview.from_tree(tree, {"error": 1}).findings == {"error": 1}


def test_without_dynamic_memory_the_rest_is_shown() -> None:
    found = Overview.from_tree(fixture_tree("trees/nomaxmem"))
    assert (found.dynamic, found.lookup, found.boot_bytes) == (None, None, 2 << 30)


def test_a_tree_from_before_client_architecture_support_is_refused() -> None:
    with pytest.raises(NotInTreeError, match="before ibm,client-architecture-support"):
        Overview.from_tree(fixture_tree("trees/precas"))
