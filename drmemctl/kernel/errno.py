# SPDX-License-Identifier: MIT
"""Error numbers as the kernel returns them, negative, and their names."""

from __future__ import annotations

import errno

E2BIG = -errno.E2BIG
EPERM = -errno.EPERM
EBUSY = -errno.EBUSY
EEXIST = -errno.EEXIST
EFAULT = -errno.EFAULT
EINVAL = -errno.EINVAL
EIO = -errno.EIO
ENODEV = -errno.ENODEV
ENOENT = -errno.ENOENT
ENOSPC = -errno.ENOSPC
ERANGE = -errno.ERANGE


def errno_name(code: int) -> str | None:
    """Return e.g. `EINVAL` for -22, None for 0; a number that is no error as itself."""
    if code == 0:
        return None
    return errno.errorcode.get(-code, str(code))


def is_errno_name(name: str) -> bool:
    """Whether this is the name of an error number."""
    return name in errno.errorcode.values()
