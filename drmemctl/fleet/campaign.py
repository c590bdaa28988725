# SPDX-License-Identifier: MIT
"""`drmemctl fleet simulate` and `fleet explore`: each kernel on each capture, as scenarios of a data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

from distributed import Client

from drmemctl.fleet.checking import LIMITS, Progress, add_items, dataset_to_extend
from drmemctl.fleet.cluster import Say
from drmemctl.fleet.listing import list_inputs, local_input
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
    **options: Any,
) -> Summary:
    """Simulate steps, or `random` random ones for each seed, on each kernel and capture; see `run_campaign`.

    `destinations` are trees that random steps may migrate to, as `lpm` names them.
    """
    migrations = (step for name in destinations for step in parse_script(f"lpm {name}"))
    files = _states(migrations)
    common = partial(Scenario, hypervisor=hypervisor or "", destinations=tuple(destinations))
    makers = [partial(common, files=files, seed=seed, random=random) for seed in seeds]
    if not random:
        parsed = (step for text in steps for step in parse_script(text))
        makers = [partial(common, files=_states(parsed), steps=tuple(steps))]
    return run_campaign(SIMULATE, urls, dataset, client, kernels=kernels, makers=makers, **options)


def explore(  # noqa: PLR0913 - each is an option of the command
    urls: Iterable[str],
    dataset: str,
    client: Client | None = None,
    *,
    kernels: Sequence[str],
    threads: Sequence[str],
    policies: Sequence[str],
    hypervisor: str | None = None,
    **options: Any,
) -> Summary:
    """Explore threads under each policy, on each kernel and capture; see `run_campaign`."""
    parsed = (step for text in threads for step in steps_of(text))
    common = partial(Scenario, hypervisor=hypervisor or "", steps=tuple(threads), files=_states(parsed))
    makers = [partial(common, policy=policy) for policy in policies]
    return run_campaign(EXPLORE, urls, dataset, client, kernels=kernels, makers=makers, **options)


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
    progress: Progress = lambda _number, _total: None,
    say: Say = lambda _text: None,
) -> Summary:
    """Carry out the scenarios that a data set does not have yet, and add them to it; workers as for `check`.

    `makers` make a scenario of URL, version, size, state, kernel and kernels; each is applied to each pair of a
    capture and a group of kernels with equal capabilities.
    """
    target = dataset_to_extend(dataset, work, (), say)
    groups = list(grouped_by_capabilities(kernels))
    sources = (source for source in list_inputs(urls) if not target.holds(source.url))
    captures = [source for source in sources if source.named or is_tree(source)]
    scenarios = [
        make(source.url, "", source.size, source.version, group[0], group).versioned()
        for source, group, make in product(captures, groups, makers)
    ]
    new, outcomes = add_items(
        target, scenarios, (), client, jobs=jobs, scheduler=scheduler, limits=LIMITS, progress=progress, say=say
    )
    return Summary(dataset, len(scenarios), new, outcomes)


def _states(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return the states of the files that steps read: a scenario with another one is another scenario."""
    paths = dict.fromkeys(os.path.abspath(name) for step in steps for name in step.inputs)  # noqa: PTH100
    return tuple(local_input(path).version for path in paths)


def grouped_by_capabilities(kernels: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Yield groups of kernels with equal capabilities: their simulations are equal, so that one of them is run."""
    groups: dict[frozenset[str], list[str]] = {}
    for kernel in dict.fromkeys(kernels):
        groups.setdefault(profile(kernel).capabilities, []).append(kernel)
    yield from map(tuple, groups.values())
