# SPDX-License-Identifier: MIT
"""`drmemctl fleet check`: inputs listed, those that are not in the data set judged and added to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from distributed import Client

from drmemctl._version import __version__
from drmemctl.check.cpus import n_cpus
from drmemctl.fleet.cluster import Say, check_workers, local_client, remote_client
from drmemctl.fleet.dataset import Dataset, DatasetError
from drmemctl.fleet.engine import Judging, part_inputs
from drmemctl.fleet.listing import list_inputs
from drmemctl.fleet.outcome import Summary
from drmemctl.fleet.rows import printable
from drmemctl.fleet.work import CHECK, Item, Work
from drmemctl.fleet.worker import InputLimits
from drmemctl.kernel.profiles import profile

LIMITS = InputLimits(seconds=300.0, memory=1 << 30)
"""What judging one input may take, if nobody says otherwise."""


Progress = Callable[[int, int], None]
"""Called with the number of inputs judged so far, and of all."""


def check(  # noqa: PLR0913 - each is an option of the command
    urls: Iterable[str],
    dataset: str,
    client: Client | None = None,
    *,
    kernels: Sequence[str] = (),
    jobs: int | None = None,
    scheduler: str | None = None,
    limits: InputLimits = LIMITS,
    progress: Progress = lambda _number, _total: None,
    say: Say = lambda _text: None,
) -> Summary:
    """Judge the inputs that URLs name into a data set, but for those that it has in the same state.

    The workers are those of `client`, else of the scheduler at that address, else `jobs` processes of this
    machine. `kernels` are those to judge for, each finding with its own; by default the one that an input names,
    else any.
    Raises `DatasetError`, `WriteError`, `ClusterError`; what is wrong with an input is a row of the data set.
    """
    names = tuple(profile(kernel).name for kernel in kernels)
    target = dataset_to_extend(dataset, CHECK, names, say)
    sources = [source for source in list_inputs(urls) if not target.holds(source.url)]
    new, outcomes = add_items(
        target, sources, names, client, jobs=jobs, scheduler=scheduler, limits=limits, progress=progress, say=say
    )
    return Summary(dataset, len(sources), new, outcomes)


def add_items(  # noqa: PLR0913 - each is an option of the commands
    target: Dataset,
    items: Sequence[Item],
    kernels: Sequence[str],
    client: Client | None,
    *,
    jobs: int | None,
    scheduler: str | None,
    limits: InputLimits,
    progress: Progress,
    say: Say,
) -> tuple[int, Counter[int]]:
    """Add the items that a data set does not have; return how many these are, and the outcomes of all items."""
    with ExitStack() as resources:
        writer = resources.enter_context(target.writer())
        earlier = target.outcomes()
        outcomes: Counter[int] = Counter(earlier[_key(item)] for item in items if _key(item) in earlier)
        new = [item for item in items if _key(item) not in earlier]
        if new:
            if client is None:
                processes = min(jobs or n_cpus(), len(new))
                client = resources.enter_context(
                    remote_client(scheduler) if scheduler else local_client(processes, limits.memory, say)
                )
            check_workers(client)
            judging = Judging(client, writer, kernels, limits, part_inputs(len(items)))
            judging.judge(new, lambda number: progress(number, len(new)))
            outcomes += judging.outcomes
    return len(new), outcomes


def _key(item: Item) -> tuple[str, str]:
    return printable(item.url), printable(item.version)


def dataset_to_extend(url: str, work: Work, kernels: tuple[str, ...], say: Say) -> Dataset:
    """Return the data set at a URL; `DatasetError` where another command made it, or for other kernels.

    Nobody could tell findings about different kernels apart from changes.
    """
    target = Dataset(url, work)
    target.check_work("name another data set")
    made_by = target.made_by()
    if made_by is not None:
        version, made_for = made_by
        if made_for != kernels:
            words = f"--kernel {' --kernel '.join(made_for)}" if made_for else "no --kernel"
            raise DatasetError(f"it was made with {words}", source=url, hint="name another data set")
        if version != __version__:
            say(f"{url}: what drmemctl {version} made stays as it is, this is {__version__}")
    return target
