# SPDX-License-Identifier: MIT
"""`firmware`: a property that firmware changes, of which the kernel is told as by an update of the tree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from drmemctl.kernel.errno import ENODEV, errno_name
from drmemctl.kernel.job import Job
from drmemctl.kernel.notifier import remove_property, set_property
from drmemctl.kernel.task import Task
from drmemctl.kernel.topology_updates import update_cpu_topology
from drmemctl.simulate.files import Files
from drmemctl.simulate.partition import Partition, StepResult
from drmemctl.simulate.step_words import PATH, PROPERTY, VALUE, StepWords, unquoted
from drmemctl.simulate.steps.kernel_step import Circumstances, KernelStep, MakeTask

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*\Z")


@dataclass(frozen=True, slots=True)
class FirmwareUpdate(KernelStep):
    """A property's new value, read from `file` where that is given; neither removes it."""

    path: str
    name: str
    value: bytes | None = None
    file: str | None = None

    updates_tree: ClassVar[bool] = True
    completions: ClassVar[tuple[tuple[str, ...], ...]] = ((PATH,), (PROPERTY,), (VALUE,))

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step."""
        path = words.next("the path of a node")
        if not path.startswith("/"):
            raise words.error("the path of a node, from / on", back=1)
        name, value = words.next("a property"), words.next("its value in hex, @FILE, or -")
        if value == "-":
            return cls(words.text, path, name)
        if value.startswith("@"):
            return cls(words.text, path, name, file=unquoted(value[1:]))
        if not _HEX.match(value):
            raise words.error("whole bytes in hex, @FILE, or -", back=1)
        return cls(words.text, path, name, bytes.fromhex(value))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The file with the value, if any."""
        return () if self.file is None else (self.file,)

    def task(self, circumstances: Circumstances) -> MakeTask:
        """Return what makes the task that changes the property."""
        value = self.value if self.file is None else circumstances.files.file(self.file)

        def make(job: Job) -> Task[int]:
            if value is None:
                yield from remove_property(job, self.path, self.name, delivered=True)
            else:
                yield from set_property(job, self.path, self.name, value, delivered=True)
                yield from update_cpu_topology(job)
            return 0

        return make

    def carry_out(self, partition: Partition, files: Files) -> StepResult:
        """Return the result, ENODEV where there is no such node."""
        kernel = partition.kernel
        if kernel.takes_updates and kernel.tree.find(self.path) is None:
            note = f"no node {self.path}"
            return StepResult(self, partition, partition, ok=False, errno=errno_name(ENODEV), note=note)
        return self.alone(partition, partition, files)
