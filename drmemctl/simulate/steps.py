# SPDX-License-Identifier: MIT
"""The steps of the step language, as values."""

from __future__ import annotations

from dataclasses import dataclass

PRRN_EVENT_SCOPE = 2
"""The scope in the event of a reassignment to a tree; the kernel asks firmware for the updates of its negative."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step; `text` is what the user wrote."""

    text: str


@dataclass(frozen=True, slots=True)
class Dlpar(Step):
    """What is written to /sys/kernel/dlpar, without the line feed that ends it."""

    request: str


@dataclass(frozen=True, slots=True)
class Attach(Step):
    """`plug` or `attach`: the hypervisor attaches LMBs; `tell` asks the guest to add them.

    Attributes:
        drc_index: the first LMB's.
        count: how many LMBs.
        tell: whether the guest is asked.
        node: the Linux node that a list of the firmware's lookup arrays at boot has to lead to, None if not given.
        row: the number of such a list, None if not given.
        domains: an associativity list, None if not given; with none of the three it is list 0.

    """

    drc_index: int
    count: int
    tell: bool
    node: int | None = None
    row: int | None = None
    domains: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Detach(Step):
    """`unplug` or `detach`: the hypervisor wants LMBs back; `tell` asks the guest to give them."""

    drc_index: int
    count: int
    tell: bool


@dataclass(frozen=True, slots=True)
class FirmwareUpdate(Step):
    """`firmware`: a property's new value, read from `file` where that is given; neither removes it."""

    path: str
    property: str
    value: bytes | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Lpm(Step):
    """`lpm`: a migration to the firmware of a tree."""

    tree: str


@dataclass(frozen=True, slots=True)
class Migrate(Step):
    """`migrate`: a migration by the recorded answers of RTAS calls."""

    file: str


@dataclass(frozen=True, slots=True)
class Prrn(Step):
    """`prrn`: a platform resource reassignment, to the firmware of a tree or of phandles in a scope."""

    tree: str | None = None
    scope: int = 0
    phandles: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Unmovable(Step):
    """`unmovable` or `movable`: whether memory of LMBs can be taken offline."""

    drc_indexes: tuple[int, ...]
    unmovable: bool


@dataclass(frozen=True, slots=True)
class Rtas(Step):
    """`rtas`: a call as the guest would make it; `what` is the sensor or indicator."""

    call: str
    drc_index: int
    what: int = 0
    value: int = 0


@dataclass(frozen=True, slots=True)
class Reboot(Step):
    """`reboot`, from the firmware's tree, or `kexec`, from the kernel's own."""

    kexec: bool


@dataclass(frozen=True, slots=True)
class Expect(Step):
    """`expect`: something about what is so far.

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
