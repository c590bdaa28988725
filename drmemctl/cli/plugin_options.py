# SPDX-License-Identifier: MIT
"""`--plugin`, and what is said of the plugins that count.

A plugin is code that is run. So it is named on the command line, or installed as a package: no file of settings
and no variable of the environment can name one, since those come along with a strange repository.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from drmemctl.output.screen import say

if TYPE_CHECKING:
    from drmemctl.cli.common import Decorator

_SAID = "drmemctl.plugins"


def plugin_option() -> Decorator:
    """Return `--plugin`, which has the plugins in files count as long as the command runs."""
    return click.option(
        "--plugin",
        "plugins",
        type=click.Path(dir_okay=False, path_type=str),
        multiple=True,
        is_eager=True,
        expose_value=False,
        allow_from_autoenv=False,
        callback=_load,
        help="Run a file of Python that adds capabilities, lockings or steps. Repeat for each.",
    )


def _load(ctx: click.Context, param: click.Parameter, paths: tuple[str, ...]) -> None:
    if not paths or ctx.resilient_parsing:
        return
    if ctx.get_parameter_source(param.name or "") is not ParameterSource.COMMANDLINE:
        raise click.UsageError("--plugin is taken from the command line only.")
    from drmemctl.kernel import plugins

    # As long as the whole command line: what a group loads is there for its command.
    ctx.find_root().with_resource(plugins.scope())
    for path in paths:
        plugins.load_file(path)
    say_plugins()


def say_plugins() -> None:
    """Say on standard error which plugins count of which that was not said yet."""
    from drmemctl.kernel import plugins
    from drmemctl.output.text import safe

    said: Any = click.get_current_context().find_root().meta.setdefault(_SAID, [])
    for plugin in plugins.loaded():
        if plugin not in said:
            said.append(plugin)
            say(f"plugin {safe(plugin.source)}: {safe(plugin.adds, 2000)}")


def refuse_plugin_files() -> None:
    """Refuse `--plugin` for a command whose work is done in processes that do not get it."""
    import sys

    plugins: Any = sys.modules.get("drmemctl.kernel.plugins")
    if plugins is not None and any(plugin.code == plugin.source for plugin in plugins.loaded()):
        raise click.UsageError("the processes of a fleet do not get --plugin FILE: install it as a package.")


def installed_lines() -> list[str]:
    """Return the plugins of installed packages, a line each; they are not imported for that."""
    from drmemctl.kernel.installed_plugins import installed, source_of

    return [f"plugin {source_of(point)}: {point.value}" for point in installed()]
