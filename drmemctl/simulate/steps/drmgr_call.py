# SPDX-License-Identifier: MIT
"""`drmgr`: what powerpc-utils' drmgr does for memory, request by request to the kernel."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

from drmemctl.errors import LimitError
from drmemctl.kernel.errno import errno_name
from drmemctl.kernel.job import Job
from drmemctl.kernel.requests import write_dlpar
from drmemctl.kernel.state import KernelState
from drmemctl.kernel.task import Action, Footprint, StatePart, Task
from drmemctl.simulate.drmgr import (
    ADD,
    KERNEL_DLPAR,
    MEMORY,
    NEWEST,
    NUMA_REMOVAL,
    REMOVE,
    Options,
    Release,
    c_number,
    parse_options,
)
from drmemctl.simulate.drmgr_nodes import ERROR, INFO, Numa, NumaRemoval, numa_topology
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import DrmgrRun, Partition, StepResult
from drmemctl.simulate.step_words import StepWords
from drmemctl.simulate.steps.kernel_step import REQUEST, Circumstances, KernelStep, MakeTask
from drmemctl.tree.limits import LIMITS
from drmemctl.wording import count_of

_RELEASE = re.compile(r"[0-9]+(\.[0-9]+){1,3}\Z")
_READS = Footprint(
    reads=frozenset({StatePart.NODES, StatePart.LMBS, StatePart.LOOKUP, StatePart.CPUS, StatePart.OTHER})
)
_FAILED = 255
"""The exit code of a drmgr that returns -1."""


@dataclass(slots=True)
class _DrmgrLog:
    """What a run of drmgr wrote and printed.

    Attributes:
        writes: requests to /sys/kernel/dlpar, each with the error number's name, None for none.
        output: messages with their level (`-d`).
        resources: LMBs that drmgr counts as added or removed, None where it did not get so far.
        exit_code: its exit code.

    """

    writes: list[tuple[str, str | None]] = field(default_factory=list)
    output: list[tuple[int, str]] = field(default_factory=list)
    resources: int | None = None
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Drmgr(KernelStep):
    """A call of drmgr.

    Attributes:
        arguments: its arguments.
        release: of powerpc-utils.

    """

    arguments: tuple[str, ...]
    release: Release = NEWEST

    is_request: ClassVar[bool] = True
    touches: ClassVar[Footprint] = REQUEST | _READS
    alike: ClassVar[bool] = True
    completions: ClassVar[tuple[tuple[str, ...], ...]] = (("-c",), ("mem",), ("-a", "-r"), ("-q", "-s"))

    @classmethod
    def parse(cls, words: StepWords) -> Drmgr:
        """Return the step: a release of powerpc-utils may stand before the options."""
        arguments = []
        while words.remaining:
            arguments.append(words.next("an option of drmgr"))
        release = NEWEST
        if arguments and _RELEASE.match(arguments[0]):
            release = tuple(int(part) for part in arguments.pop(0).split("."))
            if release < KERNEL_DLPAR.first:
                raise words.error("powerpc-utils 1.3.2 or later, which asks the kernel", back=len(arguments) + 1)
        if not arguments:
            raise words.error("the options of drmgr, such as -c mem -r -q 1")
        return cls(words.text, tuple(arguments), release)

    @property
    def _options(self) -> Options:
        """The options as `valid_mem_options` and `drslot_chrp_mem` leave them."""
        options = parse_options(self.arguments)
        options.count = options.count or 1
        if options.name is not None and options.name.startswith("0x"):
            options.index, options.name, options.by_index = c_number(options.name, 16) & 0xFFFFFFFF, None, True
        elif options.name is not None:
            options.count = 1
        return options

    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task: each request, one after the other."""
        del circumstances
        return lambda job: self._run(job, _DrmgrLog())

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result; drmgr may succeed though not all went, which is not ok."""
        options = self._options
        if options.entitlement or options.kind not in ("", MEMORY):
            note = "of drmgr only what it does for memory is simulated: -c mem, without -p"
            return StepResult(self, partition, partition, ok=False, note=note)
        log = _DrmgrLog()
        result = self.alone(partition, partition, files, lambda job: self._run(job, log))
        refused = next((name for _, name in log.writes if name), None)
        surprises = tuple(_surprises(options, log))
        whole = result.ok and log.resources == options.count and not log.exit_code and not surprises
        return replace(
            result,
            ok=whole,
            errno=None if whole else refused,
            note="; ".join(filter(None, (*surprises, _wrong_node_note(partition, log), result.note))),
            drmgr=DrmgrRun(tuple(log.writes), tuple(_output_lines(options, log)), log.exit_code),
        )

    def _run(self, job: Job, log: _DrmgrLog) -> Task[int]:
        options = self._options
        refused = ""
        if not options.kind:
            refused = "A connector type (-c) must be specified"
        elif options.kind == MEMORY and options.action not in (ADD, REMOVE):
            refused = "The '-r' or '-a' option must be specified for memory operations"
        if refused:
            log.output.append((ERROR, refused))
            log.exit_code = _FAILED
            return 0
        log.output.append((ERROR, "Validating Memory DLPAR capability...yes."))
        if options.action == REMOVE and not options.index and self.release >= NUMA_REMOVAL.first:
            numa: Numa = yield Action("drmgr", _topology_seen, _READS)
            log.output += numa.missing
            if numa.nodes:
                return (yield from _by_node(job, NumaRemoval.of(numa), options.count, log))
        text = f"index {options.index:#x}" if options.index else f"count {options.count}"
        rc = yield from _write_request(job, f"memory {options.action} {text}", log)
        log.resources = 0 if rc else options.count
        if rc:
            log.output.append((ERROR, f"Failed to write to /sys/kernel/dlpar: {os.strerror(-rc)}"))
            log.exit_code = _FAILED
        elif self.release < NUMA_REMOVAL.first:
            log.output.append((INFO, "Success"))
        return rc


def _by_node(job: Job, removal: NumaRemoval, count: int, log: _DrmgrLog) -> Task[int]:
    """Remove LMB by LMB. drmgr returns 0 whatever came of it."""
    asking = removal.run(count)
    try:
        drc_index = next(asking)
        while True:
            if len(log.writes) >= LIMITS.max_steps:
                message = f"drmgr asks for more than {LIMITS.max_steps:,} LMBs one by one"
                raise LimitError(message, hint="ask for fewer")
            rc = yield from _write_request(job, f"memory remove index {drc_index:#x}", log)
            drc_index = asking.send(rc)
    except StopIteration as end:
        log.resources = end.value
    log.output += removal.output
    return 0


def _write_request(job: Job, text: str, log: _DrmgrLog) -> Task[int]:
    rc = yield from write_dlpar(job, text)
    log.writes.append((text, errno_name(rc)))
    return rc


def _topology_seen(job: Job) -> Numa:
    """Return what drmgr reads before it begins: LMBs from the tree, CPUs that are online from sysfs."""
    cpus: Counter[int] = Counter(dict.fromkeys(job.state.blocks.nodes(), 0))
    for cpu in job.state.cpus:
        cpus[cpu.node] += len(cpu.threads) - len(cpu.offline)
    return numa_topology(job.state.tree, dict(cpus))


def _output_lines(options: Options, log: _DrmgrLog) -> Iterator[str]:
    """Yield what drmgr prints, the number of LMBs last."""
    head = ""
    if options.invalid is not None:
        # A long option has no letter: `%c` of 0 ends the message before its line does.
        head = f"Invalid option specified '{options.invalid}"
        if options.invalid:
            yield head + "'"
            head = ""
    for importance, text in log.output:
        if importance <= options.level:
            yield head + text
            head = ""
    if log.resources is not None:
        yield f"DR_TOTAL_RESOURCES={log.resources}"


def _surprises(options: Options, log: _DrmgrLog) -> Iterator[str]:
    """Yield where drmgr does not do what its options seem to ask for."""
    if options.invalid is not None:
        option = f"-{options.invalid}" if options.invalid else "a long option"
        yield f"{option} is none of drmgr, or lacks its argument: drmgr goes on without what follows"
    if options.name is not None:
        yield f"drmgr takes {options.name} for a name, as a DRC index needs 0x, and asks for any 1 LMB by number"
    if options.by_index and not options.index:
        yield "DRC index 0 is none for drmgr: it asks by number"
    if options.count < 0:
        yield f"-q is negative: a removal node by node takes it for {options.count & 0xFFFFFFFF:,}"
    elif log.resources is not None and log.resources > options.count:
        yield (
            f"drmgr removed {count_of(log.resources, 'LMB')} where {options.count:,} were asked for: a "
            "node without CPUs whose share is rounded to nothing gives more, and what is left becomes almost 2^32"
        )


def _wrong_node_note(partition: Partition, log: _DrmgrLog) -> str:
    """Return a note where the tree, by which drmgr goes, has LMBs on another node than Linux; else nothing."""
    kernel = partition.kernel
    numa = _topology_seen(Job(kernel, partition.machine))
    indexes = sorted({int(text.split()[-1], 16) for text, _ in log.writes if " index " in text})
    elsewhere = sum(
        _is_elsewhere(kernel, drc_index, node)
        for node, _, ranges in numa.nodes
        for first, count in ranges
        for drc_index in indexes[bisect_left(indexes, first) : bisect_left(indexes, first + count)]
    )
    if not elsewhere:
        return ""
    return (
        f"drmgr goes by the tree, which has {count_of(elsewhere, 'LMB')} of these on another node than Linux: "
        "what it drains is not what it counts"
    )


def _is_elsewhere(kernel: KernelState, drc_index: int, node: int) -> bool:
    """Whether Linux has the memory block of an LMB on another node."""
    index = kernel.table.index_of_drc(drc_index)
    base = None if index is None else kernel.table.lmb(index).base
    linux_node = None if base is None else kernel.blocks.node_of(kernel.block_of(base))
    return linux_node is not None and linux_node != node
