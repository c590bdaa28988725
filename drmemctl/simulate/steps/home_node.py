# SPDX-License-Identifier: MIT
"""`vphn`: the hypervisor has another home node for a core, and counts the change in the core's VPA."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self, cast

from drmemctl.formats.vphn import pack_home_node, unpack_home_node
from drmemctl.kernel.job import HOME_NODES, Job
from drmemctl.kernel.processors import poll_home_nodes, tells_home_nodes, why_unasked
from drmemctl.kernel.task import Footprint, StatePart, Task, atomic
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Hypervisor, Partition, StepResult
from drmemctl.simulate.step_words import NUMBER, StepWords
from drmemctl.simulate.steps.kernel_step import Circumstances, KernelStep, MakeTask


@dataclass(frozen=True, slots=True)
class HomeNode(KernelStep):
    """A core's home node from now on.

    Attributes:
        server: the interrupt server number of one of its threads, by which the kernel asks.
        domains: what H_HOME_NODE_ASSOCIATIVITY returns for it.

    """

    server: int
    domains: tuple[int, ...]

    completions: ClassVar[tuple[tuple[str, ...], ...]] = ((NUMBER,), (NUMBER,))
    doing: ClassVar[str] = HOME_NODES
    touches: ClassVar[Footprint] = Footprint(
        frozenset({StatePart.NODES, StatePart.OTHER, StatePart.CPUS, StatePart.BLOCKS, StatePart.CONNECTORS}),
        frozenset({StatePart.CPUS, StatePart.CONNECTORS, StatePart.DISTANCES}),
    )
    returns_errno: ClassVar[bool] = False

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step."""
        server = words.number("the interrupt server number of a CPU's thread")
        expected = "an associativity list W,W,… of 24 halfwords at most"
        registers = pack_home_node(words.numbers(expected))
        if registers is None:
            raise words.error(expected, back=1)
        return cls(words.text, server, unpack_home_node(registers))

    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task: the hypervisor's change, then what the kernel's timer makes of it."""
        del circumstances
        return self._rehome_and_poll

    def _rehome_and_poll(self, job: Job) -> Task[int]:
        yield from _rehomed(job, self)
        yield from poll_home_nodes(job)
        return 0

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result, with why the kernel does nothing about it where it does nothing."""
        kernel = partition.kernel
        if not tells_home_nodes(partition.machine.tree):
            note = "the hypervisor does not tell home nodes: ibm,hypertas-functions has no hcall-vphn"
            return StepResult(self, partition, partition, ok=False, note=note)
        if not any(self.server in cpu.threads for cpu in kernel.cpus):
            note = f"no CPU has a thread with interrupt server number {self.server}"
            return StepResult(self, partition, partition, ok=False, note=note)
        result = self.alone(partition, partition, files)
        return replace(result, note=result.note or why_unasked(kernel))


@atomic(reads=(StatePart.CPUS,), writes=(StatePart.CONNECTORS,))
def _rehomed(job: Job, step: HomeNode) -> None:
    threads = next((cpu.threads for cpu in job.state.cpus if step.server in cpu.threads), ())
    job.firmware = cast("Hypervisor", job.firmware).with_home(threads, step.domains)
