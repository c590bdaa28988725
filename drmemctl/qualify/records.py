# SPDX-License-Identifier: MIT
"""What a guest kept of a run, as a record in the form of `fixtures/captures`."""

from __future__ import annotations

import errno
import io
import os
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from drmemctl.formats.cells import FLAGS_MASK, LMB_SIZE
from drmemctl.formats.dynamic_memory import LOOKUP_ARRAYS, V1, V2, decode_entries
from drmemctl.qualify.guest import Sent
from drmemctl.qualify.monitor import OracleError

Record = dict[str, Any]
Files = dict[str, bytes]

DRMEM = (V1, V2, LOOKUP_ARRAYS, LMB_SIZE, FLAGS_MASK)
"""The properties that a record holds."""

_ERRNO = {os.strerror(number): name for number, name in errno.errorcode.items()}
_TIME = re.compile(r"^(<\d+>)?\[[^]]*\](\[[^]]*\])? ")
_OURS = re.compile(r"pseries|dlpar|drmem|OF:|NUMA|numa|memory|mobility|suspend-me")
_NOT_OURS = re.compile(r"radix-mmu|^Built \d+ zonelists")
_MEMBLOCK = re.compile(r"\s*(MEMBLOCK conf|memory\[|memory\.cnt|memory size)")
_PAGE_STUCK = re.compile(r"index:0x[0-9a-f]+ pfn:0x([0-9a-f]+)")
_ATTEMPT = re.compile(r"Attempting to hot-")


def record_of(plan: Record, sent: Sent) -> tuple[Record, bytes]:
    """Return the record of a run that carried out the steps of an older one, and the guest's flattened tree."""
    if "kept" not in sent.files:
        raise OracleError("the guest did not come to its end: see its console.log")
    folders = _folders(sent.files["kept"])
    top = folders["kept"]
    record: Record = {
        "name": plan["name"],
        "kernel": _text(top, "uname"),
        "cmdline": _text(top, "cmdline"),
        "qemu": plan["qemu"],
        "block_size": int(_text(top, "block_size_bytes"), 16),
    }
    zones = any("zone" in block for block in plan["boot"]["blocks"])
    record["boot"] = _state(folders["kept/0"], zones=zones)
    memblock = "memblock" in plan["boot"]
    if memblock:
        record["boot"]["memblock"] = _text(folders["kept/0"], "memblock").splitlines()
    cpus = _Cpus(folders) if "cpus" in plan["boot"] else None
    if cpus is not None:
        record["boot"] |= cpus.state("kept/0")
    messages = _messages(folders["kept/0"])
    if any("MEMBLOCK configuration" in line for line in messages):
        record["boot"]["memblock_log"] = [line for line in messages if _MEMBLOCK.match(line)]
    record["steps"] = []
    for number, step in enumerate(plan["steps"], 1):
        if f"kept/{number}" not in folders:
            raise OracleError(f"step {number} was not carried out: see the guest's console.log")
        result = _step(step["step"], folders[f"kept/{number}"], record)
        if memblock:
            result["memblock"] = _text(folders[f"kept/{number}"], "memblock").splitlines()
        if "answers" in step:
            result["answers"] = step["answers"]
        record["steps"].append(result if cpus is None else result | cpus.state(f"kept/{number}"))
    record["events"] = sent.events
    return record, top["fdt"]


def _folders(archive: bytes) -> dict[str, Files]:
    folders: dict[str, Files] = defaultdict(dict)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            stream = tar.extractfile(member)
            folder, _, name = member.name.rpartition("/")
            if stream is not None:
                folders[folder][name] = stream.read()
    return folders


def _text(files: Files, name: str) -> str:
    return files[name].decode("utf-8", "replace").strip()


def _messages(files: Files) -> list[str]:
    return [_TIME.sub("", line) for line in files["dmesg"].decode("utf-8", "replace").splitlines()]


def _state(files: Files, *, zones: bool = False) -> dict[str, Any]:
    blocks = []
    for line in _text(files, "blocks").splitlines():
        number, state, node, *zone = line.split()
        node_number = int(node) if node.isdigit() else None
        block: dict[str, Any] = {"block": int(number), "state": state, "node": node_number}
        blocks.append(block | ({"zone": " ".join(zone)} if zones else {}))
    return {"properties": {name: files[name].hex() for name in DRMEM if name in files}, "blocks": blocks}


class _Cpus:
    """The CPUs that are online, with their nodes; and what changed below /cpus since it was last asked."""

    def __init__(self, folders: dict[str, Files]) -> None:
        self._folders = folders
        self._before: dict[str, dict[str, str]] = {}

    def state(self, place: str) -> dict[str, Any]:
        prefix = f"{place}/nodes/"
        nodes = {
            folder.removeprefix(prefix): {name: data.hex() for name, data in files.items() if name != "name"}
            for folder, files in self._folders.items()
            if folder.startswith(prefix)
        }
        changed = {name: node for name, node in nodes.items() if self._before.get(name) != node}
        gone = dict.fromkeys(sorted(self._before.keys() - nodes.keys()))
        self._before = nodes
        cpus = []
        for line in _text(self._folders[place], "cpus").splitlines():
            node, *listed = line.split()
            cpus += [{"cpu": cpu, "node": int(node)} for part in listed for cpu in _range_list(part)]
        return {"cpus": sorted(cpus, key=lambda cpu: cpu["cpu"]), "cpu_nodes": changed | gone}


def _range_list(text: str) -> Iterator[int]:
    """Yield the numbers of e.g. `0-2,5`, as sysfs lists CPUs."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _step(step: str, files: Files, record: Record) -> dict[str, Any]:
    messages = _messages(files)
    attempts = sum(bool(_ATTEMPT.search(line)) for line in messages)
    most = 0 if step.startswith("firmware") else 1
    if attempts > most and not step.startswith("drmgr"):
        raise OracleError(f"{step}: the kernel was still at work on what came before; try again")
    status = int(_text(files, "rc"))
    output = _text(files, "out")
    result: dict[str, Any] = {
        "step": step,
        "rc": status,
        "errno": next((name for text, name in _ERRNO.items() if status and text in output), None),
        "log": [line for line in messages if _OURS.search(line) and not _NOT_OURS.search(line)],
    }
    unmovable = _unmovable(messages, record)
    if step.startswith("drmgr"):
        result["output"] = output.splitlines()
    return result | ({"unmovable": unmovable} if unmovable else {}) | _state(files)


def _unmovable(messages: list[str], record: Record) -> list[str]:
    """Return the LMBs, as of boot, with pages that the kernel named when it could not take them offline."""
    # Debian's kernels have had pages of 4 KiB since 6.12, of 64 KiB before.
    release = [int(number) for number in re.findall(r"\d+", record["kernel"])[:2]]
    shift = 12 if release >= [6, 12] and "64k" not in record["kernel"] else 16
    addresses = {int(match[1], 16) << shift for line in messages if (match := _PAGE_STUCK.search(line))}
    properties = record["boot"]["properties"]
    name = V2 if V2 in properties else V1
    size = int(properties.get(LMB_SIZE, "0"), 16)
    stuck = {
        f"{drc_index + (address - base) // size:#x}"
        for base, lmbs, drc_index, _, _ in decode_entries(name, bytes.fromhex(properties.get(name, "")))
        for address in addresses
        if drc_index and base <= address < base + lmbs * size
    }
    return sorted(stuck)
