# SPDX-License-Identifier: MIT
"""A simulated partition, to which steps are done one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from drmemctl.check.finding import Finding
from drmemctl.check.subject import Flush
from drmemctl.errors import LimitError
from drmemctl.hypervisor.inference import POWERVM, QEMU, inferred_hypervisor, qemu_version
from drmemctl.hypervisor.powervm import PowerVm
from drmemctl.hypervisor.qemu import MEASURED, Qemu
from drmemctl.kernel.boot import boot, check_runs
from drmemctl.kernel.choice import kernel_for
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.state import KernelState
from drmemctl.simulate.findings import Moments, finding_of_fault
from drmemctl.simulate.grammar import parse_script
from drmemctl.simulate.result import StepResult
from drmemctl.simulate.steps import FirmwareUpdate, Lpm, Migrate, Prrn, Reboot, Step
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.node import Tree

Hypervisor = Qemu | PowerVm

_WHOLE_TREE = (FirmwareUpdate, Lpm, Migrate, Prrn, Reboot)
"""Steps that cost by the tree; a PRRN that names its nodes does not."""

_MOST_BLOCKS = 1 << 20
"""Memory blocks that are listed: 256 TiB in blocks of 256 MiB. A tree may promise billions."""


def read_file(name: str) -> bytes:
    """Return the content of a file that a step names; `InputError` if it cannot be read."""
    from drmemctl.tree.limits import LIMITS
    from drmemctl.tree.plain_input import read_input

    return read_input(name, LIMITS.max_value_by_lmb)


def read_tree(name: str) -> Tree:
    """Return a tree that a step names."""
    from drmemctl.model.sizes import within_bounds
    from drmemctl.tree.source import load

    return check_runs(within_bounds(load(name)))


@dataclass(frozen=True, slots=True)
class Files:
    """How a step's files and trees are read."""

    file: Callable[[str], bytes] = read_file
    tree: Callable[[str], Tree] = read_tree


@dataclass(frozen=True, slots=True)
class Situation:
    """A partition at one moment: the kernel, and the hypervisor under it. Immutable.

    Attributes:
        kernel: the kernel.
        machine: the hypervisor's side.
        last: what came of the last step that was not an expectation.
        boot: what the kernel did wrong when the simulation began.
        flush: what wrote the LMB property first after the hypervisor's last delivery, None for nothing.

    """

    kernel: KernelState
    machine: Hypervisor
    last: StepResult | None = None
    boot: tuple[Finding, ...] = ()
    flush: Flush | None = None


def machine_for(tree: Tree, hypervisor: str) -> Hypervisor:
    """Return the hypervisor's side of a tree: `qemu`, `qemu-6.0` or `powervm`."""
    version = qemu_version(hypervisor)
    if hypervisor == POWERVM:
        return PowerVm.from_tree(tree)
    return Qemu.from_tree(tree, version or MEASURED)


class Simulation:
    """A partition that steps are done to.

    Attributes:
        situation: the partition now.
        profile: its kernel.
        hypervisor: its hypervisor as the user named it, else as the tree says.
        kernel_notes: what has to be said of the choice of the kernel.
        boot_faults: what the kernel did wrong at boot.
        results: what came of each step so far.

    """

    def __init__(
        self,
        tree: Tree,
        kernel: str | Profile | None = None,
        hypervisor: str | None = None,
        *,
        files: Files | None = None,
        findings: bool = True,
    ) -> None:
        """Boot a kernel on a tree, on the hypervisor that is taken to have made it.

        Without a kernel, it is the one that the input names, else the newest; without a hypervisor, the one that
        the tree names, else QEMU. Without `findings`, the rules are asked only where a step expects something of
        them.
        """
        self.profile, _, self.kernel_notes = kernel_for(tree, kernel)
        self.hypervisor = hypervisor or inferred_hypervisor(tree).name
        self._named = hypervisor is not None
        state, faults = boot(check_runs(tree), self.profile)
        self.boot_faults = tuple(map(finding_of_fault, faults))
        self.situation = Situation(state, machine_for(tree, self.hypervisor), boot=self.boot_faults)
        self.results: list[StepResult] = []
        self._files = files or Files()
        self._findings = findings
        self._moments = Moments()
        self._rebuilt = 0

    @property
    def state(self) -> KernelState:
        """The kernel now."""
        return self.situation.kernel

    @property
    def tree(self) -> Tree:
        """The kernel's tree now."""
        return self.situation.kernel.tree

    @property
    def consistent(self) -> bool:
        """Whether array, tree, connectors, memory blocks and the hypervisor agree."""
        return not self.state.dead and not self._moments.present(self.situation).contradictions()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that the rules say of the partition as it is now, the worst first."""
        return tuple(self._moments.present(self.situation).findings())

    def run(self, step: str | Step) -> StepResult:
        """Do one step, given as text or parsed; `StepError` for what is none."""
        from drmemctl.simulate.runner import carry_out

        parsed = next(parse_script(step), None) if isinstance(step, str) else step
        if parsed is None:
            return StepResult(str(step))
        self._bound(parsed)
        result, self.situation = carry_out(
            self.situation, parsed, self._files, self._moments, findings=self._findings
        )
        self.results.append(result)
        return result

    def _bound(self, step: Step) -> None:
        """Raise `LimitError` if this and the steps before look at more trees than can be in some seconds."""
        if not isinstance(step, _WHOLE_TREE) or (isinstance(step, Prrn) and step.tree is None):
            return
        self._rebuilt += sum(1 + len(node.properties) for _, node in self.tree.walk())
        if self._rebuilt > LIMITS.max_rebuilt:
            message = (
                f"more than {LIMITS.max_rebuilt:,} nodes and properties in all the steps that look at a whole tree"
            )
            raise LimitError(message, source=self.tree.source or None, hint="do them in parts")

    def run_all(self, steps: Iterable[str | Step]) -> list[StepResult]:
        """Do several steps; return what came of each."""
        return [self.run(step) for step in steps]

    def to_json(self) -> dict[str, Any]:
        """Return everything so far as `drmemctl simulate --format json` has it."""
        steps = [result.to_json() for result in self.results]
        return {**self.head_to_json(), "steps": steps, "blocks": list(self.blocks_to_json())}

    def head_to_json(self) -> dict[str, Any]:
        """Return what stands before the lists of steps and blocks."""
        head = {"schema": "drmemctl.simulate/1", "kernel": self.profile.name, "consistent": self.consistent}
        return head if self._named or self.hypervisor == QEMU else {**head, "hypervisor": self.hypervisor}

    def blocks_to_json(self) -> Iterator[dict[str, int]]:
        """Return the memory blocks one by one; `LimitError` if they are too many for that."""
        number = sum(run.count for run in self.state.blocks.runs)
        if number > _MOST_BLOCKS:
            message = f"the kernel has {number:,} memory blocks, more than the {_MOST_BLOCKS:,} that are listed"
            hint = "without --format json they are counted by node"
            raise LimitError(message, source=self.state.tree.source or None, hint=hint)
        return ({"block": block, "node": node} for block, node in self.state.blocks)
