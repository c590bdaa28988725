# SPDX-License-Identifier: MIT
"""Write what commands print, and what notebooks give, into the documents: `python -m tests.docs [FILE]...`.

Without a FILE it is all of them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.docs.notebooks import executed, read, write
from tests.docs.transcripts import Shell, documents, renewed
from tools.site.notebooks import notebooks


def main() -> None:
    """Renew the transcripts of the documents named; what is printed now is seen in `git diff`."""
    for path in [Path(name) for name in sys.argv[1:]] or [*documents(), *notebooks()]:
        if path.suffix == ".ipynb":
            write(path, executed(read(path)))
            continue
        with TemporaryDirectory() as place:
            shell = Shell(Path(place))
            before = path.read_text(encoding="utf-8")
            after = renewed(before, shell)
        for line in shell.unexpected:
            sys.stderr.write(f"{path}: {line}\n")
        if after != before:
            path.write_text(after, encoding="utf-8")
            sys.stderr.write(f"{path}: written\n")


if __name__ == "__main__":
    main()
