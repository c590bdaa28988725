# SPDX-License-Identifier: MIT
"""`expect`: compares the partition, or the last step's result, with what the user expects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from drmemctl.formats.dynamic_memory import aa_text
from drmemctl.kernel.errno import is_errno_name
from drmemctl.simulate.findings import PartitionJudge
from drmemctl.simulate.partition import Partition, Step, StepResult
from drmemctl.simulate.step_words import DRC, StepWords

_EXPECTED = "ok, an error number's name, consistent, finding RULE, drc DRC aa|node N, or blocks N"


@dataclass(frozen=True, slots=True)
class Expect(Step):
    """An expectation about the state after the steps so far.

    Attributes:
        kind: `ok`, `errno`, `consistent`, `finding`, `aa`, `node` or `blocks`.
        name: the error number's or the rule's name.
        drc_index: the LMB, for `aa` and `node`.
        number: the aa_index, node or number of blocks.

    """

    kind: str
    name: str = ""
    drc_index: int = 0
    number: int = 0

    is_expectation: ClassVar[bool] = True
    completions: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("ok", "consistent", "finding", "drc", "blocks", "EINVAL", "EBUSY"),
        (DRC,),
        ("aa", "node"),
    )

    @classmethod
    def parse(cls, words: StepWords) -> Self:
        """Return the step."""
        kind = words.next(_EXPECTED)
        if kind in ("ok", "consistent"):
            return cls(words.text, kind)
        if kind == "finding":
            return cls(words.text, kind, words.next("the id of a rule"))
        if kind == "blocks":
            return cls(words.text, kind, number=words.number("a number of memory blocks"))
        if kind == "drc":
            drc_index = words.drc_index()
            field = words.keyword("aa", "node")
            return cls(words.text, field, drc_index=drc_index, number=words.number("a number"))
        if is_errno_name(kind):
            return cls(words.text, "errno", kind)
        raise words.error(_EXPECTED, back=1)

    @property
    def names_cause(self) -> bool:
        """Whether it expects an error number or a finding: then the step before it was to fail."""
        return self.kind in ("errno", "finding")

    def judged(self, partition: Partition, judge: PartitionJudge) -> StepResult:
        """Return a result that is ok if the expectation holds, else with what was expected and what is."""
        if self.kind == "consistent":
            contradictions = (
                f"{fault.rule}: {fault.message}" for fault in judge.judged(partition).contradictions()
            )
            reason = partition.kernel.dead or next(contradictions, "")
            note = f"expected consistent, is not: {reason}" if reason else ""
        elif self.kind == "finding":
            # Findings of the last step, and violations that exist now, whichever step they came with.
            new_findings = partition.boot if partition.last is None else partition.last.findings
            names = {violation.rule for violation in judge.judged(partition).violations}
            names.update(name for finding in new_findings for name in (finding.rule, finding.code) if name)
            listed = ", ".join(sorted(names)) or "none"
            note = "" if self.name in names else f"expected finding {self.name}, is {listed}"
        else:
            expected, actual = self._compared(partition)
            note = "" if expected == actual else f"expected {expected}, is {actual}"
        return StepResult(self, partition, partition, ok=not note, note=note)

    def _compared(self, partition: Partition) -> tuple[str, str]:
        """Return what is expected and what is, in words."""
        kernel = partition.kernel
        index = kernel.table.index_of_drc(self.drc_index)
        match self.kind:
            case "aa":
                actual = "not in the array" if index is None else f"aa {aa_text(kernel.table.lmb(index).aa_index)}"
                return f"aa {aa_text(self.number)}", actual
            case "node":
                base = None if index is None else kernel.table.lmb(index).base
                node = None if base is None else kernel.blocks.node_of(kernel.block_of(base))
                return f"node {self.number}", "no memory block" if node is None else f"node {node}"
            case "blocks":
                return f"{self.number} blocks", f"{len(kernel.blocks)} blocks"
        last = partition.last
        actual = "ok"
        if last is not None and not last.ok:
            actual = last.errno or last.note or next((fault.message for fault in last.findings), "not ok")
        return self.name or "ok", actual
