# SPDX-License-Identifier: MIT
"""The JSON of a check: the contract."""

from __future__ import annotations

import json

from drmemctl.check.report import Report
from tests.output.reports import drawn, finding, hostile, unreadable


def test_the_document_is_the_contract() -> None:
    known = Report("b.dtb", known=3, note="no node")
    text = drawn([Report("a.dtb", (finding(),)), unreadable(), known], "json")
    assert text.endswith("}\n")
    assert json.loads(text) == {
        "schema": "drmemctl.check/1",
        "findings": [
            {
                "rule": "DRM030",
                "severity": "error",
                "title": "assigned LMB whose node cannot be found",
                "message": "2 LMBs are assigned, but without a node",
                "source": "a.dtb",
                "path": "/ibm,dynamic-reconfiguration-memory",
                "property": "ibm,dynamic-memory-v2",
                "offset": 28,
                "lmbs": [
                    {
                        "base": 0x50000000,
                        "count": 2,
                        "drc_index": 0x80000005,
                        "drc_index_hex": "0x80000005",
                        "aa_index": 5,
                        "flags": 8,
                        "flag_names": ["assigned"],
                        "node": None,
                    }
                ],
                "fingerprint": "0123456789abcdef",
            }
        ],
        "inputs": [
            {"source": "a.dtb", "findings": 1, "known": 0, "error": None, "note": None, "judged": True},
            {
                "source": "bad.dtb",
                "findings": 0,
                "known": 0,
                "error": "bad.dtb: no such file or directory",
                "note": None,
                "judged": False,
            },
            {"source": "b.dtb", "findings": 0, "known": 3, "error": None, "note": "no node", "judged": True},
        ],
        "summary": {"error": 1, "warning": 0, "info": 0},
    }


def test_an_empty_list_is_a_list() -> None:
    document = json.loads(drawn([Report("a.dtb")], "json"))
    assert document["findings"] == []
    assert document["summary"] == {"error": 0, "warning": 0, "info": 0}


def test_what_is_not_there_is_null_and_what_is_left_out_is_counted() -> None:
    bare = finding(path="", property="", offset=None, lmbs=(), ranges_left_out=7)
    record = json.loads(drawn([Report("a.dtb", (bare,))], "json"))["findings"][0]
    assert (record["path"], record["property"], record["offset"]) == (None, None, None)
    assert record["ranges_left_out"] == 7


def test_foreign_text_is_ascii() -> None:
    text = drawn([hostile()], "json")
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text)["findings"][0]["property"].startswith("\x1b[2J")
