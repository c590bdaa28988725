# SPDX-License-Identifier: MIT
"""What the build makes beside the package's own files: the description, the commit, manual pages, completion.

Why no hatch-vcs: it writes a file once, at the build, and what runs from a checkout is to name the commit that is
checked out now. So `drmemctl/_commit.py`, which reads `.git`, would stay, and only `_commit` and `_is_changed` of
this hook would go. Its version comes from tags: a clone without them (a shallow one, a snapshot) would have one
that `_version.py`, by which Debian, RPM and the documents go, does not have, and with a changed file the date of
the build in it, which no second build has. It needs setuptools-scm and git where packages are built.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

COMMIT_FILE = "drmemctl/_build.py"
COMPLETION = {
    "bash": "share/bash-completion/completions/drmemctl",
    "zsh": "share/zsh/site-functions/_drmemctl",
    "fish": "share/fish/vendor_completions.d/drmemctl.fish",
}


class CustomMetadataHook(MetadataHookInterface):
    """Makes the README the description: its links lead to the repository that `[project.urls]` names as Source."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the description."""
        root = Path(self.root)
        version = run_path(str(root / "drmemctl" / "_version.py"))["__version__"]
        source = metadata.get("urls", {}).get("Source", "")
        text = run_path(str(root / "tools" / "description.py"))["described"](
            (root / "README.md").read_text(encoding="utf-8"), source, version
        )
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


class CustomBuildHook(BuildHookInterface[Any]):
    """Adds what is made; an editable installation has it from the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the files, and say where in the package they belong."""
        if version == "editable":
            return
        self._made = TemporaryDirectory()
        made = Path(self._made.name)
        commit = self._commit()
        if commit:
            (made / "_build.py").write_text(f'"""Written by the build."""\n\nCOMMIT = "{commit}"\n')
            build_data["force_include"][str(made / "_build.py")] = COMMIT_FILE
        if self.target_name == "wheel":
            build_data["shared_data"].update(self._shared(made))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the files from where they were made."""
        if version != "editable":
            self._made.cleanup()

    def _commit(self) -> str:
        """Return the commit of a development version; empty also where the sources bring the file along."""
        root = Path(self.root)
        if ".dev" not in self.metadata.version or (root / COMMIT_FILE).exists():
            return ""
        commit: str = run_path(str(root / "drmemctl" / "_commit.py"))["commit_of"](self.root)
        return f"{commit}, changed" if commit and _is_changed(self.root) else commit

    def _shared(self, made: Path) -> dict[str, str]:
        self._run("tools.manual", str(made))
        found = {str(page): f"share/man/man1/{page.name}" for page in sorted(made.glob("*.1"))}
        for shell, place in COMPLETION.items():
            script = made / f"completion.{shell}"
            script.write_bytes(self._run("drmemctl", "completion", shell))
            found[str(script)] = place
        return found

    def _run(self, module: str, *arguments: str) -> bytes:
        """Run a module of this checkout and return what it prints."""
        command = [sys.executable, "-B", "-m", module, *arguments]
        # pip shows the requirements of a build by this variable.
        paths = filter(None, (self.root, os.environ.get("PYTHONPATH")))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        return subprocess.run(command, cwd=self.root, env=environment, stdout=subprocess.PIPE, check=True).stdout


def _is_changed(root: str) -> bool:
    """Whether a checkout is not just its commit, as far as git can be asked."""
    command = ["git", "status", "--porcelain", "--untracked-files=no"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return bool(done.stdout)
