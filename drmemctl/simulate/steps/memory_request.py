# SPDX-License-Identifier: MIT
"""`dlpar`: a request that is written to /sys/kernel/dlpar, and what a refused one for memory lacked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from drmemctl.formats.dynamic_memory import ASSIGNED, DRC_INVALID, RESERVED
from drmemctl.hypervisor.inference import POWERVM, QEMU
from drmemctl.kernel.requests import (
    ADD,
    COUNT,
    CPU,
    INDEX,
    NotSimulatedError,
    Request,
    memory_request,
    write_dlpar,
)
from drmemctl.kernel.state import KernelState
from drmemctl.kernel.task import Footprint
from drmemctl.numbers import printed_drc_index
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Hypervisor, Partition, StepResult
from drmemctl.simulate.request_text import request_text
from drmemctl.simulate.step_words import DRC, StepWords
from drmemctl.simulate.steps.kernel_step import CPU_REQUEST, REQUEST, Circumstances, KernelStep, MakeTask
from drmemctl.wording import count_of


@dataclass(frozen=True, slots=True)
class Dlpar(KernelStep):
    """What is written to /sys/kernel/dlpar.

    Attributes:
        request: the text.
        fed: whether a line feed is written behind it, as `echo` does.

    """

    request: str
    fed: bool = True

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
        written = request_text(words)
        kind = DlparCpu if written.request.split(" ")[0] == CPU else Dlpar
        return kind(written.step, written.request, written.fed)

    @property
    def written(self) -> str:
        """What is written, to the last byte."""
        return self.request + "\n" * self.fed

    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task of the request."""
        del circumstances
        return lambda job: write_dlpar(job, self.written)

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
        lacking = _lacking_connectors(partition.kernel, partition.machine, self.written)
        return replace(result, note=note, hypervisor=lacking)


@dataclass(frozen=True, slots=True)
class DlparCpu(Dlpar):
    """What is written to /sys/kernel/dlpar about CPUs."""

    is_request: ClassVar[bool] = False
    touches: ClassVar[Footprint] = CPU_REQUEST


_ADVICE = {
    QEMU: "it gives only what was plugged or attached; on powervm (--hypervisor) every unassigned LMB can be had",
    POWERVM: "it gives what is unassigned, has a connector and is not withheld; "
    "on qemu (--hypervisor) LMBs can be plugged",
}


def _lacking_connectors(state: KernelState, machine: Hypervisor, text: str) -> str:
    """Return what a failed request to add lacked, and on which hypervisor; empty where that was not the cause."""
    request = memory_request(text)
    if request is None or request.action != ADD:
        return ""
    asked = 1 if request.kind == INDEX else request.count
    number = obtainable = 0
    for run in state.table.runs:
        if run.flags & (ASSIGNED | RESERVED | DRC_INVALID):
            continue
        first, end = run.drc_index, run.drc_index + run.lmbs
        if request.kind != COUNT:
            first, end = max(first, request.drc_index), min(end, request.drc_index + asked)
        if first < end:
            number += end - first
            obtainable += machine.obtainable(first, end - first)
    # By index LMBs that are assigned do not matter.
    required = asked if request.kind == COUNT else number
    if number < required or obtainable >= required:
        return ""
    gives = f"gives {obtainable:,} of {count_of(required, 'LMB')}: {_ADVICE[machine.name]}"
    return f"the hypervisor is taken to be {machine.name}, which {gives}{_given_back(machine, request)}"


def _given_back(machine: Hypervisor, request: Request) -> str:
    """Return which DIMM is taken to be there still though the guest gave its memory back."""
    for device in machine.devices:
        if device.given_back and (request.kind == COUNT or device.first <= request.drc_index < device.end):
            lmbs = f"{count_of(device.count, 'LMB')} from {device.first:#x} on"
            return (
                f"; flag 0x100 without 0x8 tells that QEMU still has a DIMM for {lmbs}, which the guest gave back "
                "unasked: not to be had before it is unplugged"
            )
    return ""
