# SPDX-License-Identifier: MIT
"""The device tree out of a kernel's memory: a vmcore, QEMU's dump-guest-memory or /proc/kcore as a TREE."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO

from drmemctl.defect import Defect
from drmemctl.errors import DrmemctlError, InputError, LimitError
from drmemctl.formats.block_states import state_name
from drmemctl.formats.capture_text import Provenance
from drmemctl.formats.cells import LMB_SIZE
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.formats.file_magics import ELF
from drmemctl.formats.symbols import decode_symbols
from drmemctl.memory.boot_blob import boot_blob
from drmemctl.memory.device_tree import KernelNode, TreeBounds, kernel_tree
from drmemctl.memory.file import random_access
from drmemctl.memory.kernel_memory import KernelMemory
from drmemctl.memory.lmb_array import LmbArray, find_lmb_array, settled_lmb_array
from drmemctl.memory.log import log_text
from drmemctl.memory.physical import AbsentMemoryError, open_dump
from drmemctl.memory.sections import sections
from drmemctl.memory.symbols import PINNED, SHARED, relocated
from drmemctl.read_files import note_descriptor
from drmemctl.tree.builder import Draft, TreeBuilder
from drmemctl.tree.limits import LIMITS
from drmemctl.tree.node import KernelDump, Property, Tree
from drmemctl.tree.plain_input import SYMBOLS
from drmemctl.tree.system_files import KeptFiles, SystemFiles

BOOT = "boot"
"""`DUMP::boot`: the tree that the kernel was started with."""

CRASHED = "crashed"
"""`DUMP::crashed`: where a crash kernel runs in the dump, the kernel before it."""

_LARGEST_MAP = 64 << 20
"""Bytes of a System.map, which has some 10 MiB."""


def read_dump(file: IO[bytes], source: str, member: str | None = None, *, is_running: bool = False) -> Tree:
    """Return the kernel's tree in a dump, or with `member` `boot` the tree of its boot.

    A kernel that is running (/proc/kcore) changes what is read: its array is read until it is the same twice.

    Raises `InputError` (`AbsentMemoryError` for memory that is not in the dump) and `LimitError`.
    """
    if member not in (None, BOOT, CRASHED):
        hint = (
            f"::{BOOT} is the tree that the kernel was started with, ::{CRASHED} that of a kernel before its crash"
        )
        raise InputError(f"a dump has no part {member}", source=source, hint=hint)
    memory = KernelMemory(open_dump(random_access(file, source), source), source)
    memory.pinned = _named_symbols(memory)
    if member == BOOT:
        return _boot_tree(memory, source, _banner(memory))
    tree = _dumped(memory, source, is_running=is_running)
    if memory.dump.cut:
        tree = replace(tree, defects=(Defect("dump-cut", memory.dump.cut), *tree.defects))
    newer = None if member == CRASHED else _crash_kernel(memory, tree)
    if newer is None:
        return tree
    defect = Defect(
        "several-kernels",
        f"this dump has two kernels, {tree.kernel or 'one'} and the crash kernel that was started after it; "
        f"this is the crash kernel: ::{CRASHED} shows the other one",
    )
    newer.pinned = _named_symbols(newer)
    tree = _dumped(newer, source)
    return replace(tree, defects=(defect, *tree.defects))


def _crash_kernel(memory: KernelMemory, tree: Tree) -> KernelMemory | None:
    """Return the crash kernel in the memory that the kernel of a tree reserved for it (kernel/crash_reserve.c)."""
    base, size = (tree.get("/chosen", f"linux,crashkernel-{end}") for end in ("base", "size"))
    if base is None or size is None or len(base) != 8 or len(size) != 8:
        return None
    return memory.crash_kernel(int.from_bytes(base, "big"), int.from_bytes(size, "big"))


def _banner(memory: KernelMemory) -> str:
    release = memory.vmcoreinfo.release
    return f"Linux version {release}" if release else ""


def _dumped(memory: KernelMemory, source: str, *, is_running: bool = False) -> Tree:
    """Return the tree of a kernel, and what else of it there is."""
    banner = _banner(memory)
    bounds = TreeBounds(LIMITS.max_bytes, LIMITS.max_nodes + LIMITS.max_properties, LIMITS.max_depth)
    root = kernel_tree(memory, bounds)
    builder = TreeBuilder(source, "dump")
    replaced: dict[str, tuple[Property, ...]] = {}
    _fill(builder, builder.root, root, replaced)
    tree = builder.finish()
    lmb_size = tree.get(NODE, LMB_SIZE)
    size = int.from_bytes(lmb_size, "big") if lmb_size is not None and len(lmb_size) == 8 else 0
    files, defects = dict(_files(memory, tree, banner)), list(tree.defects)
    array: LmbArray | None = None
    absent: DrmemctlError | None
    try:
        array = find_lmb_array(memory, size) if size else None
        absent = memory.not_found("the kernel's LMB array (drmem_info)") if size and array is None else None
    except AbsentMemoryError as error:
        absent = error
    if absent is not None:
        defects.append(Defect("array-absent", _reason(absent)))
    if array is not None and is_running:
        array, is_settled = settled_lmb_array(memory, array)
        if not is_settled:
            defects.append(Defect("array-changing", "the LMB array changed each time it was read: a request runs"))
    try:
        files.update(_block_files(memory, size))
    except (AbsentMemoryError, LimitError) as error:
        defects.append(Defect("blocks-absent", f"the memory blocks are unknown: {_reason(error)}"))
    return replace(
        tree,
        defects=tuple(defects),
        kernel=banner,
        provenance=Provenance(memory.vmcoreinfo.crash_time),
        beside=KeptFiles(SystemFiles(files)),
        dump=KernelDump(memory.dump.form, memory.vmcoreinfo.release, array, replaced),
    )


def _reason(error: DrmemctlError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _fill(builder: TreeBuilder, draft: Draft, node: KernelNode, replaced: dict[str, tuple[Property, ...]]) -> None:
    for entry in node.properties:
        builder.add(draft, entry.name, entry.value)
    if node.replaced:
        replaced[draft.path] = tuple(Property(entry.name, entry.value) for entry in node.replaced)
    for child in node.children:
        _fill(builder, builder.child(draft, child.name), child, replaced)


def _boot_tree(memory: KernelMemory, source: str, banner: str) -> Tree:
    from drmemctl.tree.fdt_reader import read_fdt

    blob = boot_blob(memory)
    if blob is None:
        raise InputError(
            "the tree of boot (initial_boot_params) is not found in this dump",
            source=source,
            hint="makedumpfile may have left it out: write the dump with -d 1",
        )
    return replace(read_fdt(blob, source), kernel=banner)


def _files(memory: KernelMemory, tree: Tree, banner: str) -> Iterator[tuple[str, bytes]]:
    if banner:
        yield "proc/version", banner.encode("utf-8", "replace")
    bootargs = tree.get("/chosen", "bootargs")
    if bootargs is not None:
        yield "proc/cmdline", bootargs.rstrip(b"\0")
    log = log_text(memory)
    if log:
        yield "dmesg", log


def _block_files(memory: KernelMemory, block_size: int) -> dict[str, bytes]:
    """Return the memory blocks as a capture has them; each is as large as an LMB (pseries_memory_block_size)."""
    if not block_size:
        return {}
    lines: list[str] = []
    for number, members in groupby(sections(memory, block_size), lambda section: section.base // block_size):
        block = list(members)
        nodes = sorted({section.node for section in block if section.node is not None})
        state = state_name(online=all(section.online for section in block))
        lines.append(f"{number} {number:08x} {state} {','.join(map(str, nodes)) or '-'} - -\n")
    if not lines:
        return {}
    return {"memory/blocks": "".join(lines).encode(), "memory/block_size_bytes": b"%x\n" % block_size}


def _named_symbols(memory: KernelMemory) -> Mapping[str, int]:
    """Return the addresses that the named file (System.map, vmlinux) has for this kernel; none without one."""
    source = os.environ.get(SYMBOLS, "")
    if not source:
        return {}
    try:
        addresses = _addresses_in(source)
    except OSError as error:
        message = f"the symbols cannot be read: {error.strerror or error}"
        raise InputError(message, source=source, hint="name a System.map or vmlinux") from error
    if addresses is None:
        raise InputError(
            "this is neither a System.map nor an ELF file",
            source=source,
            hint="name /boot/System.map-RELEASE or vmlinux",
        )
    return relocated(memory, addresses, source)


def _addresses_in(source: str) -> dict[str, int] | None:
    names = frozenset((*PINNED, *SHARED))
    with Path(source).open("rb") as file:
        note_descriptor(file.fileno())
        size = os.fstat(file.fileno()).st_size
        if not size:
            return None
        # A vmlinux with debug information has hundreds of MiB, of which little is looked at.
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            if data[: len(ELF)] != ELF and size > _LARGEST_MAP:
                message = f"this text has more than {_LARGEST_MAP >> 20} MiB"
                raise LimitError(message, source=source, hint="a System.map has some 10 MiB")
            return decode_symbols(data, names)
