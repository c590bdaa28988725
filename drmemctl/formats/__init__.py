# SPDX-License-Identifier: MIT
"""Byte layouts, one declaration each: the only place that knows an offset. No policy.

Every module declares its layout with its source and has functions that take a property's raw bytes and return
what is there together with the `Defect`s seen; none raises on bad bytes.

Construct is imported where a declaration is used as such, which is for building values and for RTAS answers: it
takes as long as reading a tree. Fixed records are declared as `rows.Rows`, which need it only for that.
"""
