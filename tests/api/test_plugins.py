# SPDX-License-Identifier: MIT
"""Plugins: what they add counts where it is named and nowhere else; what is wrong with one is said in a line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import drmemctl
from drmemctl import plugin as api
from drmemctl.cli.app import app
from drmemctl.kernel import plugins
from drmemctl.plugin import Capability, Plugin, PluginError, Policy, Replacement
from tests.cli.running import Outcome, run
from tests.conftest import FIXTURES, ROOT

EXAMPLE = ROOT / "docs/plugins/notifier_parameter.py"
BEFORE, AFTER = FIXTURES / "races/before.dts", FIXTURES / "races/after.dts"
THREADS = [f"lpm {AFTER}", "dlpar memory add indexed-count 1 0x80000002"]

HEAD = "from drmemctl.plugin import *\n"
STEP = f"""{HEAD}
from dataclasses import dataclass

@dataclass(frozen=True, slots=True)
class Flush(KernelStep):
    touches = REQUEST

    @classmethod
    def parse(cls, words):
        return cls(words.text)

    def task(self, circumstances):
        return drmem_update_dt

plugin = Plugin("flush", "writes the array back", steps={{"flush": Flush}},
                policies=(Policy("no-queue", "only the mutex", frozenset({{Lock.HOTPLUG}})),))
"""


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    with plugins.scope():
        yield


def explored(*options: str | Path) -> Outcome:
    threads = [word for thread in THREADS for word in ("--thread", thread)]
    return run("explore", BEFORE, *threads, *options)


def ends_with_lost_updates(*added: str) -> int:
    """Return how many inconsistent ends have a notification that another thread's flag has passed over."""
    exploration = drmemctl.explore(drmemctl.load(BEFORE), THREADS, added=added)
    (answer,) = exploration.answers
    assert answer.complete
    return sum(any(action.lost for action in end.actions) for end in exploration.traced(answer))


def test_the_race_is_there_with_the_global_and_not_with_the_parameter() -> None:
    plugins.load_file(str(EXAMPLE))
    assert ends_with_lost_updates() == 2
    assert ends_with_lost_updates("notifier-parameter") == 0


def test_what_the_parameter_leaves_takes_a_mutex_around_the_flush() -> None:
    plugins.load_file(str(EXAMPLE))
    tree = drmemctl.load(BEFORE)
    locking = ("kernel", "mutex")
    bad = {
        added: [
            len(answer.bad) for answer in drmemctl.explore(tree, THREADS, locking=locking, added=added).answers
        ]
        for added in ((), ("notifier-parameter",), ("flush-mutex",))
    }
    assert bad == {(): [3, 3], ("notifier-parameter",): [1, 1], ("flush-mutex",): [3, 0]}


def test_one_thread_alone_does_the_same_with_it() -> None:
    plugins.load_file(str(EXAMPLE))
    tree, steps = drmemctl.load(BEFORE), ["dlpar memory remove count 1", "dlpar memory add count 2"]
    plain = drmemctl.simulate(tree, steps).simulation
    changed = drmemctl.simulate(tree, steps, added=["notifier-parameter"]).simulation
    assert changed.to_json() == plain.to_json()
    assert changed.tree.root == plain.tree.root


def test_the_command_says_which_plugins_count() -> None:
    said = f"drmemctl: plugin {EXAMPLE}: capability notifier-parameter, flush-mutex\n"
    told = explored("--plugin", EXAMPLE, "--with", "notifier-parameter", "--show", "0")
    assert (told.code, told.err) == (1, said)
    assert "kernel          12      80     2             1" in told.out
    # A plugin that is not asked for changes nothing, and is forgotten with its command.
    assert explored("--plugin", EXAMPLE, "--show", "0").out == explored("--show", "0").out
    refused = explored("--with", "notifier-parameter")
    assert (refused.code, "no capability 'notifier-parameter'" in refused.err) == (2, True)
    assert plugins.loaded() == ()


def test_before_the_command_it_counts_as_well() -> None:
    listed = run("--plugin", EXAMPLE, "kernels")
    assert "of plugins, where --with names them\n  notifier-parameter  " in listed.out
    refused = run("--plugin", EXAMPLE, "fleet", "check", "x", "-o", "y")
    assert (refused.code, "install it as a package" in refused.err) == (2, True)


def test_a_step_and_a_locking(tmp_path: Path) -> None:
    path = tmp_path / "flush.py"
    path.write_text(STEP)
    done = run("simulate", BEFORE, "flush", "--plugin", path, "--trace")
    assert (done.code, "drmem_update_dt_v2" in done.out) == (0, True)
    told = explored("--plugin", path, "--locking", "no-queue", "--show", "0", "--thread", "flush")
    assert (told.code, told.out.split("\n")[1].split()[0]) == (1, "no-queue")
    wrong = run("simulate", BEFORE, "flsh", "--plugin", path)
    assert (wrong.code, ", flush)" in wrong.err) == (2, True)


def test_what_its_step_does_not_touch_is_refused() -> None:
    cpus = Capability("cpus-touched", "touches CPUs")

    @api.atomic(writes=(api.StatePart.CPUS,))
    def touch(job: api.Job) -> int:
        return 0

    plugins.add(Plugin("cpus", "", (cpus,), (Replacement("drmem_update_dt", cpus, touch),)))
    with pytest.raises(PluginError, match="touch touches more than is said of 'dlpar memory add"):
        drmemctl.explore(drmemctl.load(BEFORE), THREADS, added=["cpus-touched"])


WRONG = {
    "x = undefined": "line 1: the plugin fails: NameError: name 'undefined' is not defined",
    "def f(:": "line 1: this is no Python: invalid syntax",
    "\0": "this is no Python: source code string cannot contain null bytes",
    "import sys\nsys.exit(3)": "line 2: the plugin fails: SystemExit: it ends the program",
    "plugin = 3": "this is no plugin: `plugin` is a int; plugin = drmemctl.plugin.Plugin(...)",
    "": "this is no plugin: `plugin` is nothing; plugin = drmemctl.plugin.Plugin(...)",
    "import no_such_module_at_all": "line 1: the plugin fails: ModuleNotFoundError: No module named",
    f"{HEAD}plugin = Plugin('p', '', steps={{'dlpar': Step}})": "plugin 'p': there is a 'dlpar' already",
    f"{HEAD}plugin = Plugin('p', '', steps={{'x': 3}})": "plugin 'p': step 'x' is no class below Step",
    f"{HEAD}plugin = Plugin('p', '', (Capability('aa-sync', ''),))": "plugin 'p': there is a 'aa-sync' already",
    f"{HEAD}plugin = Plugin('p', '', (Capability('a b', ''),))": "plugin 'p': 'a b' is no name",
    f"{HEAD}C = Capability('c', '')\nplugin = Plugin('p', '', (C,), (Replacement('kfree', C, print),))": (
        "plugin 'p': kfree cannot be replaced; these can: drmem_update_dt"
    ),
    f"{HEAD}C = Capability('c', '')\nplugin = Plugin('p', '', (), (Replacement('dlpar_memory', C, print),))": (
        "plugin 'p': dlpar_memory goes by a capability that the plugin does not add"
    ),
    f"{HEAD}plugin = Plugin('p', '', (Capability('c', ''), Capability('c', '')))": (
        "plugin 'p': there is a 'c' already"
    ),
    f"{HEAD}plugin = Plugin('p', '', capabilities=3)": "the plugin fails: TypeError: ",
    f"{HEAD}plugin = Plugin('p', '', functions=(3,))": "the plugin fails: AttributeError: 'int'",
}


def test_what_is_wrong_with_a_file_is_said_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    for content, message in WRONG.items():
        path.write_text(content)
        told = run("kernels", "6.1", "--plugin", path)
        assert (told.code, told.out, told.err.count("\n")) == (3, "", 1), content
        assert told.err.startswith(f"drmemctl: {path}: {message}"), told.err
    absent = run("kernels", "--plugin", tmp_path / "absent.py")
    assert (absent.code, absent.err.count("\n")) == (3, 1)
    assert "absent.py: the plugin cannot be read: No such file" in absent.err
    assert run("kernels", "--plugin", tmp_path).code == 2


FAILS = f"""{HEAD}
C = Capability("fails", "")
def task(job):
    yield from take(Lock.TREE_UPDATE)
    raise ValueError("no \\x1b[31m")
plugin = Plugin("fails", "", (C,), (Replacement("drmem_update_dt", C, task),))
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_fails_in_a_plugin_names_its_line(tmp_path: Path, jobs: str) -> None:
    path = tmp_path / "fails.py"
    path.write_text(FAILS)
    options = ("--plugin", path, "--with", "fails")
    message = f"drmemctl: {path}: line 6: the plugin fails: ValueError: no \\x1b[31m\n"
    told = explored(*options, "--locking", "kernel", "--locking", "mutex", "-j", jobs)
    assert (told.code, told.err.splitlines(keepends=True)[1:]) == (3, [message])
    done = run("simulate", BEFORE, "dlpar memory remove count 1", *options)
    assert (done.code, done.err.splitlines(keepends=True)[1:]) == (3, [message])


NO_TASKS = {
    "task = 3": ": the plugin fails: TypeError: 'int' object is not callable",
    "def task(job): return 0": ": the plugin fails: TypeError: drmem_update_dt yields no actions",
    "def task(): yield": ": the plugin fails: TypeError: task() takes 0 positional arguments but 1 was given",
    "def task(job):\n    yield take(Lock.TREE_UPDATE)": (
        ": line 4: task yields a generator and no action; `yield from` goes on with another function"
    ),
}


def test_what_is_no_task_is_the_plugins_fault(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    for function, message in NO_TASKS.items():
        path.write_text(
            f"{HEAD}C = Capability('c', '')\n{function}\n"
            "plugin = Plugin('p', '', (C,), (Replacement('drmem_update_dt', C, task),))\n"
        )
        options = ("--plugin", path, "--with", "c")
        for told in (run("simulate", BEFORE, "dlpar memory remove count 1", *options), explored(*options)):
            assert (told.code, told.err.splitlines()[1:]) == (3, [f"drmemctl: {path}{message}"])


WRONG_STEPS = {
    "return 5": "task returns a int, and no function that makes a task",
    "return drmem_update_dt(circumstances)": "task returns a generator, and no function that makes a task",
    "return lambda job: 5": "what task returns yields no actions: it makes a int",
    "return lambda: None": "takes 0 positional arguments but 1 was given",
    "raise KeyError('x')": "KeyError: 'x'",
}


def test_a_step_without_a_task_is_the_plugins_fault(tmp_path: Path) -> None:
    path = tmp_path / "step.py"
    for body, message in WRONG_STEPS.items():
        path.write_text(STEP.replace("return drmem_update_dt\n", f"{body}\n"))
        for told in (
            run("simulate", BEFORE, "flush", "--plugin", path),
            run("explore", BEFORE, "--thread", "flush", "--plugin", path),
        ):
            assert (told.code, told.err.splitlines()[1:]) == (3, [told.err.splitlines()[-1]]), body
            assert told.err.splitlines()[-1].startswith(f"drmemctl: {path}: "), body
            assert message in told.err, body
    wrong = STEP.replace("return cls(words.text)", "return 7").replace("return drmem_update_dt\n", "return 7\n")
    carried = STEP.replace("def task(self, circumstances)", "def carry_out(self, partition, files)")
    for text, message in ((wrong, "parse returns a int, and no Step"), (carried, "carry_out returns a function")):
        path.write_text(text)
        told = run("simulate", BEFORE, "flush", "--plugin", path)
        assert told.code == 3
        assert f"drmemctl: {path}: the plugin fails: TypeError: {message}" in told.err


def test_what_fails_in_a_plugin_is_an_error_of_the_package_to_a_program(tmp_path: Path) -> None:
    path = tmp_path / "fails.py"
    path.write_text(FAILS)
    plugins.load_file(str(path))
    tree = drmemctl.load(BEFORE)
    with pytest.raises(PluginError, match=r"fails\.py: line 6: the plugin fails: ValueError: no ") as caught:
        drmemctl.simulate(tree, "dlpar memory remove count 1", added=["fails"])
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(PluginError, match=r"fails\.py: line 6: the plugin fails: ValueError: no "):
        drmemctl.explore(tree, THREADS, added=["fails"])


def installed_in(place: Path, code: str, value: str = "example_plugin:plugin") -> None:
    """Lay a package with an entry point out as pip does."""
    (place / "example_plugin.py").write_text(code)
    metadata = place / "example_plugin-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: example-plugin\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(f"[drmemctl.plugins]\nexample = {value}\n")


def test_an_installed_package_counts_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed_in(tmp_path, EXAMPLE.read_text(encoding="utf-8"))
    monkeypatch.syspath_prepend(tmp_path)
    assert run("-V").out.splitlines()[1:] == ["plugin example of example-plugin 1.2: example_plugin:plugin"]
    assert explored("--show", "0").err == ""
    assert "example_plugin" not in sys.modules
    told = explored("--with", "notifier-parameter", "--show", "0")
    assert (
        told.err == "drmemctl: plugin example of example-plugin 1.2: capability notifier-parameter, flush-mutex\n"
    )
    assert "kernel          12      80     2             1" in told.out


def test_an_installed_package_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed_in(tmp_path, "", "no_such_plugin_module:plugin")
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):  # a program that goes on is told the same again
        with pytest.raises(
            PluginError, match=r"^example of example-plugin 1\.2: the plugin fails: ModuleNotFound"
        ):
            drmemctl.profile("6.1", ["no-such-capability"])
    # What everybody has is not asked of plugins.
    assert drmemctl.profile("6.1", ["aa-sync"]).has(Capability("aa-sync", ""))


def test_no_setting_and_no_variable_names_a_plugin(tmp_path: Path) -> None:
    """A repository that is checked brings files of settings along: none may have its code run."""
    (tmp_path / "evil.py").write_text("open('was-run', 'w')\n")
    for name, content in {
        "drmemctl.toml": 'plugin = ["evil.py"]\n[explore]\nplugin = ["evil.py"]\n',
        "pyproject.toml": '[tool.drmemctl]\nplugin = ["evil.py"]\n[tool.drmemctl.kernels]\nplugin = ["evil.py"]\n',
    }.items():
        place = tmp_path / name.partition(".")[0]
        place.mkdir()
        (place / name).write_text(content)
        (place / "evil.py").write_text("open('was-run', 'w')\n")
        environment = {
            "PYTHONPATH": str(ROOT),
            **dict.fromkeys(("DRMEMCTL_PLUGIN", "DRMEMCTL_PLUGINS"), "evil.py"),
            **dict.fromkeys(("DRMEMCTL_KERNELS_PLUGIN", "DRMEMCTL_KERNELS_PLUGINS"), "evil.py"),
        }
        command = [sys.executable, "-m", "drmemctl", "kernels", "6.1"]
        subprocess.run(command, cwd=place, env=environment, capture_output=True, check=False)
        assert not (place / "was-run").exists()


def test_a_default_of_a_setting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.py"
    path.write_text("raise SystemExit")
    command = app.get_command(click.Context(app), "kernels")
    assert command is not None
    with pytest.raises(click.UsageError, match="from the command line only"):
        command.main(["6.1"], standalone_mode=False, default_map={"plugins": [str(path)]})


def test_a_plugin_of_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    locking = Policy("nothing-holds", "nothing", frozenset())
    added = plugins.add(Plugin("mine", "", policies=(locking,)))
    told = drmemctl.explore(drmemctl.load(BEFORE), THREADS, locking=["nothing-holds", "none"])
    assert told.answers[0].states == told.of("none").states
    plugins.remove(added)
    with pytest.raises(drmemctl.DrmemctlError, match="locking 'nothing-holds' is not one of kernel"):
        drmemctl.explore(drmemctl.load(BEFORE), THREADS, locking=["nothing-holds"])
    assert capsys.readouterr().out == ""
