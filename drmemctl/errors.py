# SPDX-License-Identifier: MIT
"""The exceptions of drmemctl: one tree, each with what went wrong, where, and what to do about it."""

from __future__ import annotations

from typing import Any

SHORTAGE_HINT = "let this user have more processes, open files and memory (ulimit -a)"
"""What to do where a machine has no room for one more of them."""


class DrmemctlError(Exception):
    """Something that the user gave cannot be read, decoded or done.

    Attributes:
        message: what is wrong, one sentence without a final stop.
        source: the input it is about, as the user named it.
        path: the node's path in the tree.
        property: the property's name.
        offset: byte offset, in the property when one is named, else in the input.
        hint: what to do about it.

    """

    def __init__(  # noqa: PLR0913 - each is a part of "what, where, what to do"
        self,
        message: str,
        *,
        source: str | None = None,
        path: str | None = None,
        property: str | None = None,
        offset: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.path = path
        self.property = property
        self.offset = offset
        self.hint = hint

    def with_source(self, source: str) -> DrmemctlError:
        """Return self, with `source` filled in if nobody nearer to the input did."""
        if self.source is None:
            self.source = source
        return self

    def __str__(self) -> str:
        where = [self.source] if self.source else []
        if self.path and self.property:
            where.append(f"{self.path}:{self.property}")
        elif self.path or self.property:
            where.append(self.path or self.property or "")
        text = ": ".join([*where, self.message])
        if self.offset is not None:
            text += f" (at offset {self.offset:#x})"
        return f"{text}; {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross process borders (check --jobs); the default would lose the keyword arguments.
        return (_rebuild, (type(self), self.message, self.__dict__.copy()))


def _rebuild(kind: type[DrmemctlError], message: str, state: dict[str, Any]) -> DrmemctlError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error


class InputError(DrmemctlError):
    """The input cannot be opened, or is of no kind that holds a device tree."""


class BlobError(DrmemctlError):
    """A flattened device tree that is not well-formed; `code` is libfdt's name for the fault.

    Source: libfdt `fdt_check_full`, Devicetree Specification v0.4 chapter 5.
    """

    def __init__(self, code: str, message: str, *, offset: int, path: str | None = None) -> None:
        super().__init__(message, offset=offset, path=path)
        self.code = code


class FormatError(DrmemctlError):
    """Values that do not fit the layout of the property that was to be built from them."""


class LimitError(DrmemctlError):
    """The input is larger than what this run may read or print."""


class NotInTreeError(DrmemctlError):
    """The tree is fine, but what the command is about is not in it."""


class WriteError(DrmemctlError):
    """The output cannot be written."""
