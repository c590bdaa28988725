# SPDX-License-Identifier: MIT
"""`dlpar`: a request that is written to /sys/kernel/dlpar, and what a refused one for memory lacked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from drmemctl.formats.dynamic_memory import ASSIGNED, DRC_INVALID, RESERVED
from drmemctl.hypervisor.inference import POWERVM, QEMU
from drmemctl.kernel.job import Job
from drmemctl.kernel.requests import (
    ADD,
    COUNT,
    CPU,
    INDEX,
    INDEXED_COUNT,
    NotSimulatedError,
    Request,
    dlpar_store,
)
from drmemctl.kernel.state import KernelState
from drmemctl.kernel.task import Footprint, Task
from drmemctl.numbers import parse_kernel_int, printed_drc_index
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Hypervisor, Partition, StepResult
from drmemctl.simulate.steps.kernel_step import CPU_REQUEST, REQUEST, Circumstances, KernelStep, MakeTask
from drmemctl.simulate.words import DRC, StepWords


@dataclass(frozen=True, slots=True)
class Dlpar(KernelStep):
    """What is written to /sys/kernel/dlpar, without the line feed that ends it."""

    request: str

    is_request: ClassVar[bool] = True
    completions: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("memory", "cpu"),
        ("add", "remove"),
        ("count", "index", "indexed-count"),
        (DRC,),
        (DRC,),
    )
    touches: ClassVar[Footprint] = REQUEST
    alike: ClassVar[bool] = True

    @classmethod
    def parse(cls, words: StepWords) -> Dlpar:
        """Return the step; the kernel reads all that follows."""
        resource = words.next("what is written to /sys/kernel/dlpar")
        words.at = len(words.words)
        return (DlparCpu if resource == CPU else Dlpar)(words.text, words.from_word(1))

    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task of the request."""
        del circumstances

        def make(job: Job) -> Task[int]:
            return dlpar_store(job, self.request + "\n")

        return make

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result; where the request failed, with what it may have meant and what it lacked."""
        try:
            result = self.alone(partition, partition, files)
        except NotSimulatedError as error:
            return StepResult(self, partition, partition, ok=False, note=error.message)
        if result.ok or result.note:
            return result
        # What the kernel prints as a DRC index, `kstrtou32` takes for a decimal number.
        printed = next(filter(printed_drc_index, self.request.split()[2:]), "")
        meant = printed and printed_drc_index(printed)
        note = f"the kernel reads {printed} as no hexadecimal number: did you mean {meant}?" if printed else ""
        lacking = _lacking_connectors(partition.kernel, partition.machine, self.request)
        return replace(result, note=note, hypervisor=lacking)


@dataclass(frozen=True, slots=True)
class DlparCpu(Dlpar):
    """What is written to /sys/kernel/dlpar about CPUs."""

    is_request: ClassVar[bool] = False
    touches: ClassVar[Footprint] = CPU_REQUEST


_ADVICE = {
    QEMU: "it gives only what was plugged or attached; on powervm (--hypervisor) every unassigned LMB can be had",
    POWERVM: "it gives what is unassigned and has a connector; on qemu (--hypervisor) LMBs can be plugged",
}


def _lacking_connectors(state: KernelState, machine: Hypervisor, text: str) -> str:
    """Return what a failed request to add lacked, and on which hypervisor; empty where that was not the cause."""
    request = _request_to_add(text)
    if request is None:
        return ""
    number = obtainable = 0
    for run in state.table.runs:
        if run.flags & (ASSIGNED | RESERVED | DRC_INVALID):
            continue
        first, end = run.drc_index, run.drc_index + run.lmbs
        if request.kind != COUNT:
            first, end = max(first, request.drc_index), min(end, request.drc_index + request.count)
        if first < end:
            number += end - first
            obtainable += machine.obtainable(first, end - first)
    # By index LMBs that are assigned do not matter.
    wanted = request.count if request.kind == COUNT else number
    if number < wanted or obtainable >= wanted:
        return ""
    gives = f"gives {obtainable:,} of {wanted:,} LMBs: {_ADVICE[machine.name]}"
    return f"the hypervisor is taken to be {machine.name}, which {gives}"


def _request_to_add(text: str) -> Request | None:
    """Return the request to add that was written, None for anything else."""
    match text.split():
        case ["memory", "add", kind, *numbers] if numbers:
            pass
        case _:
            return None
    try:
        values = [parse_kernel_int(word, 32) for word in numbers[:2]]
    except ValueError:
        return None
    if kind == INDEXED_COUNT and len(values) > 1:
        return Request(ADD, INDEXED_COUNT, values[0], values[1])
    if kind == INDEX:
        return Request(ADD, INDEX, 1, values[0])
    return Request(ADD, COUNT, values[0]) if kind == COUNT else None
