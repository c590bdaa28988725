# SPDX-License-Identifier: MIT
"""Bundled records once more: their steps in real guests, against what is bundled and against the simulation."""

from __future__ import annotations

import gzip
import json
import shlex
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from drmemctl.formats.associativity import ASSOCIATIVITY
from drmemctl.formats.dynamic_memory import V1, V2
from drmemctl.kernel.early_memory import MEMORY_LIMIT
from drmemctl.model.associativity import CHOSEN
from drmemctl.qualify.archive import initramfs
from drmemctl.qualify.guest import Guest
from drmemctl.qualify.monitor import OracleError
from drmemctl.qualify.recorder import recorded_in, root_files
from drmemctl.qualify.records import Record
from drmemctl.tree.fdt_reader import read_fdt
from drmemctl.tree.node import Tree
from tests.conftest import FIXTURES, blob
from tests.oracle.compare import differences, mistakes, reason
from tests.oracle.packages import GuestPackages
from tests.oracle.records import record_of
from tests.simulate.records import record

FOLDERS = ("captures", "memblock", "nodes")
"""Folders of records that a guest without a debugger can make, with Debian's kernels."""

BUILT = ("kexec",)
"""Those that it makes with a kernel that was built for them."""

_SECONDS = 600.0


class LeftOutError(OracleError):
    """A record that cannot be made by anyone: nothing is wrong if it is not."""


@dataclass(frozen=True)
class Regenerated:
    """A record that was made once more.

    Attributes:
        name: such as `captures/6.1-lpm`.
        wrong: what the simulation does not do as this kernel did it.
        failure: why there is no new record; empty if there is one.

    """

    name: str
    wrong: tuple[str, ...] = ()
    failure: str = ""


def names(pattern: str) -> list[str]:
    """Return the records whose names match a pattern such as `6.1-*`."""
    found = (
        f"{folder}/{path.stem}" for folder in (*FOLDERS, *BUILT) for path in (FIXTURES / folder).glob("*.json")
    )
    return sorted(name for name in found if fnmatch(name.partition("/")[2], pattern))


def regenerated(
    chosen: Iterable[str], packages: GuestPackages, kernel: Path | None, top: Path
) -> Iterator[Regenerated]:
    """Make records once more, one guest at a time, in a folder of their own; say how each compares."""
    for name in chosen:
        print(f"{name}: ", end="", flush=True)
        try:
            yield _regenerated(name, packages, kernel, top)
        except LeftOutError as error:
            print(f"stays as it is: {error}", flush=True)
        except OracleError as error:
            print(f"not made: {error}", flush=True)
            yield Regenerated(name, failure=str(error))


def _regenerated(name: str, packages: GuestPackages, kernel: Path | None, top: Path) -> Regenerated:
    old = record(name)
    if kernel is None and any(step["step"] == "kexec file" for step in old["steps"]):
        raise LeftOutError("no kernel of Debian's has CONFIG_KEXEC_FILE: name one with KERNEL=path/to/vmlinux")
    image = kernel or _kernel_of(old, packages)
    new, fdt = recorded(old, blob(name), image, packages, top / "guests" / name)
    _write(top / name, new, fdt)
    wrong = tuple(mistakes(new, read_fdt(fdt, name)))
    differing = differences(old, new)
    print("equal to the bundled one" if not differing else "differs from the bundled one", flush=True)
    for line in differing:
        print(f"    {line}")
    if differing:
        print(f"    because: {reason(old, new) or 'unknown'}")
    for line in wrong:
        print(f"    THE SIMULATION IS WRONG: {line}")
    return Regenerated(name, wrong)


def recorded(
    plan: Record, tree: bytes, kernel: Path, packages: GuestPackages, place: Path
) -> tuple[Record, bytes]:
    """Return what a kernel does now with the steps of a record: the new record and the kernel's flattened tree."""
    if "elfcorehdr=" in plan["cmdline"]:
        raise LeftOutError("a crash kernel: what it was started by is not in the record")
    root = root_files(plan, packages.busybox().read_bytes())
    if any(step["step"].startswith("drmgr ") for step in plan["steps"]):
        root |= packages.drmgr_files()
    if any(step["step"].startswith("kexec") for step in plan["steps"]):
        root |= packages.kexec_files() | {"vmlinux": kernel.read_bytes()}
    cmdline = plan["cmdline"]
    booted_from = read_fdt(tree, plan["name"])
    if booted_from.get("/chosen", "linux,booted-from-kexec") is not None:
        root |= packages.kexec_files() | {
            "second.gz": initramfs(root),
            "vmlinux": kernel.read_bytes(),
            "cmdline": cmdline.encode(),
            "edits": _edits(plan, booted_from).encode(),
        }
        cmdline = "console=hvc0 quiet"
    guest = Guest(kernel, initramfs(root), shlex.split(plan["qemu"]), cmdline, _SECONDS)
    return recorded_in(guest, plan, place, record_of)


def _edits(record: Record, tree: Tree) -> str:
    """Return what makes the tree of the first kernel that which the second one found."""
    values = record["boot"]["properties"]
    limit = (tree.get(CHOSEN, MEMORY_LIMIT) or bytes(8)).hex()
    gone = [f"[ -e $drmem/{name} ] && without {name}" for name in (V1, V2) if name not in values]
    lines = [f"firmware {name} {value}" for name, value in values.items()]
    for node in tree.root.children:
        nodes_list = node.get(ASSOCIATIVITY) if node.name.startswith("memory@") else None
        if nodes_list is not None:
            lines.append(f"firmware {ASSOCIATIVITY} {nodes_list.hex()} /proc/device-tree/{node.name}")
    return "\n".join([*lines, *gone, f"firmware {MEMORY_LIMIT} {limit} /proc/device-tree/chosen"]) + "\n"


def _kernel_of(old: Record, packages: GuestPackages) -> Path:
    series = ".".join(old["kernel"].split(".")[:2])
    image = packages.kernel(series)
    if image is None:
        raise OracleError(f"Debian has no {series} for ppc64el now; name one with KERNEL=path/to/vmlinux")
    return image


def _write(place: Path, new: Record, fdt: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{place}.json").write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")
    Path(f"{place}.dtb.gz").write_bytes(gzip.compress(fdt, 9, mtime=0))


def replace_fixtures(made: Iterable[str], top: Path) -> None:
    """Put new records in the place of bundled ones, folder by folder: each is exchanged as a whole."""
    for folder in FOLDERS:
        files = [f"{name}{end}" for name in made if name.startswith(f"{folder}/") for end in (".json", ".dtb.gz")]
        if not files:
            continue
        place = FIXTURES / folder
        new, old = place.with_name(f".{folder}.new"), place.with_name(f".{folder}.old")
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(place, new)
        for name in files:
            shutil.copy(top / name, new)
        place.rename(old)
        new.rename(place)
        shutil.rmtree(old)
