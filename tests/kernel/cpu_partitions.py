# SPDX-License-Identifier: MIT
"""Partitions of which a core belongs to another node at the destination of a migration."""

from __future__ import annotations

from dataclasses import replace

from drmemctl.formats.architecture_vec5 import ARCHITECTURE_VEC5
from drmemctl.kernel.profiles import Profile
from drmemctl.model.associativity import CHOSEN
from drmemctl.simulate.files import Files
from drmemctl.simulate.simulation import Simulation
from drmemctl.tree.node import Tree
from tests.kernel.cpu_trees import with_cores
from tests.kernel.partitions import lmbs, tree, u32

CORE = "/cpus/PowerPC,POWER9@0"


def with_core(node: int, *, prrn: bool = True, vphn: bool = False) -> Tree:
    """Return a partition with memory on nodes 0 and 1, a core on a node, and another on node 0."""
    made = with_cores(tree(lmbs(2, 2, 1, 8), lmbs(4, 4)), (node, 0))
    if not prrn:
        vector = bytearray(made.get(CHOSEN, ARCHITECTURE_VEC5) or b"")
        vector[5] &= ~0x40
        made = made.with_property(CHOSEN, ARCHITECTURE_VEC5, bytes(vector))
    return made.with_property("/rtas", "ibm,hypertas-functions", b"hcall-vphn\0") if vphn else made


def moved(kernel: Profile | str, step: str = "lpm there", *, prrn: bool = True, vphn: bool = False) -> Simulation:
    """Return a partition whose core was on node 1 and is on node 2 of the tree after a step."""
    before = with_core(1, prrn=prrn, vphn=vphn)
    there = before.with_property(CORE, "ibm,associativity", u32(2, 2, 0))
    there = replace(there, source="there")
    simulation = Simulation(before, kernel, "powervm", files=Files(tree=lambda _: there))
    simulation.run(step)
    return simulation
