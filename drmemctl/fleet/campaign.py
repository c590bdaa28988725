# SPDX-License-Identifier: MIT
"""`drmemctl fleet simulate` and `fleet explore`: each kernel on each capture, as scenarios of a data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product

from distributed import Client

from drmemctl.fleet.checking import LIMITS, Progress, added, dataset_to_extend
from drmemctl.fleet.cluster import Say
from drmemctl.fleet.listing import listed, local_input
from drmemctl.fleet.outcome import Summary
from drmemctl.fleet.rows import is_tree
from drmemctl.fleet.scenario import Scenario
from drmemctl.fleet.work import EXPLORE, SIMULATE, Work
from drmemctl.kernel.profiles import profile
from drmemctl.simulate.interleave.threads import steps_of
from drmemctl.simulate.partition import Step
from drmemctl.simulate.steps.language import parse_script


def simulate(  # noqa: PLR0913 - each is an option of the command
    urls: Iterable[str],
    dataset: str,
    client: Client | None = None,
    *,
    kernels: Sequence[str],
    steps: Sequence[str] = (),
    random: int = 0,
    seeds: Sequence[int] = (),
    destinations: Sequence[str] = (),
    hypervisor: str | None = None,
    **options: object,
) -> Summary:
    """Do steps, or so many `random` ones for each seed, on each kernel and capture; see `run_campaign`.

    `destinations` are trees that random steps may migrate to, as `lpm` names them.
    """
    common = partial(Scenario, hypervisor=hypervisor or "")
    migrations = (step for name in destinations for step in parse_script(f"lpm {name}"))
    common = partial(common, files=_states(migrations), destinations=tuple(destinations))
    makers = [partial(common, seed=seed, random=random) for seed in seeds]
    if not random:
        parsed = (step for text in steps for step in parse_script(text))
        makers = [partial(common, steps=tuple(steps), files=_states(parsed))]
    return run_campaign(SIMULATE, urls, dataset, client, kernels=kernels, makers=makers, **options)  # type: ignore[arg-type]


def explore(  # noqa: PLR0913 - each is an option of the command
    urls: Iterable[str],
    dataset: str,
    client: Client | None = None,
    *,
    kernels: Sequence[str],
    threads: Sequence[str],
    policies: Sequence[str],
    hypervisor: str | None = None,
    **options: object,
) -> Summary:
    """Explore threads under each policy, on each kernel and capture; see `run_campaign`."""
    parsed = (step for text in threads for step in steps_of(text))
    common = partial(Scenario, hypervisor=hypervisor or "", steps=tuple(threads), files=_states(parsed))
    makers = [partial(common, policy=policy) for policy in policies]
    return run_campaign(EXPLORE, urls, dataset, client, kernels=kernels, makers=makers, **options)  # type: ignore[arg-type]


def run_campaign(  # noqa: PLR0913 - each is an option of the command
    work: Work,
    urls: Iterable[str],
    dataset: str,
    client: Client | None,
    *,
    kernels: Sequence[str],
    makers: Sequence[Callable[..., Scenario]],
    jobs: int | None = None,
    scheduler: str | None = None,
    progress: Progress = lambda _done, _total: None,
    say: Say = lambda _text: None,
) -> Summary:
    """Carry out the scenarios that a data set has not, and add them to it; workers are as those of `check`."""
    target = dataset_to_extend(dataset, work, (), say)
    groups = list(alike(kernels))
    sources = (source for source in listed(urls) if not target.holds(source.url))
    captures = [source for source in sources if source.named or is_tree(source)]
    scenarios = [
        make(source.url, "", source.size, source.version, group[0], group).versioned()
        for source, group, make in product(captures, groups, makers)
    ]
    new, outcomes = added(
        target, scenarios, (), client, jobs=jobs, scheduler=scheduler, limits=LIMITS, progress=progress, say=say
    )
    return Summary(dataset, len(scenarios), new, outcomes)


def _states(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return the states of the files that steps read: a scenario with another one is another scenario."""
    paths = dict.fromkeys(os.path.abspath(name) for step in steps for name in step.inputs)  # noqa: PTH100
    return tuple(local_input(path).version for path in paths)


def alike(kernels: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Yield kernels by what they can do: those that can do the same do the same, and one of them is run."""
    groups: dict[frozenset[str], list[str]] = {}
    for kernel in dict.fromkeys(kernels):
        groups.setdefault(profile(kernel).capabilities, []).append(kernel)
    yield from map(tuple, groups.values())
