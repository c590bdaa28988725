# SPDX-License-Identifier: MIT
"""One input, read and judged into rows: what a worker does for each, with nothing of what carries it there.

Nothing here loads Arrow or Dask, so that an input that nobody trusts can be judged in a small process.
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

from drmemctl.check.finding import Finding, Severity
from drmemctl.check.fixes import commands
from drmemctl.check.report import report_tree, why_unread
from drmemctl.check.settings import plan_of
from drmemctl.check.subject import Running
from drmemctl.errors import DrmemctlError
from drmemctl.fleet.listing import Input
from drmemctl.fleet.storage import local_path, open_remote
from drmemctl.formats.block_states import ONLINE
from drmemctl.formats.plain import record
from drmemctl.kernel.affinity import affinity_rules
from drmemctl.kernel.choice import kernel_for
from drmemctl.model.associativity import CHOSEN
from drmemctl.model.drmem import Drmem, LmbTable
from drmemctl.model.live_system import LiveSystem
from drmemctl.model.lookup_usage import LookupUsage
from drmemctl.model.memory import Memory, Tally
from drmemctl.model.numa import NumaLayout, NumaNode
from drmemctl.model.overview import Identity
from drmemctl.model.sizes import within_bounds
from drmemctl.model.standard_properties import first_string
from drmemctl.tree.discover import is_tree_file, open_without_links
from drmemctl.tree.kernel_banner import release_in
from drmemctl.tree.node import Tree
from drmemctl.tree.source import load, load_open

LARGEST = (1 << 63) - 1
"""What a count, a number of bytes or an offset is at most in a table, whatever a tree says."""

MOST_RUNS = 4096
"""Runs of an input that are rows: real partitions have a handful."""

_MOST_LOOKUP_ARRAYS = 65_536

Row = dict[str, Any]
Rows = dict[str, list[Row]]
"""Rows by the name of their table."""


ITEM = Input


def rows_of(source: Input, kernels: Sequence[str] = ()) -> Rows:
    """Return the rows of an input; what cannot be read is a row of `inputs` with an error.

    `kernels` are those to judge for, none for the input's own, else any.
    """
    path = local_path(source.url)
    name = source.url if path is None else path
    try:
        rows = _judged(tree_at(source.url), name, kernels, _unread(source))
    except Exception as error:  # noqa: BLE001 - whatever an input does to us is its row
        # What lies in a directory beside trees and is none is not unreadable, but nothing to read.
        is_other = not source.named and isinstance(error, DrmemctlError) and not is_tree(source)
        reason = printable(why_unread(error, name))
        rows = {"inputs": [_unread(source) | {"note" if is_other else "error": reason}]}
    return _keyed(source, rows)


def failed(source: Input, reason: str) -> Rows:
    """Return the rows of an input over which a process ended."""
    name = local_path(source.url) or source.url
    return _keyed(source, {"inputs": [_unread(source) | {"error": printable(f"{name}: {reason}")}]})


def _unread(source: Input) -> Row:
    """Return what is known of an input that nobody has read."""
    return {
        "size": source.size,
        "taken": _milliseconds(source.modified),
        "judged": False,
        "kernels": [],
        "kernel_notes": [],
    }


def _milliseconds(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * 1000


def _keyed(source: Input, rows: Rows) -> Rows:
    key = {"url": printable(source.url), "version": printable(source.version)}
    return {table: [key | row for row in table_rows] for table, table_rows in rows.items()}


def tree_at(url: str) -> Tree:
    """Return the tree at a URL."""
    path = local_path(url)
    if path is not None:
        return within_bounds(load(path))
    with open_remote(url) as raw:
        return within_bounds(load_open(raw, url))


def is_tree(source: Input) -> bool:
    """Whether what lies in a directory is a tree, also a damaged one; else it is one of the other files there."""
    path = local_path(source.url)
    return is_tree_file(
        partial(open_remote, source.url) if path is None else partial(open_without_links, path), source.url
    )


def printable(text: str) -> str:
    r"""Return text as tables have it: what is not printable as `\xNN` or `\u{…}`; a table holds UTF-8."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(ord(char)) for char in text)


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no ASCII, as surrogateescape holds it
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


def _text(text: str | None) -> str | None:
    return printable(text) if text else None


def _clamped(number: int | None) -> int | None:
    return None if number is None else min(number, LARGEST)


def _judged(tree: Tree, name: str, kernels: Sequence[str], row: Row) -> Rows:
    running = Running.of_tree(tree)
    reports = [
        report_tree(tree, plan_of(kernel, (), ()), source=name, running=running) for kernel in kernels or (None,)
    ]
    named = kernels or (reports[0].kernel,)
    findings = [
        finding_row(finding, kernel, name)
        for report, kernel in zip(reports, named, strict=True)
        for finding in report.findings
    ]
    ranks = Counter(finding["severity"] for finding in findings)
    row |= {f"{severity.value}s": ranks[severity.value] for severity in Severity}
    row |= {
        "note": _text(reports[0].note),
        "judged": any(report.judged for report in reports),
        "kernels": [kernel for kernel in named if kernel],
        "kernel_notes": list(dict.fromkeys(printable(note) for report in reports for note in report.kernel_notes)),
        "kind": tree.kind,
        "host": _text(tree.provenance.host),
        "defects": len(tree.defects),
        **_identity(tree, running.system),
    }
    if tree.provenance.time is not None:
        row["taken"] = _milliseconds(tree.provenance.time)
    return {"inputs": [row], "findings": findings, **_memory(tree, running.system, row)}


def finding_row(finding: Finding, kernel: str | None, source: str) -> Row:
    """Return the row of a finding about an input, which was judged for a kernel or any."""
    facts = record(finding, "rule severity=severity.value message path? property? offset fingerprint deadly")
    sizes = [lmbs.size for lmbs in finding.lmbs]
    # What is no file here stays TREE in the command lines that help, which only a file can be.
    fix = finding.fix if local_path(source) is None else commands(finding, source)
    return {
        **{key: printable(value) if isinstance(value, str) else value for key, value in facts.items()},
        "line": finding.line or None,
        "column": finding.column if finding.line else None,
        "lmbs": _clamped(sum(lmbs.count for lmbs in finding.lmbs)),
        "bytes": None if None in sizes else _clamped(sum(filter(None, sizes))),
        "lmb_ranges": [
            {**record(lmbs, "base drc_index aa_index flags node"), "lmbs": lmbs.count} for lmbs in finding.lmbs
        ],
        "ranges_left_out": finding.ranges_left_out,
        "kernel": kernel,
        "title": finding.title,
        "fix": [printable(line) for line in fix],
    }


def _identity(tree: Tree, system: LiveSystem | None) -> Row:
    root = Identity.of(tree.root)
    release = release_in(tree.kernel) or (tree.dump.release if tree.dump else "")
    chosen = tree.find(CHOSEN)
    cmdline = (system.cmdline if system else "") or (first_string(chosen, "bootargs") if chosen else "")
    return {
        "model": _text(root.model),
        "serial": _text(root.serial),
        "partition": _text(root.partition_name),
        "partition_no": root.partition_number,
        "release": _text(release),
        "cmdline": _text(cmdline),
    }


def _memory(tree: Tree, system: LiveSystem | None, row: Row) -> Rows:
    """Return the rows about memory, and fill in what `inputs` has of it; nothing where the tree tells nothing."""
    try:
        memory = Memory.from_tree(tree, affinity_rules(kernel_for(tree).profile))
    except DrmemctlError:
        return {"nodes": list(_nodes((), system))}
    tally = Tally.of(memory)
    layout = NumaLayout.of(tree, memory, tally)
    row["form"] = layout.form
    rows: Rows = {"nodes": list(_nodes(layout.nodes, system))}
    if memory.drmem is not None:
        table = memory.drmem.table
        row |= {
            "tree": _fingerprint(table),
            "lmb_size": _clamped(table.lmb_size),
            "lmbs": _clamped(table.n_lmbs),
            "runs": len(table.runs),
            **{state: _clamped(tally.states[state]) for state in ("assigned", "free", "reserved")},
            **_lookup(memory.drmem, memory),
        }
        size = table.lmb_size
        rows["lmb_runs"] = [
            {
                "position": position,
                **run._asdict(),
                "assigned": run.assigned,
                "node": memory.associativity.node_of(run.aa_index, run.flags),
                "bytes": None if size is None else _clamped(run.lmbs * size),
            }
            for position, run in enumerate(table.runs[:MOST_RUNS])
        ]
    return rows


def _lookup(drmem: Drmem, memory: Memory) -> Row:
    try:
        usage = LookupUsage.of(drmem, memory.associativity, _MOST_LOOKUP_ARRAYS)
    except DrmemctlError:
        lookup = memory.associativity.lookup
        return {"lookup_arrays": lookup and lookup.n_arrays, "lookup_usable": lookup is not None and lookup.usable}
    return {
        "lookup_arrays": usage.n_arrays,
        "lookup_unused": usage.unused,
        "lookup_twice": usage.duplicates,
        "lookup_usable": usage.usable,
    }


def _fingerprint(table: LmbTable) -> str:
    digest = sha256(b"%d" % (table.lmb_size or 0))
    for column in table.runs.columns():
        digest.update(_little_endian(column))
    return digest.hexdigest()[:16]


def _little_endian(column: array[int]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def _nodes(nodes: Iterable[NumaNode], system: LiveSystem | None) -> Iterator[Row]:
    by_tree = {node.node: node for node in nodes}
    sysfs = {} if system is None else _sysfs(system)
    for node in sorted({*by_tree, *sysfs}, key=lambda node: (node is None, node or 0)):
        facts: Row = {"node": node}
        if node in by_tree:
            facts |= record(by_tree[node], "boot_bytes lmbs lmb_bytes cores bridges")
        facts |= sysfs.get(node, {})
        yield {key: _clamped(value) for key, value in facts.items()}


def _sysfs(system: LiveSystem) -> dict[int | None, Row]:
    """Return what the kernel shows of each node, and of the blocks without one."""
    blocks: Counter[int | None] = Counter()
    online: Counter[int | None] = Counter()
    for block in system.blocks.values():
        node = block.nodes[0] if block.nodes else None
        blocks[node] += 1
        online[node] += block.state == ONLINE
    totals = {number: line.total_kib for number, line in system.nodes.items()}
    sizes: dict[int | None, int | None] = {
        number: None if total is None else total << 10 for number, total in totals.items()
    }
    return {
        node: {"sysfs_bytes": sizes.get(node), "sysfs_blocks": blocks[node], "sysfs_online": online[node]}
        for node in {*sizes, *blocks}
    }
