# SPDX-License-Identifier: MIT
"""Any number of inputs, judged on a Dask cluster into tables of Parquet. Takes `pip install 'drmemctl[fleet]'`.

>>> import drmemctl.fleet
>>> drmemctl.fleet.check(["captures/"], "fleet").inputs
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client

    from drmemctl.fleet.outcome import Summary


def check(urls: Iterable[str], dataset: str, client: Client | None = None, **options: Any) -> Summary:
    """Judge the inputs that URLs name into a data set, but for those that it has in the same state.

    The workers are those of `client`, else `jobs` processes of this machine; `kernels` are those to judge for.
    A script has to call it below `if __name__ == "__main__":`, since each process imports the script.
    `drmemctl.fleet.checking.check` has all options.
    """
    from drmemctl.fleet.checking import check

    return check(urls, dataset, client, **options)
