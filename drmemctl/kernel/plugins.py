# SPDX-License-Identifier: MIT
"""Plugins: capabilities, functions of the kernel, locking policies and steps that others add without a fork.

What a plugin adds counts only where somebody names it: a capability by `--with`, a policy by `--locking`, a step
by its first word. So an installed package changes no result by being there, and those of installed packages are
imported once a name is asked for that nothing else has.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, count
from types import ModuleType, TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from drmemctl.errors import DrmemctlError
from drmemctl.kernel.capability import Capability
from drmemctl.kernel.installed_plugins import installed, source_of

P = ParamSpec("P")
R = TypeVar("R")

_LARGEST = 1 << 20
"""Bytes of a file of Python that is taken for a plugin."""

REPLACEABLE = (
    "drmem_update_dt",
    "of_update_property",
    "pseries_memory_notifier",
    "update_lmb_associativity_index",
    "dlpar_add_lmb",
    "dlpar_remove_lmb",
    "dlpar_memory",
    "update_dt_node",
    "pseries_devicetree_update",
    "post_mobility_fixup",
)
"""The functions of the kernel in whose place a plugin's may stand."""


class PluginError(DrmemctlError):
    """A plugin that cannot be loaded, or that failed."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """A function that stands in the place of one of the kernel's where the kernel has a capability.

    Attributes:
        function: the kernel's function, one of `REPLACEABLE`.
        capability: the capability.
        task: takes what that takes, and yields actions as that does.

    """

    function: str
    capability: Capability
    task: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Plugin:
    """What a plugin adds.

    Attributes:
        name: what it is called in messages.
        about: what it is for, in a sentence.
        capabilities: capabilities that `--with` may name.
        functions: functions that stand in the place of the kernel's where it has such a capability.
        policies: locking policies that `--locking` may name.
        steps: kinds of steps by their first word.
        source: where it is from: the file, or the entry point and its package.
        code: the file that its code is in.

    """

    name: str
    about: str
    capabilities: tuple[Capability, ...] = ()
    functions: tuple[Replacement, ...] = ()
    policies: tuple[Any, ...] = ()
    steps: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    code: str = ""

    @property
    def adds(self) -> str:
        """What it adds, in words."""
        kinds = (
            ("capability", [capability.name for capability in self.capabilities]),
            ("locking", [policy.name for policy in self.policies]),
            ("step", list(self.steps)),
        )
        return "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds if names)


@dataclass(slots=True)
class _Registry:
    plugins: list[Plugin] = field(default_factory=list)
    looked_for_installed: bool = False
    codes: dict[str, str] = field(default_factory=dict)
    """By each file that a plugin was loaded from, what messages call it; also of those that count no more."""


_registry = _Registry()


def loaded() -> tuple[Plugin, ...]:
    """Return the plugins that count."""
    return tuple(_registry.plugins)


def add(plugin: Plugin) -> Plugin:
    """Have a plugin count from now on; `PluginError` if it is none, or has a name that there is already."""
    fault = next(_faults_of(plugin), None)
    if fault is not None:
        raise PluginError(f"plugin {plugin.name!r}: {fault}", source=plugin.source or None)
    _registry.plugins.append(plugin)
    if plugin.code:
        _registry.codes[plugin.code] = plugin.source
    return plugin


def remove(plugin: Plugin) -> None:
    """Have a plugin count no more."""
    _registry.plugins = [counting for counting in _registry.plugins if counting is not plugin]


@contextmanager
def scope() -> Iterator[None]:
    """Have plugins that are loaded meanwhile count no longer than that."""
    before, looked_for_installed = tuple(_registry.plugins), _registry.looked_for_installed
    _registry.looked_for_installed = False
    try:
        yield
    finally:
        _registry.plugins, _registry.looked_for_installed = list(before), looked_for_installed


def capabilities() -> dict[str, Capability]:
    """Return the capabilities that plugins add, by name."""
    return {capability.name: capability for plugin in loaded() for capability in plugin.capabilities}


def policies() -> dict[str, Any]:
    """Return the locking policies that plugins add, by name."""
    return {policy.name: policy for plugin in loaded() for policy in plugin.policies}


def steps() -> dict[str, Any]:
    """Return the kinds of steps that plugins add, by their first word."""
    return {word: kind for plugin in loaded() for word, kind in plugin.steps.items()}


Addition = TypeVar("Addition")


def looked_up(name: str, names: Callable[[], Mapping[str, Addition]]) -> Addition | None:
    """Return what plugins have under a name, those of installed packages as well; None for nothing."""
    if name not in names():
        load_installed()
    return names().get(name)


def replaceable(function: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have a plugin's function stand in the place of the decorated one, where the kernel has its capability.

    The decorated one, which takes the job first, is `__wrapped__`.
    """
    assert function in REPLACEABLE, function  # noqa: S101 - a slip in this package

    def decorated(task: Callable[P, R]) -> Callable[P, R]:
        from functools import wraps

        @wraps(task)
        def replaced(*args: P.args, **kwargs: P.kwargs) -> R:
            for plugin in _registry.plugins:
                job: Any = args[0]
                for replacement in plugin.functions:
                    if replacement.function == function and job.has(replacement.capability):
                        return cast("R", _task_of(plugin, replacement, args, kwargs))
            return task(*args, **kwargs)

        return replaced

    return decorated


def _task_of(
    plugin: Plugin, replacement: Replacement, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Generator[Any, Any, Any]:
    with faults_told(plugin.source or plugin.name):
        task = replacement.task(*args, **kwargs)
        if not isinstance(task, Generator):
            raise TypeError(f"{replacement.function} yields no actions")
    return task


def source_of_step(kind: type) -> str:
    """Return where a kind of steps is from, empty for this package's own."""
    return next((plugin.source or plugin.name for plugin in loaded() if kind in plugin.steps.values()), "")


def held_to(value: object, expected: type, kind: type, method: str) -> None:
    """Hold what a method of a kind of steps returned to its type; `PluginError` for anything else."""
    if not isinstance(value, expected):
        with faults_told(source_of_step(kind)):
            raise TypeError(f"{method} returns a {type(value).__name__}, and no {expected.__name__}")


def task_maker(step: Any, circumstances: Any) -> Callable[..., Any]:
    """Return what makes the task of a step; of a plugin's, what is none is told with the plugin."""
    source = source_of_step(type(step))
    if not source:
        return cast("Callable[..., Any]", step.task(circumstances))
    with faults_told(source):
        make = step.task(circumstances)
        if not callable(make):
            raise TypeError(f"task returns a {type(make).__name__}, and no function that makes a task")

    def make_checked(job: Any) -> Any:
        with faults_told(source):
            task = make(job)
            if not isinstance(task, Generator):
                raise TypeError(f"what task returns yields no actions: it makes a {type(task).__name__}")
        return task

    return make_checked


# Loading.

_numbers = count()
"""Of the modules that files are loaded as: a name in sys.modules is never given twice."""


def load_file(path: str) -> Plugin:
    """Load the plugin in a file of Python, which is run: `plugin`, a `Plugin`, is what it adds.

    `PluginError` with file and line for whatever is wrong with it.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib is not imported for one file
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise PluginError(f"the plugin cannot be read: {reason or error}", source=path) from error
    if len(data) > _LARGEST:
        raise PluginError(f"this is no plugin: more than {_LARGEST:,} bytes", source=path)
    try:
        code = compile(data, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f"line {error.lineno}: " if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        raise PluginError(f"{line}this is no Python: {reason}", source=path) from error
    module = ModuleType(f"drmemctl_plugin_{next(_numbers)}")
    module.__file__ = path
    # Dataclasses look their own module up.
    sys.modules[module.__name__] = module
    with faults_told(path):
        exec(code, module.__dict__)  # noqa: S102 - what a plugin is for
        return add(_with_source(getattr(module, "plugin", None), path, path))


def load_installed() -> None:
    """Load the plugins of installed packages, once; `PluginError` for one that cannot be loaded."""
    if _registry.looked_for_installed:
        return
    # Before one is imported: that may ask for a name as well.
    _registry.looked_for_installed = True
    try:
        for point in installed():
            source = source_of(point)
            if any(plugin.source == source for plugin in loaded()):
                continue  # before one that failed
            with faults_told(source):
                value = point.load()
                code = getattr(sys.modules.get(point.module), "__file__", None) or ""
                add(_with_source(value, source, code))
    except BaseException:
        # The next that asks is told the same, and not that there is no such name.
        _registry.looked_for_installed = False
        raise


def _with_source(value: Any, source: str, code: str) -> Plugin:
    if not isinstance(value, Plugin):
        kind = "nothing" if value is None else f"a {type(value).__name__}"
        raise PluginError(
            f"this is no plugin: `plugin` is {kind}", source=source, hint="plugin = drmemctl.plugin.Plugin(...)"
        )
    return replace(value, source=source, code=code)


def _faults_of(plugin: Plugin) -> Iterator[str]:
    """Yield what is wrong with a plugin's names and values."""
    from drmemctl.kernel.capabilities import BY_NAME

    # The layers above are there where their names can be asked for.
    own_names = (
        getattr(sys.modules.get(f"drmemctl.simulate.{module}"), names, ())
        for module, names in (("steps.language", "STEPS"), ("interleave.policy", "BY_NAME"))
    )
    taken_names = {*capabilities(), *policies(), *steps(), *BY_NAME, *chain.from_iterable(own_names)}
    values = (*plugin.capabilities, *plugin.policies)
    for name in (*(getattr(value, "name", None) for value in values), *plugin.steps):
        if not isinstance(name, str) or not name or set(name) - _NAME:
            yield f"{name!r} is no name: letters, digits and hyphens make one"
        elif name in taken_names:
            yield f"there is a {name!r} already"
        else:
            taken_names.add(name)
    for replacement in plugin.functions:
        if replacement.function not in REPLACEABLE:
            yield f"{replacement.function} cannot be replaced; these can: {', '.join(REPLACEABLE)}"
        if replacement.capability not in plugin.capabilities:
            yield f"{replacement.function} goes by a capability that the plugin does not add"
    for word, kind in plugin.steps.items():
        if not (isinstance(kind, type) and hasattr(kind, "parse") and hasattr(kind, "carry_out")):
            yield f"step {word!r} is no class below Step"
    yield from (
        f"locking {policy.name!r} is no Policy" for policy in plugin.policies if not hasattr(policy, "locks")
    )


_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


# What goes wrong in one.


@contextmanager
def faults_told(source: str = "") -> Iterator[None]:
    """Make a `PluginError` of an exception that comes from the code of a plugin, or of that being loaded."""
    try:
        yield
    except DrmemctlError as error:
        if source:
            error.with_source(source)
        raise
    except (Exception, SystemExit) as error:
        fault = fault_in(error, source)
        if fault is None:
            raise
        raise fault from error


def fault_in(error: BaseException, source: str = "") -> PluginError | None:
    """Return what is to be said of an exception if it comes from the code of a plugin, else None."""
    places = dict(_registry.codes)
    if source:
        places.setdefault(source, source)
    place, line = "", 0
    at: TracebackType | None = error.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename in places:
            place, line = places[at.tb_frame.f_code.co_filename], at.tb_lineno
        at = at.tb_next
    if not place and not source:
        return None
    where = f"line {line}: " if line else ""
    reason = str(error) if isinstance(error, Exception) else "it ends the program"
    return PluginError(f"{where}the plugin fails: {type(error).__name__}: {reason}", source=place or source)
