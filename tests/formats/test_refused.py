# SPDX-License-Identifier: MIT
"""Values that no bytes hold: each encoder names its property, and says why where Python or Construct do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drmemctl.errors import FormatError
from drmemctl.formats.associativity import AssociativityLists, encode_associativity
from drmemctl.formats.configure_connector import ConnectorArea
from drmemctl.formats.domains import CURRENT_DOMAINS
from drmemctl.formats.drc import POWER_DOMAINS, TYPES
from drmemctl.formats.drc_info import DrcInfoEntry
from drmemctl.formats.dynamic_memory import V1, V2, encode_entries
from drmemctl.formats.hotplug_section import Hotplug
from drmemctl.formats.lookup_arrays import encode_lookup_arrays
from drmemctl.formats.memory_reg import MemoryRange, encode_reg
from drmemctl.formats.pmemory import Pmemory
from drmemctl.formats.rtas_event import ExtendedHeader, FixedPart, LogSection, RtasEvent
from drmemctl.formats.update_nodes import Operation, UpdateNodes
from drmemctl.formats.update_properties import Descriptor, UpdateProperties
from drmemctl.formats.usable_memory import encode_usable_memory
from drmemctl.model.run import Run
from tests.cases import each
from tests.encoders import (
    encode_architecture_vec5,
    encode_distance_table,
    encode_domains,
    encode_drc_info,
    encode_drc_strings,
    encode_drc_words,
    encode_features,
    encode_flags_mask,
    encode_index_table,
    encode_lmb_size,
    encode_lrdr_capacity,
    encode_number,
    encode_pmemory,
    encode_preservation_time,
    encode_reference_points,
    encode_strings,
)

TOO_MUCH = 1 << 32
FIXED = (6, 1, 2, 1, 0, 6, 0, 0xE5, 108)
HEADER = (0x86, 0, 1, 0, 14, 0, 0x49424D00)


@each(
    ("encode", "property"),
    [
        (lambda: encode_entries(V1, [Run(-1, 1, 0, 0, 0)]), "ibm,dynamic-memory"),
        (lambda: encode_entries(V2, [Run(0, TOO_MUCH, 0, 0, 0)]), "ibm,dynamic-memory-v2"),
        (lambda: encode_entries(V1, [Run(TOO_MUCH, 1, 0, 0, 0)], 1), "ibm,dynamic-memory"),
        (lambda: encode_entries(V1, [], 3), "ibm,dynamic-memory"),
        (lambda: encode_lookup_arrays([(TOO_MUCH,)], 1), "ibm,associativity-lookup-arrays"),
        (lambda: encode_lmb_size(1 << 64), "ibm,lmb-size"),
        (lambda: encode_lmb_size(TOO_MUCH, 1), "ibm,lmb-size"),
        (lambda: encode_flags_mask(TOO_MUCH), "ibm,memory-flags-mask"),
        (lambda: encode_preservation_time(TOO_MUCH), "ibm,memory-preservation-time"),
        (lambda: encode_number("p", 1 << 96, 3), "p"),
        (lambda: encode_reference_points([TOO_MUCH]), "ibm,associativity-reference-points"),
        (lambda: encode_domains([TOO_MUCH]), "ibm,max-associativity-domains"),
        (lambda: encode_domains([TOO_MUCH], CURRENT_DOMAINS), "ibm,current-associativity-domains"),
        (lambda: encode_index_table([TOO_MUCH]), "ibm,numa-lookup-index-table"),
        (lambda: encode_distance_table([256]), "ibm,numa-distance-table"),
        (lambda: encode_distance_table([10], -1), "ibm,numa-distance-table"),
        (lambda: encode_associativity([TOO_MUCH]), "ibm,associativity"),
        (lambda: encode_associativity([0], [TOO_MUCH]), "ibm,associativity"),
        (lambda: encode_architecture_vec5(bytes(257)), "ibm,architecture-vec-5"),
        (lambda: encode_architecture_vec5(b"\0", 256), "ibm,architecture-vec-5"),
        (lambda: encode_features([], TOO_MUCH), "ibm,architecture-vec-5"),
        (lambda: encode_lrdr_capacity(0, 0, TOO_MUCH), "ibm,lrdr-capacity"),
        (lambda: encode_drc_words(POWER_DOMAINS, [TOO_MUCH]), "ibm,drc-power-domains"),
        (lambda: encode_drc_strings(TYPES, [], -1), "ibm,drc-types"),
        (lambda: encode_drc_info([DrcInfoEntry("M", "L", TOO_MUCH, 0, 0, 0, 0)]), "ibm,drc-info"),
        (lambda: encode_reg([MemoryRange(TOO_MUCH, 0)], 1, 1), "reg"),
        (lambda: encode_reg([MemoryRange(0, 1 << 64)], property="linux,usable-memory"), "linux,usable-memory"),
        (lambda: encode_usable_memory([[MemoryRange(0, TOO_MUCH)]], 2, 1), "linux,drconf-usable-memory"),
        (lambda: encode_pmemory(Pmemory(reg=TOO_MUCH)), "reg"),
        (lambda: encode_pmemory(Pmemory(block_size=1 << 64)), "ibm,block-size"),
        (lambda: encode_pmemory(Pmemory(application="a\0b")), "ibm,pmem-application"),
        (lambda: encode_pmemory(Pmemory(associativity=AssociativityLists(1, (TOO_MUCH,)))), "ibm,associativity"),
        (lambda: UpdateNodes(TOO_MUCH, ()).encode(), "update-nodes"),
        (lambda: UpdateNodes(0, (), bytes(11)).encode(), "update-nodes"),
        (lambda: UpdateNodes(0, (), terminator=TOO_MUCH).encode(), "update-nodes"),
        (lambda: UpdateNodes(0, (Operation(1, (TOO_MUCH,)),)).encode(), "update-nodes"),
        (lambda: UpdateProperties(TOO_MUCH, 0, 0, ()).encode(), "update-properties"),
        (lambda: Descriptor("a", TOO_MUCH).encode(), "update-properties"),
        (lambda: ConnectorArea(TOO_MUCH).encode(), "configure-connector"),
        (lambda: RtasEvent(FixedPart(256, *FIXED[1:])).encode(), "rtas-event"),
        (lambda: RtasEvent(FixedPart(*FIXED), ExtendedHeader(256, *HEADER[1:])).encode(), "rtas-event"),
        (lambda: RtasEvent(None, None, (LogSection(0x5048, 8, 256, 0, 0),)).encode(), "rtas-event"),
        (
            lambda: RtasEvent(None, None, (LogSection(0x4850, 8, 1, 0, 0, hotplug=Hotplug(256, 1, 1)),)).encode(),
            "rtas-event",
        ),
    ],
)
def test_what_does_not_fit_is_told_by_property(encode: Callable[[], bytes], property: str) -> None:
    with pytest.raises(FormatError) as caught:
        encode()
    assert str(caught.value).startswith(f"{property}: cannot be built from these values: ")
    assert caught.value.property == property


@pytest.mark.parametrize(
    ("encode", "said"),
    [
        (
            lambda: encode_lookup_arrays([(1, 2), (1,)], 2),
            "ibm,associativity-lookup-arrays: cannot be built from these values: not every list has 2 domains",
        ),
        (
            lambda: encode_strings(["a\0b"], property="compatible"),
            "compatible: cannot be built from these values: a string with a NUL inside",
        ),
        (
            lambda: encode_strings(["a\0b"]),
            "cannot be built from these values: a string with a NUL inside",
        ),
        (
            lambda: encode_drc_strings(TYPES, ["\0"]),
            "ibm,drc-types: cannot be built from these values: a string with a NUL inside",
        ),
        (
            lambda: encode_drc_info([DrcInfoEntry("M", "\0", 0, 0, 0, 0, 0)]),
            "ibm,drc-info: cannot be built from these values: a string with a NUL inside",
        ),
        (lambda: encode_features(["FORM3"]), "ibm,architecture-vec-5: no feature FORM3 in 26 option bytes"),
        (lambda: encode_features(["FORM1"], size=4), "ibm,architecture-vec-5: no feature FORM1 in 4 option bytes"),
        (
            lambda: UpdateNodes(0, (Operation(256, ()),)).encode(),
            "update-nodes: cannot be built from these values: opcode 256 with count 0",
        ),
        (
            lambda: UpdateNodes(0, (Operation(-1, ()),)).encode(),
            "update-nodes: cannot be built from these values: opcode -1 with count 0",
        ),
        (
            lambda: UpdateNodes(0, (Operation(1, (), 1 << 24),)).encode(),
            "update-nodes: cannot be built from these values: opcode 1 with count 16777216",
        ),
        (
            lambda: UpdateNodes(0, (Operation(1, (), -1),)).encode(),
            "update-nodes: cannot be built from these values: opcode 1 with count -1",
        ),
        (
            lambda: UpdateNodes(0, (), length=19).encode(),
            "a length of 19 bytes: at least 20 and at most 1,048,576 can be",
        ),
        (
            lambda: UpdateProperties(1, 0, 0, (), tail=bytes(1000), length=(1 << 20) + 1).encode(),
            "a length of 1,048,577 bytes: at least 1,020 and at most 1,048,576 can be",
        ),
        (
            lambda: UpdateProperties(1, 0, 1, (Descriptor("a\0b", 0),)).encode(),
            "update-properties: cannot be built from these values: a string with a NUL inside",
        ),
        (
            lambda: Hotplug(2, 1, 1, name="\0").encode(),
            "HP: cannot be built from these values: a string with a NUL inside",
        ),
        (
            lambda: ConnectorArea(1, length=(1 << 20) + 1).encode(),
            "configure-connector: a length of 1,048,577 bytes: at most 1,048,576 can be",
        ),
        (
            lambda: ConnectorArea(1, length=-1).encode(),
            "configure-connector: a length of -1 bytes: at most 1,048,576 can be",
        ),
        (lambda: ConnectorArea(1, length=19).encode(), "configure-connector: 20 bytes in an area of 19"),
        (
            lambda: ConnectorArea(1, rest=bytes(2000), length=1999).encode(),
            "configure-connector: 2,020 bytes in an area of 1,999",
        ),
        (
            lambda: ConnectorArea(1, name_offset=20, name="a\0").encode(),
            "configure-connector: cannot be built from these values: a string with a NUL inside",
        ),
        (
            lambda: ConnectorArea(1, name_offset=1 << 20, name="").encode(),
            "configure-connector: 1 bytes at offset 0x100000: too far",
        ),
        (
            lambda: ConnectorArea(1, value_offset=-1, value=bytes(1000)).encode(),
            "configure-connector: cannot be built from these values: ",
        ),
        (
            lambda: ConnectorArea(None, value_offset=-1, value=bytes(1000)).encode(),
            "configure-connector: 1,000 bytes at offset -0x1: too far",
        ),
    ],
)
def test_what_is_wrong_is_said(encode: Callable[[], bytes], said: str) -> None:
    with pytest.raises(FormatError) as caught:
        encode()
    # Where the sentence ends in a colon, struct has the last word.
    assert str(caught.value) == said or (said.endswith(": ") and str(caught.value).startswith(said))


def test_what_just_fits_is_built() -> None:
    assert encode_features(["FORM1"], size=5) == b"\4\0\0\0\0\x80"
    assert len(encode_architecture_vec5(bytes(256))) == 257
    assert encode_architecture_vec5(b"\0", 255) == b"\xff\0"
    assert Operation(255, (), 0xFFFFFF).encode() == b"\xff" * 4
    assert Operation(0, (), 0).encode() == bytes(4)
    assert UpdateNodes(0, (), length=20).encode() == bytes(20)
    assert len(UpdateNodes(0, (), length=1 << 20).encode()) == 1 << 20
    assert ConnectorArea(None, length=0).encode() == b""
    assert len(ConnectorArea(1, length=1 << 20).encode()) == 1 << 20
    assert ConnectorArea(1, length=20).encode() == b"\0\0\0\1" + bytes(16)
    far = ConnectorArea(1, name_offset=(1 << 20) - 2, name="x").encode()
    assert (len(far), far[-2:]) == (1 << 20, b"x\0")
    assert ConnectorArea(None, value_offset=0, value=b"ab").encode() == b"ab"
    assert ConnectorArea(None, value_offset=0, value=b"").encode() == b""
