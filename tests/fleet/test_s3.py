# SPDX-License-Identifier: MIT
"""`fleet check` from and to a store of objects: S3 as moto serves it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FIXTURES

SKIPPED = "moto or s3fs is not installed (what they need has no wheels for ppc64le)"
pytest.importorskip("distributed", reason="distributed is not installed")
moto = pytest.importorskip("moto.server", reason=SKIPPED)
s3fs = pytest.importorskip("s3fs", reason=SKIPPED)
pytest.importorskip("pyarrow", reason="pyarrow is not installed (it has no wheels for ppc64le)")

from drmemctl import fleet  # noqa: E402
from drmemctl.fleet.dataset import Dataset  # noqa: E402
from tests.fleet.judged import rows_in  # noqa: E402


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The file system of a store with an empty bucket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    system.mkdir("fleet")
    yield system
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_inputs_and_data_set_in_a_store_of_objects(store: Any, client: Any, tmp_path: Path) -> None:
    captures = sorted((FIXTURES / "captures").glob("6.1-*.dtb.gz"))[:3]
    for path in captures:
        store.put(str(path), f"fleet/captures/{path.name}")
    store.put(str(FIXTURES / "README.md"), "fleet/captures/README.md")
    urls = ["s3://fleet/captures/", "s3://fleet/absent.dtb"]
    first = fleet.check(urls, "s3://fleet/judged", client)
    assert (first.inputs, first.new) == (5, 5)
    dataset = Dataset("s3://fleet/judged")
    inputs = rows_in(dataset, "inputs")
    assert {row["url"] for row in inputs} == {
        "s3://fleet/absent.dtb",
        "s3://fleet/captures/README.md",
        *(f"s3://fleet/captures/{path.name}" for path in captures),
    }
    assert [row["error"] for row in inputs if row["error"]] == ["s3://fleet/absent.dtb: no such file or directory"]
    assert all(row["taken"] and row["lmbs"] for row in inputs if row["kind"])
    # The same as of files of this machine, but for where they are.
    fleet.check(map(str, captures), str(tmp_path / "here"), client)
    trees = [row["tree"] for row in rows_in(Dataset(str(tmp_path / "here")), "inputs")]
    assert [row["tree"] for row in inputs if row["kind"]] == trees
    # By its ETag an object is known again, and told that has changed.
    store.put(str(FIXTURES / "boot" / "aa-out-of-range.dtb.gz"), f"fleet/captures/{captures[0].name}")
    again = fleet.check(urls, "s3://fleet/judged", client)
    assert (again.inputs, again.new) == (5, 1)
    assert dataset.parts() == [1, 2]
