# SPDX-License-Identifier: MIT
"""Byte layouts, one Construct declaration each: the only place that knows an offset. No policy.

Every module declares its layout with its source and has functions that take a property's raw bytes and return
what is there together with the `Defect`s seen; none raises on bad bytes.
"""
