# SPDX-License-Identifier: MIT
"""A simulated partition, to which steps are done one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from drmemctl.arguments import checked, wrong_type
from drmemctl.check.finding import Finding, Violation
from drmemctl.errors import LimitError
from drmemctl.formats.block_states import OFFLINE
from drmemctl.hypervisor.inference import QEMU, inferred_hypervisor
from drmemctl.kernel.boot import check_runs
from drmemctl.kernel.choice import kernel_for
from drmemctl.kernel.distances import distances_of
from drmemctl.kernel.profiles import Profile
from drmemctl.kernel.running_kernel import running_kernel
from drmemctl.kernel.state import KernelState
from drmemctl.simulate.carry_out import carry_out
from drmemctl.simulate.files import Files
from drmemctl.simulate.findings import PartitionJudge, finding_of_fault
from drmemctl.simulate.partition import Partition, Step, StepResult, machine_for, step_finding_record
from drmemctl.simulate.steps.language import parse_script
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.node import Tree

_MOST_BLOCKS = 1 << 20
"""Memory blocks that are listed: 256 TiB in blocks of 256 MiB. A tree may promise billions."""


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

    @checked()
    def __init__(
        self,
        tree: Tree,
        kernel: str | Profile | None = None,
        hypervisor: str | None = None,
        *,
        files: Files | None = None,
        findings: bool = True,
    ) -> None:
        """Boot a kernel on a tree, on the hypervisor that is taken to have made it; one of a dump goes on.

        Without a kernel, it is the one that the input names, else the newest; without a hypervisor, the one that
        the tree names, else QEMU. Without `findings`, the rules are asked only where a step expects something of
        them.
        """
        self.profile, _, self.kernel_notes = kernel_for(tree, kernel)
        self.hypervisor = hypervisor or inferred_hypervisor(tree).name
        self._named = hypervisor is not None
        state, faults = running_kernel(check_runs(tree), self.profile)
        self.boot_faults = tuple(map(finding_of_fault, faults))
        machine = machine_for(tree, self.hypervisor)
        self.situation = Partition(state, machine, boot=self.boot_faults, boot_tree=tree)
        self.results: list[StepResult] = []
        self._files = files or Files()
        self._judge = PartitionJudge(after_steps=findings)
        self._rebuilt = 0

    def __repr__(self) -> str:
        dead = f", dead: {self.state.dead[:60]!r}" if self.state.dead else ""
        return (
            f"<Simulation: Linux {self.profile.name} on {self.hypervisor}, {len(self.results)} steps done{dead}>"
        )

    @property
    def state(self) -> KernelState:
        """The kernel now."""
        return self.situation.kernel

    @property
    def tree(self) -> Tree:
        """The kernel's tree now."""
        return self.situation.kernel.tree

    def started_with(self) -> KernelState:
        """Return the kernel that the simulation began with."""
        return self.results[0].before.kernel if self.results else self.state

    def has_rebooted(self) -> bool:
        """Whether a kernel booted in the steps so far."""
        return any(result.has_booted for result in self.results)

    def since_boot(self) -> list[StepResult]:
        """Return the results of the steps since the last boot in one of them, without any those of all."""
        boots = [at for at, result in enumerate(self.results, 1) if result.has_booted]
        return self.results[boots[-1] :] if boots else list(self.results)

    @property
    def consistent(self) -> bool:
        """Whether array, tree, connectors, memory blocks and the hypervisor agree."""
        return not self.state.dead and not self.contradictions

    @property
    def contradictions(self) -> list[Violation]:
        """Where they do not agree, as the rules of the family state have it."""
        return self._judge.judged(self.situation).contradictions()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that the rules say of the partition as it is now, the worst first."""
        return tuple(self._judge.judged(self.situation).findings())

    def run(self, step: str | Step, *, traced: bool = False) -> StepResult:
        """Do one step, given as text or parsed; `StepError` for what is none.

        `traced` collects what the kernel does meanwhile, for the result's `trace`.
        """
        if not isinstance(step, str | Step):
            raise wrong_type("step", "a str or a Step", step)
        parsed = next(parse_script(step), None) if isinstance(step, str) else step
        if parsed is None:
            return StepResult(Step(str(step)), self.situation, self.situation)
        if parsed.whole_tree:
            self._rebuilt += sum(1 + len(node.properties) for _, node in self.tree.walk())
            if self._rebuilt > LIMITS.max_rebuilt:
                most = f"{LIMITS.max_rebuilt:,} nodes and properties"
                message = f"more than {most} in all the steps that look at a whole tree"
                raise LimitError(message, source=self.tree.source or None, hint="do them in parts")
        result = carry_out(parsed, self.situation, self._files, self._judge, traced=traced)
        self.situation = result.after
        self.results.append(result)
        return result

    def attempt(self, step: Step) -> StepResult:
        """Return what a step would bring, but for what the rules say of it; the partition stays as it is."""
        return carry_out(step, self.situation, self._files, PartitionJudge(after_steps=False))

    def run_all(self, steps: Iterable[str | Step]) -> list[StepResult]:
        """Do several steps; return what came of each."""
        return [self.run(step) for step in steps]

    def to_json(self) -> dict[str, Any]:
        """Return everything so far as `drmemctl simulate --format json` has it, but for `drc_index_hex`."""
        steps = [result.to_json() for result in self.results]
        blocks = list(self.blocks_to_json())
        return {**self.head_to_json(), "steps": steps, "blocks": blocks, **self.distances_to_json()}

    def head_to_json(self) -> dict[str, Any]:
        """Return what stands before the lists of steps and blocks."""
        head = {"schema": "drmemctl.simulate/1", "kernel": self.profile.name, "consistent": self.consistent}
        further = {
            "hypervisor": "" if self._named or self.hypervisor == QEMU else self.hypervisor,
            "dead": self.state.dead,
            "boot": list(map(step_finding_record, self.boot_faults)),
        }
        return {**head, **{name: value for name, value in further.items() if value}}

    def distances_to_json(self) -> dict[str, list[dict[str, Any]]]:
        """Return what each node is from the nodes that are online, as the kernel has it; in form 1 only."""
        table = distances_of(self.state)
        if table is None or self.state.dead:
            return {}
        rows = zip(table.nodes, table.rows, strict=True)
        return {"distances": [{"node": node, "distances": list(row)} for node, row in rows]}

    def blocks_to_json(self) -> Iterator[dict[str, Any]]:
        """Return the memory blocks one by one; `LimitError` if they are too many for that."""
        number = sum(run.count for run in self.state.blocks.runs)
        if number > _MOST_BLOCKS:
            message = f"the kernel has {number:,} memory blocks, more than the {_MOST_BLOCKS:,} that are listed"
            hint = "without --format json they are counted by node"
            raise LimitError(message, source=self.state.tree.source or None, hint=hint)
        offline = self.state.blocks.offline
        return (
            {"block": block, "node": node, **({"state": OFFLINE} if block in offline else {})}
            for block, node in self.state.blocks
        )
