# SPDX-License-Identifier: MIT
"""The device tree out of a kernel's memory: a vmcore, QEMU's dump-guest-memory or /proc/kcore as a TREE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import IO

from drmemctl.errors import InputError
from drmemctl.formats.cells import LMB_SIZE
from drmemctl.formats.dynamic_memory import NODE
from drmemctl.memory.boot_blob import boot_blob
from drmemctl.memory.device_tree import KernelNode, kernel_tree
from drmemctl.memory.file import random_access
from drmemctl.memory.kernel_memory import KernelMemory
from drmemctl.memory.lmb_array import find_lmb_array
from drmemctl.memory.log import log_text
from drmemctl.memory.physical import open_dump
from drmemctl.memory.sections import MemorySection, sections
from drmemctl.tree.builder import Draft, TreeBuilder
from drmemctl.tree.node import KernelDump, Property, Tree
from drmemctl.tree.system_files import SystemFiles

BOOT = "boot"
"""`DUMP::boot`: the tree that the kernel was started with."""


@dataclass(frozen=True, slots=True)
class BesideDump:
    """The files about memory of the kernel in a dump, as they would lie beside its tree."""

    system: SystemFiles

    def files(self) -> SystemFiles:
        """Return them."""
        return self.system


def read_dump(file: IO[bytes], source: str, member: str | None = None) -> Tree:
    """Return the kernel's tree in a dump, or with `member` `boot` the tree of its boot.

    Raises `InputError` (`AbsentMemoryError` for memory that is not in the dump) and `LimitError`.
    """
    if member not in (None, BOOT):
        hint = f"::{BOOT} is the tree that the kernel was started with"
        raise InputError(f"a dump has no part {member}", source=source, hint=hint)
    dump = open_dump(random_access(file, source), source)
    memory = KernelMemory(dump, source)
    banner = f"Linux version {memory.vmcoreinfo.release}" if memory.vmcoreinfo.release else ""
    if member == BOOT:
        return _boot_tree(memory, source, banner)
    root = kernel_tree(memory)
    builder = TreeBuilder(source, "dump")
    replaced: dict[str, tuple[Property, ...]] = {}
    _fill(builder, builder.root, root, replaced)
    tree = builder.finish()
    lmb_size = tree.get(NODE, LMB_SIZE)
    size = int.from_bytes(lmb_size, "big") if lmb_size is not None and len(lmb_size) == 8 else 0
    array = find_lmb_array(memory, size) if size else None
    files = SystemFiles(dict(_files(memory, tree, banner, size)))
    return Tree(
        tree.root,
        source,
        "dump",
        defects=tree.defects,
        kernel=banner,
        beside=BesideDump(files),
        dump=KernelDump(dump.form, memory.vmcoreinfo.release, array, replaced),
    )


def _fill(builder: TreeBuilder, draft: Draft, node: KernelNode, replaced: dict[str, tuple[Property, ...]]) -> None:
    for entry in node.properties:
        builder.add(draft, entry.name, entry.value)
    if node.replaced:
        replaced[draft.path] = tuple(Property(entry.name, entry.value) for entry in node.replaced)
    for child in node.children:
        _fill(builder, builder.child(draft, child.name), child, replaced)


def _boot_tree(memory: KernelMemory, source: str, banner: str) -> Tree:
    from dataclasses import replace

    from drmemctl.tree.fdt_reader import read_fdt

    blob = boot_blob(memory)
    if blob is None:
        raise InputError(
            "the tree of boot (initial_boot_params) is not found in this dump",
            source=source,
            hint="makedumpfile may have left it out: write the dump with -d 1",
        )
    return replace(read_fdt(blob, source), kernel=banner)


def _files(memory: KernelMemory, tree: Tree, banner: str, block_size: int) -> Iterator[tuple[str, bytes]]:
    if banner:
        yield "proc/version", banner.encode("utf-8", "replace")
    bootargs = tree.get("/chosen", "bootargs")
    if bootargs is not None:
        yield "proc/cmdline", bootargs.rstrip(b"\0")
    log = log_text(memory)
    if log:
        yield "dmesg", log
    blocks = "".join(_block_lines(sections(memory), block_size)) if block_size else ""
    if blocks:
        yield "memory/blocks", blocks.encode()
        yield "memory/block_size_bytes", b"%x\n" % block_size


def _block_lines(present: Iterable[MemorySection], block_size: int) -> Iterator[str]:
    """Yield memory blocks as lines of a capture; a block has the size of an LMB (pseries_memory_block_size)."""
    for number, members in groupby(present, lambda section: section.base // block_size):
        block = list(members)
        nodes = sorted({section.node for section in block if section.node is not None})
        state = "online" if all(section.online for section in block) else "offline"
        yield f"{number} {number:08x} {state} {','.join(map(str, nodes)) or '-'} - -\n"
