# SPDX-License-Identifier: MIT
"""What a guest kept of a run, as a record in the form of `fixtures/captures`."""

from __future__ import annotations

import errno
import io
import os
import re
import tarfile
from collections import defaultdict
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
_OURS = re.compile(
    r"pseries|dlpar|drmem|OF:|NUMA|numa|memory|mobility|suspend-me|configure-connector|rtas_error_rc|"
    r"resource reassignment|Unable to create|cpu_present_mask|Ready to die"
)
_NOT_OURS = re.compile(r"radix-mmu|^Built \d+ zonelists")
_PAGE_STUCK = re.compile(r"index:0x[0-9a-f]+ pfn:0x([0-9a-f]+)")
_ATTEMPT = re.compile(r"Attempting to hot-")


def record_of(plan: Record, sent: Sent) -> tuple[Record, bytes]:
    """Return the record of a run that carried out the steps of an older one, and the guest's flattened tree."""
    if "kept" not in sent.files:
        raise OracleError("the guest did not come to its end: see its console.log")
    folders = folders_of(sent.files["kept"])
    top = folders["kept"]
    record: Record = {
        "name": plan["name"],
        "kernel": text_of(top, "uname"),
        "cmdline": text_of(top, "cmdline"),
        "qemu": plan["qemu"],
        "block_size": int(text_of(top, "block_size_bytes"), 16),
    }
    record["boot"] = _state(folders["kept/0"])
    record["steps"] = []
    for number, step in enumerate(plan["steps"], 1):
        if f"kept/{number}" not in folders:
            raise OracleError(f"step {number} was not carried out: see the guest's console.log")
        result = _step(step["step"], folders[f"kept/{number}"], record)
        if "answers" in step:
            result["answers"] = step["answers"]
        record["steps"].append(result)
    record["events"] = sent.events
    return record, top["fdt"]


def folders_of(archive: bytes) -> dict[str, Files]:
    """Return what is in the folders of an archive that a guest kept, by path."""
    folders: dict[str, Files] = defaultdict(dict)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            stream = tar.extractfile(member)
            folder, _, name = member.name.rpartition("/")
            if stream is not None:
                folders[folder][name] = stream.read()
    return folders


def text_of(files: Files, name: str) -> str:
    """Return a file as text."""
    return files[name].decode("utf-8", "replace").strip()


def messages_in(files: Files) -> list[str]:
    """Return the kernel's messages without their times."""
    return [_TIME.sub("", line) for line in files["dmesg"].decode("utf-8", "replace").splitlines()]


def _state(files: Files) -> dict[str, Any]:
    blocks = []
    for line in text_of(files, "blocks").splitlines():
        number, state, node, *_zones = line.split()
        blocks.append({"block": int(number), "state": state, "node": int(node) if node.isdigit() else None})
    return {"properties": {name: files[name].hex() for name in DRMEM if name in files}, "blocks": blocks}


def _step(step: str, files: Files, record: Record) -> dict[str, Any]:
    messages = messages_in(files)
    attempts = sum(bool(_ATTEMPT.search(line)) for line in messages)
    most = 0 if step.startswith("firmware") else 1
    if attempts > most and not step.startswith("drmgr"):
        raise OracleError(f"{step}: the kernel was still at work on what came before; try again")
    status = int(text_of(files, "rc"))
    output = text_of(files, "out")
    result: dict[str, Any] = {
        "step": step,
        "rc": status,
        "errno": next((name for text, name in _ERRNO.items() if status and text in output), None),
        "log": list(filter(is_ours, messages)),
    }
    unmovable = _unmovable(messages, record)
    if step.startswith("drmgr"):
        result["output"] = output.splitlines()
    return result | ({"unmovable": unmovable} if unmovable else {}) | _state(files)


def is_ours(line: str) -> bool:
    """Whether a message is about memory, CPUs or the tree: those that a simulation prints."""
    return _OURS.search(line) is not None and _NOT_OURS.search(line) is None


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
