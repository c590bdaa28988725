# SPDX-License-Identifier: MIT
"""A partition at one moment, a step that is done to it, and the result of that step.

The kernel, the hypervisor under it and the locks that threads of the kernel hold are one immutable value. A
simulation goes from one such value to the next step by step, the search of `interleave` action by action.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, ClassVar

from drmemctl.check.finding import Finding
from drmemctl.check.subject import Flush
from drmemctl.formats.block_states import state_name
from drmemctl.formats.dynamic_memory import flag_names
from drmemctl.formats.plain import record
from drmemctl.hypervisor.inference import POWERVM, qemu_version
from drmemctl.hypervisor.machine import RefusedError
from drmemctl.hypervisor.powervm import PowerVm
from drmemctl.hypervisor.qemu import MEASURED, Qemu
from drmemctl.kernel.fault import Fault
from drmemctl.kernel.flush import FLUSHES
from drmemctl.kernel.processors import CpuChange
from drmemctl.kernel.state import KernelState
from drmemctl.kernel.task import Action, Lock
from drmemctl.kernel.trace import TraceEvent
from drmemctl.model.run import state_of
from drmemctl.notebook import short_repr
from drmemctl.simulate.files import Files
from drmemctl.simulate.property_changes import LookupChange, ValueChange, changed_lookup_arrays, changed_values
from drmemctl.simulate.state_changes import (
    BlockRangeChange,
    BlockStateChange,
    DistanceChange,
    HashTableChange,
    LmbRangeChange,
    LmbState,
    changed_blocks,
    changed_distances,
    changed_hash_table,
    changed_lmbs,
    changed_states,
)
from drmemctl.simulate.step_words import StepWords
from drmemctl.tree.node import Tree

Hypervisor = Qemu | PowerVm

QUEUES = frozenset({Lock.WORKQUEUE, Lock.RTASD})


def machine_for(tree: Tree, hypervisor: str) -> Hypervisor:
    """Return the hypervisor's side of a tree: `qemu`, `qemu-6.0` or `powervm`."""
    version = qemu_version(hypervisor)
    if hypervisor == POWERVM:
        return PowerVm.from_tree(tree)
    return Qemu.from_tree(tree, version or MEASURED)


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition at one moment.

    Attributes:
        kernel: the kernel.
        machine: the hypervisor's side, with the topology that it delivered.
        last: the result of the last step that was not an expectation.
        boot: what the kernel did wrong when the simulation began.
        flush: what wrote the LMB property first after the hypervisor's last delivery, None for nothing.
        faults: what the kernel did wrong so far, while its threads interleave.
        locks: locks and the numbers of the threads that hold them.
        queued: queues and the threads in them, in the order in which they came; the first is at work.
        uevent: whether user space has not seen yet that a memory block came or went.
        crash_tree: the tree that the crash kernel was loaded with, None where nobody loads one, or where the
            kernel itself keeps up what it dumps.
        boot_tree: the tree that the kernel was booted with, None where nobody asks for it.

    """

    kernel: KernelState
    machine: Hypervisor
    last: StepResult | None = None
    boot: tuple[Finding, ...] = ()
    flush: Flush | None = None
    faults: frozenset[Fault] = frozenset()
    locks: frozenset[tuple[Lock, int]] = frozenset()
    queued: tuple[tuple[Lock, int], ...] = ()
    uevent: bool = False
    crash_tree: Tree | None = None
    boot_tree: Tree | None = None

    __repr__ = short_repr

    @property
    def booted(self) -> Tree:
        """The tree that the kernel was booted with (`initial_boot_params`)."""
        return self.kernel.tree if self.boot_tree is None else self.boot_tree

    def admits(self, thread: int, action: Action) -> bool:
        """Whether a thread need not wait for the lock or the queue of its action."""
        lock = action.takes
        if lock is None:
            return True
        if lock is Lock.HOTPLUG and self.kernel.dead:
            return False
        if lock in QUEUES:
            first = next((number for queue, number in self.queued if queue is lock), None)
            return first == thread or (first is None and action.drops is lock)
        return all(held is not lock for held, _ in self.locks)

    def locks_after(
        self, thread: int, action: Action
    ) -> tuple[frozenset[tuple[Lock, int]], tuple[tuple[Lock, int], ...]]:
        """Return locks and queues after a thread has queued for, taken or given back what an action says."""
        locks, queued = self.locks, self.queued
        if action.joins is not None:
            queued = (*queued, (action.joins, thread))
        if action.takes is not None and action.takes not in QUEUES:
            locks |= {(action.takes, thread)}
        if action.drops is not None:
            locks -= {(action.drops, thread)}
            queued = tuple(place for place in queued if place != (action.drops, thread))
        return locks, queued


_BY_IDENTITY = frozenset({"tree", "lmbs", "lists"})
"""What a machine takes from the tree that it was made from or moved to; there are two or three of those."""

_NOT_IN_KEY = _BY_IDENTITY | {"events", "delivered"}

_KEY_FIELDS: dict[type, Callable[[Hypervisor], tuple[Hashable, ...]]] = {
    kind: attrgetter(*(part.name for part in fields(kind) if part.name not in _NOT_IN_KEY))
    for kind in (Qemu, PowerVm)
}


def machine_key(machine: Hypervisor) -> Hashable:
    """Return a key that is equal for machines made from the same trees that act alike from here on."""
    return (id(machine.tree), *_KEY_FIELDS[type(machine)](machine))


@dataclass(frozen=True, slots=True)
class Step:
    """A step as it was written; each kind of `simulate.steps` says what it does. This one does nothing.

    Attributes:
        text: what the user wrote, without indentation and comment.
        is_expectation: whether it only asks how things are.
        is_request: whether the kernel handles a request for memory in it.
        updates_tree: whether firmware may tell the kernel of new properties in it, as after a migration.
        doing: what the kernel takes the update of a CPU's associativity for, as `kernel.job` names it.
        boots: whether the kernel boots anew, with other CPUs than before.
        completions: what each word after the first can be, as `words` names it; the last may come again
            where `repeats` is set.

    """

    text: str
    is_expectation: ClassVar[bool] = False
    is_request: ClassVar[bool] = False
    updates_tree: ClassVar[bool] = False
    doing: ClassVar[str] = ""
    boots: ClassVar[bool] = False
    completions: ClassVar[tuple[tuple[str, ...], ...]] = ()
    repeats: ClassVar[bool] = False

    @property
    def whole_tree(self) -> bool:
        """Whether it costs by the size of the tree."""
        return self.updates_tree

    @property
    def inputs(self) -> tuple[str, ...]:
        """The files and trees that it reads."""
        return ()

    @property
    def names_cause(self) -> bool:
        """Whether it expects an error number or a finding: then the step before it was to fail."""
        return False

    def flush(self, before: Partition, after: Partition) -> Flush | None:
        """Return what wrote the LMB property first since the hypervisor delivered it, or lookup arrays, last."""
        writer = after.kernel.writer
        if writer not in FLUSHES:
            return before.flush if writer == before.kernel.writer else None
        return before.flush or Flush(writer, self.text)

    def refused(self, partition: Partition, refusal: RefusedError) -> StepResult:
        """Return the result where the hypervisor refuses."""
        hypervisor = f"the hypervisor is taken to be {partition.machine.name}"
        return StepResult(self, partition, partition, ok=False, note=refusal.message, hypervisor=hypervisor)

    @classmethod
    def parse(cls, words: StepWords) -> Step:
        """Return the step of some words, of which the first was taken; `StepError` where they are none."""
        return cls(words.text)

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result for a partition; what the rules say of it and what it changed come later."""
        del files
        return StepResult(self, partition, partition)


@dataclass(frozen=True, slots=True)
class DrmgrRun:
    """What a call of drmgr did.

    Attributes:
        writes: what it wrote to /sys/kernel/dlpar, each with the error number's name, None for none.
        output: what it printed.
        exit_code: its exit code, which is 0 also where not all went.

    """

    writes: tuple[tuple[str, str | None], ...] = ()
    output: tuple[str, ...] = ()
    exit_code: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as the record of a step has it."""
        writes = [{"text": text, "errno": errno} for text, errno in self.writes]
        return {"writes": writes, **record(self, "output exit_code")}


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of a step.

    Attributes:
        parsed: the step.
        before: the partition before it, without its last result.
        after: the partition after it.
        ok: whether it did what was asked: for a plug, whether the guest took the memory.
        errno: the name of the error number that write(2) returned, None for none, and where nobody gets one.
        log: what the kernel printed.
        events: what the hypervisor told its user; `ABORT` where it stopped itself.
        changed: new bytes of the properties that changed, None for removed ones, by `PATH:PROPERTY`.
        findings: what the kernel did wrong, then what the rules say that they did not say before the step.
        answer: the words that an `rtas` step returned, None for other steps.
        note: why it is not ok, where the log does not say, or who has to go on.
        hypervisor: which hypervisor refused it for want of a connector, and what that one gives; else empty.
        cpus: the CPUs that came, went, or got another associativity, and the node that each keeps or gets.
        kernel_faults: what the kernel did wrong, of which the first findings are made.
        trace: what the kernel did meanwhile, if that was wanted.
        drmgr: what drmgr wrote and printed, None for other steps.

    """

    parsed: Step
    before: Partition = field(repr=False, compare=False)
    after: Partition = field(repr=False, compare=False)
    ok: bool = True
    errno: str | None = None
    log: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    changed: dict[str, bytes | None] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    answer: tuple[int, ...] | None = None
    note: str = ""
    hypervisor: str = ""
    cpus: tuple[CpuChange, ...] = ()
    kernel_faults: tuple[Fault, ...] = ()
    trace: Sequence[TraceEvent] = field(default=(), compare=False)
    drmgr: DrmgrRun | None = None

    __repr__ = short_repr

    @property
    def step(self) -> str:
        """The step as it was written."""
        return self.parsed.text

    @property
    def has_booted(self) -> bool:
        """Whether a kernel booted in it; once the hypervisor has aborted, none does."""
        return self.parsed.boots and self.after.kernel is not self.before.kernel

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What the kernel itself did wrong in the step."""
        return tuple(finding for finding in self.findings if finding.code)

    @property
    def changed_lmbs(self) -> list[LmbRangeChange]:
        """What changed of the LMBs, in the array, in the tree, or in both, by address."""
        return changed_lmbs(self.before.kernel, self.after.kernel)

    @property
    def changed_blocks(self) -> list[BlockRangeChange]:
        """The memory blocks that came, went, or are on another node now."""
        return changed_blocks(self.before.kernel.blocks, self.after.kernel.blocks)

    @property
    def changed_distances(self) -> list[DistanceChange]:
        """The nodes that are at another distance in form 1 now."""
        return changed_distances(self.before.kernel, self.after.kernel)

    @property
    def changed_states(self) -> list[BlockStateChange]:
        """The memory blocks that went online or offline."""
        return changed_states(self.before.kernel.blocks, self.after.kernel.blocks)

    @property
    def changed_hash_table(self) -> HashTableChange | None:
        """What became of the hash page table."""
        return changed_hash_table(self.before.kernel, self.after.kernel)

    @property
    def changed_lookup_arrays(self) -> LookupChange | None:
        """What changed of the lookup arrays."""
        return changed_lookup_arrays(self.before.kernel.tree, self.after.kernel.tree)

    @property
    def changed_values(self) -> Iterator[ValueChange]:
        """The properties that changed, decoded."""
        return changed_values(self.before.kernel.tree, self.after.kernel.tree, self.changed)

    def to_json(self) -> dict[str, Any]:
        """Return the step as `drmemctl simulate --format json` has it."""
        step = record(self, "step ok errno log events")
        step["changed"] = {name: None if data is None else data.hex() for name, data in self.changed.items()}
        step["findings"] = [step_finding_record(finding) for finding in self.findings]
        further = {
            **record(self, "answer note hypervisor"),
            "drmgr": None if self.drmgr is None else self.drmgr.to_json(),
            "lmbs": [
                {
                    **record(change, "base count drc_index"),
                    "before": _lmb_state_record(change.old),
                    "after": _lmb_state_record(change.new),
                    **record(change, "in_array in_tree"),
                }
                for change in self.changed_lmbs
            ],
            "memory_blocks": [
                record(change, "first count before=old after=new") for change in self.changed_blocks
            ],
            "distances": [record(change, "nodes before=old after=new") for change in self.changed_distances],
            "block_states": [
                {"block": block, "state": state_name(online=online)} for block, online in self.changed_states
            ],
            "cpus": [
                {
                    **record(change, "path threads before node in_tree why?"),
                    **({"offline": change.offline} if change.offline else {}),
                }
                for change in self.cpus
            ],
        }
        table = self.changed_hash_table
        if table is not None:
            further["hash_page_table"] = record(table, "before=old after=new shrinks")
        return {**step, **{name: value for name, value in further.items() if value}}


def step_finding_record(finding: Finding) -> dict[str, Any]:
    """Return it as `drmemctl check --format json` has findings; a fault with its code and function."""
    place = record(finding, "rule severity message path? property? offset")
    fault = record(finding, "code function") if finding.code else {}
    return {**place, "lmbs": [lmbs.to_json() for lmbs in finding.lmbs], "when": finding.when, **fault}


def _lmb_state_record(state: LmbState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    names = {"flag_names": flag_names(state.flags), "state": state_of(state.flags)}
    return {**record(state, "aa_index flags"), **names, "node": state.node}
