# SPDX-License-Identifier: MIT
"""Who wrote a value of the LMB property: told of recorded kernels, of which the steps are known."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

from drmemctl import load
from drmemctl.formats.dynamic_memory import NODE, V1, V2
from drmemctl.kernel.capabilities import DRMEM_ARRAY
from drmemctl.kernel.profiles import profile
from drmemctl.kernel.writers import FLUSH, UPDATE, lmb_values, writers_of
from drmemctl.model.dumped import PastMoment
from drmemctl.simulate.simulation import Simulation
from tests.cases import each
from tests.conftest import FIXTURES
from tests.memory.cores import DRMEM, migrated

RECORDS = sorted((FIXTURES / "captures").glob("*.json"))
OUTSIDE = ("firmware", "lpm", "prrn", "migrate")


def history(record: Any) -> list[tuple[str, bytes, str]]:
    """Return the values that the LMB property had one after the other, up to a reboot: name, bytes, writer."""
    values: list[tuple[str, bytes, str]] = []
    for step in [{"step": "boot", "properties": record["boot"]["properties"]}, *record["steps"]]:
        properties = step["properties"]
        name = next((name for name in (V1, V2) if properties.get(name)), None)
        if name is None:
            return values
        data = bytes.fromhex(properties[name])
        if step["step"].split()[0] in ("reboot", "kexec") or (values and name != values[-1][0]):
            return values
        if not values or data != values[-1][1]:
            values.append((name, data, UPDATE if step["step"].startswith(OUTSIDE) else FLUSH))
    return values


AMBIGUOUS = {"4.19-form1-9101": 9, "5.0-form1-9101": 9, "5.4-form1-9101": 9}
"""Updates with arbitrary LMBs that requests could have left as well, by their number in the record."""


@each("path", RECORDS, ids=lambda path: path.stem)
def test_the_writers_of_recorded_values(path: Path) -> None:
    record = json.loads(path.read_text())
    kernel = profile(record["kernel"])
    values = history(record)
    if len(values) < 2 or not kernel.has(DRMEM_ARRAY):
        return
    tree = load(path.with_suffix(".dtb.gz"))
    moments = [PastMoment(data, None, tree.with_property(NODE, name, data)) for name, data, _ in values]
    read = lmb_values(values[0][0], moments)
    assert read is not None
    written = writers_of(read, kernel, None)
    for number, (value, (*_, writer)) in enumerate(zip(written, values, strict=True)):
        if number and number != AMBIGUOUS.get(path.stem):
            assert value.writer == writer, (number, value.reason)


def test_the_vmcore_of_the_tutorial_is_what_a_simulated_5_10_leaves() -> None:
    made = migrated()
    assert lzma.decompress((FIXTURES / "tutorial" / "lpar7.vmcore.xz").read_bytes()) == made
    tree = load(made)
    assert tree.dump is not None
    boot, first, update = (prop.value for prop in reversed(tree.dump.replaced[DRMEM]))
    simulation = Simulation(tree.with_property(DRMEM, V2, boot), "5.10")
    for step, expected in (
        ("plug 0x80000004 1 node 1", first),
        (f"firmware {DRMEM} {V2} {update.hex()}", update),
        ("plug 0x80000005 2 node 0", tree.get(DRMEM, V2)),
    ):
        simulation.run(step)
        assert simulation.tree.get(DRMEM, V2) == expected, step
