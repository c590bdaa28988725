# SPDX-License-Identifier: MIT
"""`drmemctl completion`: the script that makes a shell complete drmemctl's command line."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")

_EXAMPLE = """
\b
Examples:
  drmemctl completion bash > ~/.local/share/bash-completion/completions/drmemctl
  drmemctl completion zsh > ~/.zfunc/_drmemctl     # with fpath+=~/.zfunc before compinit
  drmemctl completion fish > ~/.config/fish/completions/drmemctl.fish

Packages bring these files along; a new shell reads them.
"""

_FISH_SPLIT = 'string split "," $completion'


@click.command("completion", short_help="Print the script for completion in bash, zsh or fish.", epilog=_EXAMPLE)
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script that makes a shell complete commands, options, rules, kernels and nodes of a TREE.

    bash has to be 4.4 or later.
    """
    click.echo(source(shell), nl=False)


def source(shell: str) -> str:
    """Return a shell's script."""
    from click.shell_completion import ShellComplete, get_completion_class

    from drmemctl.cli.app import app

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - Click has all of SHELLS
    # Not the class's own `source`: that of bash runs bash to see its version.
    script = ShellComplete.source(kind(app, {}, "drmemctl", "_DRMEMCTL_COMPLETE"))
    # Click splits at every comma, and names like ibm,lmb-size have one.
    script = script.replace(_FISH_SPLIT, _FISH_SPLIT.replace("split", "split -m 1"))
    return script.strip("\n") + "\n"
