# SPDX-License-Identifier: MIT
"""Any number of inputs, judged on a Dask cluster into tables of Parquet. Takes `pip install 'drmemctl[fleet]'`."""

from __future__ import annotations
