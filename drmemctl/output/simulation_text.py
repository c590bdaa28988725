# SPDX-License-Identifier: MIT
"""A simulation as people read it: a line for each step with its outcome, below it what that did, and a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from drmemctl.formats.dynamic_memory import NODE, V1, V2
from drmemctl.hypervisor.inference import POWERVM
from drmemctl.kernel.state import KernelState
from drmemctl.output.findings import finding_line
from drmemctl.output.screen import Screen
from drmemctl.output.simulation_words import SHOWN_BY_MEANING, change_lines, cpu_lines, lmb_lines
from drmemctl.output.text import safe, worded
from drmemctl.simulate.partition import DrmgrRun, StepResult
from drmemctl.simulate.session import Session, Verdict
from drmemctl.simulate.simulation import Simulation
from drmemctl.wording import count_of, range_text, size_text

_MOST = 12
"""Lines of each kind that a step has without -v."""

_STOPS = ("oops", "panic", "never-returns")


@dataclass(frozen=True, slots=True)
class Detail:
    """How much to show.

    Attributes:
        trace: every call and write.
        diff: the properties before and after.
        verbose: everything, however long.

    """

    trace: bool = False
    diff: bool = False
    verbose: bool = False

    @property
    def most(self) -> int | None:
        """How many lines of a kind are shown."""
        return None if self.verbose else _MOST


def boot_lines(screen: Screen, session: Session) -> Iterator[str]:
    """Yield what was booted, and what went wrong with it."""
    simulation, state = session.simulation, session.start.kernel
    yield from machine_lines(screen, simulation, state)
    for fault in simulation.boot_faults:
        yield finding_line(screen, fault)
    if state.dead:
        yield screen.style(f"the kernel does not come up: {safe(state.dead)}", "red")


def machine_lines(screen: Screen, simulation: Simulation, state: KernelState) -> Iterator[str]:
    """Yield what runs, and how much memory it has on which node."""
    blocks = dict.fromkeys(sorted(state.blocks.nodes()), 0)
    for run in state.blocks.runs:
        blocks[run.node] += run.count
    where = ", ".join(f"{number:,} on node {node}" for node, number in islice(blocks.items(), _MOST)) or "none"
    more = f", and on {len(blocks) - _MOST} more nodes" if len(blocks) > _MOST else ""
    runs = f"{kernel_words(simulation.profile.name)} on {hypervisor_words(simulation.hypervisor)}"
    table = state.table
    node = state.tree.find(NODE)
    name = next((f", {name}" for name in (V1, V2) if node is not None and node.find(name) is not None), "")
    size = f" of {size_text(table.lmb_size)}" if table.lmb_size else ""
    yield f"{screen.style(safe(runs), 'bold')}: {count_of(table.n_lmbs, 'LMB')}{size}{name}"
    if state.dead and not state.blocks.runs:
        return  # it died while it booted: what it worked out by then is the size that it died of
    offline = f", {len(state.blocks.offline):,} offline" if state.blocks.offline else ""
    yield f"memory blocks of {size_text(state.block_size)}: {where}{more}{offline}"
    yield from _kept_lines(state)
    given_back = sum(device.count for device in simulation.situation.machine.devices if device.given_back)
    if given_back:
        lmbs = count_of(given_back, "LMB")
        yield f"given back, but in a DIMM that QEMU still has: {lmbs}, as flag 0x100 without 0x8 tells"


def _kept_lines(state: KernelState) -> Iterator[str]:
    """Yield which LMBs cannot leave, because of what the kernel did with them at boot."""
    table = state.table
    dump = sum(state.kept.n_kept(run, table.lmb_size or 0) for run in table.runs if run.assigned)
    if dump:
        yield f"not removable: {count_of(dump, 'LMB')}, for a firmware-assisted dump, taken to be registered"
    for part in state.kept.reserved:
        number = sum(1 for _ in part.drc_indexes(table))
        if number:
            reservation = f"{part.purpose} {range_text(part.base, part.end - part.base)}"
            yield f"cannot be taken offline: {count_of(number, 'LMB')}, for {reservation}"


def kernel_words(name: str) -> str:
    """Return a kernel as headings name it."""
    return f"Linux {name}" if name[:1].isdigit() else f"Linux ({name})"


def hypervisor_words(name: str) -> str:
    """Return a hypervisor as headings name it: with what has to be said of PowerVM's."""
    return f"{name} (read in LoPAR, not measured)" if name == POWERVM else name


def step_lines(screen: Screen, number: int, result: StepResult, detail: Detail) -> Iterator[str]:
    """Yield a step and what came of it."""
    word = outcome(result)
    style = "green" if result.ok else "bold red"
    label = f"[{number}] "
    limit = None if detail.verbose else max(40, screen.width - len(label) - len(word) - 2)
    text = shortened(result.step, limit)
    yield f"{label}{screen.style(text, 'bold')}: {screen.style(word, style)}"
    if result.drmgr is not None:
        yield from _indented(_drmgr_lines(screen, result.drmgr, detail), "    ")
    yield from _indented(_messages(screen, result, detail), "    ")
    if result.note:
        yield "    " + screen.style(safe(result.note, 2000), "red")
    if result.hypervisor:
        yield "    " + screen.style(safe(result.hypervisor, 2000), "red")
    for event in result.events:
        yield "    " + screen.style(safe(event), "magenta")
    yield from _indented(changes(screen, result, detail), "  ")
    yield from _indented(
        _cut((finding_line(screen, finding) for finding in result.findings), detail, "findings"), "  "
    )
    if detail.diff:
        from drmemctl.output.simulation_diff import diff_lines

        yield from _indented(diff_lines(screen, result.changed_values), "  ")


def _drmgr_lines(screen: Screen, run: DrmgrRun, detail: Detail) -> Iterator[str]:
    writes = (
        f"> /sys/kernel/dlpar: {safe(text)}: {screen.style(errno, 'red') if errno else 'ok'}"
        for text, errno in run.writes
    )
    yield from _cut(writes, detail, "requests")
    yield from _cut(map(safe, run.output), detail, "lines of drmgr")
    yield f"drmgr: exit code {run.exit_code}"


def _indented(lines: Iterable[str], by: str) -> Iterator[str]:
    return (by + line for line in lines)


def _cut(lines: Iterator[str], detail: Detail, items: str) -> Iterator[str]:
    """Yield a screenful, and how many more there are."""
    yield from islice(lines, detail.most)
    more = sum(1 for _ in lines)
    if more:
        yield f"… {more:,} more {items}; -v shows them"


def shortened(step: str, limit: int | None) -> str:
    """Return a step in so many columns: values of properties are long."""
    # Of what goes to the kernel's parser every blank counts.
    text = safe(step if step.startswith("dlpar") else " ".join(step.split()), None)
    return text if limit is None or len(text) <= limit else f"{text[: limit - 1]}…"


def outcome(result: StepResult) -> str:
    """Return what came of a step in a word."""
    expectation = result.parsed.is_expectation
    if result.answer is not None:
        return f"answers {' '.join(map(str, result.answer))}"
    if result.ok:
        return "holds" if expectation else "ok"
    if expectation:
        return "does not hold"
    stopped = next((fault.code for fault in result.findings if fault.code in _STOPS), None)
    return result.errno or stopped or ("abort" if "ABORT" in result.events else "failed")


def _messages(screen: Screen, result: StepResult, detail: Detail) -> Iterator[str]:
    if detail.trace:
        from drmemctl.output.simulation_trace import MOST, trace_lines

        return trace_lines(screen, result, None if detail.verbose else MOST)
    log = (screen.style(safe(line, None), "dim") for line in result.log)
    return _cut(log, detail, "messages")


def changes(screen: Screen, result: StepResult, detail: Detail) -> Iterator[str]:
    """Yield what a step changed: LMBs, lookup arrays, memory blocks, CPUs, other properties."""
    if result.before.kernel is result.after.kernel:
        return
    lines = change_lines(screen, result, drc=detail.verbose)
    yield from _cut(lines, detail, "changes")
    yield from _cut(cpu_lines(screen, result.cpus), detail, "CPUs")
    properties = {
        key: data for key, data in result.changed.items() if detail.verbose or key not in SHOWN_BY_MEANING
    }
    nodes = {} if detail.verbose else _nodes(result, properties)
    yield from _cut((f"{safe(path)}: {words}" for path, words in nodes.items()), detail, "nodes")
    lines = (
        f"{safe(key)} {'removed' if data is None else f'= {shown_bytes(data)}'}"
        for key, data in properties.items()
        if key.rpartition(":")[0] not in nodes
    )
    yield from _cut(lines, detail, "properties")


def _nodes(result: StepResult, changed: Iterable[str]) -> dict[str, str]:
    """Return the nodes that came or went, with how many properties."""
    before, after = result.before.kernel.tree, result.after.kernel.tree
    numbers = Counter(key.rpartition(":")[0] for key in changed)
    came = {path for path in numbers if before.find(path) is None and after.find(path) is not None}
    went = {path for path in numbers if after.find(path) is None and before.find(path) is not None}
    return {
        path: f"{'new' if path in came else 'gone'}, {count_of(number, 'property', 'properties')}"
        for path, number in numbers.items()
        if path in came or path in went
    }


def shown_bytes(data: bytes) -> str:
    """Return a value of a property in hex, or how long it is."""
    return data.hex() or "empty" if len(data) <= 16 else count_of(len(data), "byte")


def verdict_lines(screen: Screen, verdict: Verdict, detail: Detail) -> Iterator[str]:
    """Yield whether all agrees now, what the next flush would destroy, and which steps failed."""
    against = (worded(f"{finding.rule}: {finding.message}", None) for finding in verdict.contradictions)
    if verdict.consistent:
        yield f"{screen.style('consistent', 'bold green')}: {verdict.sides}"
    else:
        why = f"the kernel: {safe(verdict.dead, None)}" if verdict.dead else f"{verdict.sides}: {next(against)}"
        yield f"{screen.style('not consistent', 'bold red')}: {why}"
    yield from _indented(_cut(against, detail, "contradictions"), "  ")
    if verdict.next_flush:
        yield screen.style("the next flush would change what the tree says:", "yellow")
        lines = lmb_lines(screen, verdict.next_flush, verdict.address_digits)
        yield from _indented(_cut(iter(lines), detail, "ranges"), "  ")
    numbers = verdict.failed
    if numbers:
        listed = ", ".join(map(str, numbers[:20])) + (", …" if len(numbers) > 20 else "")
        steps = "step" if len(numbers) == 1 else "steps"
        yield screen.style(f"failed: {steps} {listed} of {verdict.steps}", "bold red")
