# SPDX-License-Identifier: MIT
"""Questions with names, and their SQL: what one asks of a fleet first.

DuckDB answers it from views, whose columns docs/schemas describes: of `fleet check` `inputs`, `nodes`, `lmb_runs`
and `findings`, and `partitions`, which says of which partition each input is; of campaigns `simulations` or
`explorations`, and `scenarios`, which is either.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from drmemctl.fleet.work import CHECK, EXPLORE, SIMULATE, Work

PARTITIONS = """\
select
  url,
  version,
  coalesce(
    nullif(regexp_replace(partition, '^x+$', ''), ''),
    host,
    serial || ' ' || partition_no,
    url
  ) as name
from inputs"""
"""The view `partitions`: its own name, but for a redacted one of x; else the host, or what stands for both."""

SCENARIOS = """\
select
  *,
  outcome in ('inconsistent', 'oops', 'unexpected') as fails
from """
"""The view `scenarios`, of the table of a campaign."""

_MARK = "$partition"
_NAME = re.compile(r"[a-z][a-z-]*\Z")


class NamedQuestion(NamedTuple):
    """A question.

    Attributes:
        name: what it is called.
        title: what it asks.
        text: its SQL, with `$partition` where it is about one.
        works: whose data sets it is asked of.

    """

    name: str
    title: str
    text: str
    works: tuple[Work, ...] = (CHECK,)

    @property
    def takes_partition(self) -> bool:
        """Whether it is about one partition."""
        return _MARK in self.text

    def sql(self, partition: str | None) -> str:
        """Return the SQL, about a partition if one is named."""
        if partition is None:
            return self.text
        quoted = partition.replace("'", "''")
        return self.text.replace(_MARK, f"'{quoted}'")


_ALL = (
    NamedQuestion(
        "rules",
        "which rules are broken, by the kernel's release and machine",
        """\
select
  rule,
  severity,
  release,
  model,
  count(distinct url) as inputs,
  count(*) as findings
from findings
join inputs using (url, version)
group by rule, severity, release, model
order by
  array_position(['error', 'warning', 'info'], severity),
  inputs desc, rule, release, model""",
    ),
    NamedQuestion(
        "wrong-node",
        "which partitions have memory on another node than the tree says",
        """\
select
  nullif(name, url) as partition,
  release,
  sum(findings.lmbs)::hugeint as lmbs,
  (sum(findings.bytes) / 1048576)::hugeint as mib,
  url
from findings
join inputs using (url, version)
join partitions using (url, version)
where rule in ('DRM085', 'DRM121')
group by name, release, url
order by mib desc, name, url""",
    ),
    NamedQuestion(
        "lookup-arrays",
        "how many lookup arrays no LMB has, or are there twice",
        """\
select
  model,
  lookup_arrays as arrays,
  lookup_unused as unused,
  lookup_twice as twice,
  lookup_usable as usable,
  count(*) as inputs
from inputs
where lookup_arrays is not null
group by all
order by unused desc nulls last, inputs desc, model, arrays, twice, usable""",
    ),
    NamedQuestion(
        "lmb-sizes",
        "which LMB sizes there are, and how much memory in them",
        """\
select
  lmb_size // 1048576 as lmb_mib,
  count(*) as inputs,
  sum(lmbs)::hugeint as lmbs,
  sum(assigned)::hugeint as assigned,
  (sum(assigned * (lmb_size // 1048576)::hugeint) / 1024)::hugeint as assigned_gib,
  round(avg(runs), 1) as runs
from inputs
where lmbs is not null
group by lmb_size
order by inputs desc, lmb_mib""",
    ),
    NamedQuestion(
        "drift",
        "how the captures of one partition differ, each from the one before",
        """\
select
  taken,
  release,
  assigned,
  assigned - lag(assigned) over time as more,
  errors,
  tree is distinct from lag(tree, 1, tree) over time as changed,
  url
from inputs
join partitions using (url, version)
where $partition in (name, host, url)
window time as (order by taken, url)
order by taken, url""",
    ),
    NamedQuestion(
        "drift-lmbs",
        "which runs of LMBs came and went between the captures of one partition",
        """\
with captures as (
  select url, version, row_number() over (order by taken, url) as capture
  from inputs
  join partitions using (url, version)
  where $partition in (name, host, url)
),
runs as (
  select capture, base, lmb_runs.lmbs, drc_index, aa_index, flags, node
  from lmb_runs
  join captures using (url, version)
),
changes as (
  select 'new' as change, *
  from (
    select * from runs where capture > 1
    except
    select * replace (capture + 1 as capture) from runs
  )
  union all
  select 'gone', *
  from (
    select * replace (capture + 1 as capture) from runs
    where capture < (select max(capture) from captures)
    except
    select * from runs
  )
)
select
  capture,
  change,
  '0x' || lower(to_hex(base)) as base,
  lmbs,
  '0x' || lpad(lower(to_hex(drc_index)), 8, '0') as drc_index,
  aa_index,
  '0x' || lower(to_hex(flags)) as flags,
  node
from changes
order by capture, changes.base, change""",
    ),
    NamedQuestion(
        "worst",
        "which partitions have the most errors in their last capture",
        """\
select
  nullif(name, url) as partition,
  errors,
  warnings,
  count(*) over (partition by name) as captures,
  release,
  url
from inputs
join partitions using (url, version)
where kind is not null
qualify row_number() over (
  partition by name order by taken desc nulls last, url
) = 1
order by errors desc nulls last, warnings desc nulls last, name
limit 20""",
    ),
    NamedQuestion(
        "unreadable",
        "which inputs cannot be read, and why",
        """\
select error, url
from inputs
where error is not null
order by url""",
    ),
)

_CAMPAIGNS = (SIMULATE, EXPLORE)

_ALL_OF_CAMPAIGNS = (
    NamedQuestion(
        "failures",
        "how many scenarios fail, by outcome and rule",
        """\
select
  outcome,
  rule,
  count(*) as scenarios,
  count(distinct kernel) as kernels,
  count(distinct url) as captures,
  min(verdict) as example
from scenarios
where fails
group by outcome, rule
order by scenarios desc, outcome, rule""",
        _CAMPAIGNS,
    ),
    NamedQuestion(
        "failures-by-kernel",
        "how many scenarios fail on each kernel, and which kernels do the same",
        """\
select
  kernel,
  count(*) as scenarios,
  count(*) filter (fails) as failing,
  count(*) filter (outcome = 'inconsistent') as inconsistent,
  count(*) filter (outcome = 'oops') as oops,
  count(*) filter (outcome = 'unexpected') as unexpected,
  count(*) filter (outcome = 'error') as errors,
  kernels
from scenarios
group by kernel, kernels
order by failing desc, kernel, kernels""",
        _CAMPAIGNS,
    ),
    NamedQuestion(
        "failures-by-locking",
        "how many explorations fail under each policy, and how many by race alone",
        """\
select
  policy as locking,
  count(*) as scenarios,
  count(*) filter (fails) as failing,
  count(*) filter (by_race > 0) as by_race,
  count(*) filter (outcome = 'oops') as oops,
  count(*) filter (outcome = 'incomplete') as incomplete
from scenarios
group by policy
order by failing desc, locking""",
        (EXPLORE,),
    ),
    NamedQuestion(
        "states",
        "how many states were reached, by kernel and policy",
        """\
select
  kernel,
  policy as locking,
  count(*) as scenarios,
  sum(states)::hugeint as states,
  max(states) as most,
  sum(ends)::hugeint as ends,
  count(*) filter (not complete) as incomplete
from scenarios
group by kernel, policy
order by states desc nulls last, kernel, locking""",
        (EXPLORE,),
    ),
    NamedQuestion(
        "replay",
        "which commands show the failing scenarios again",
        """\
select outcome, rule, kernel, verdict, replay
from scenarios
where fails
order by outcome, rule, kernel, replay""",
        _CAMPAIGNS,
    ),
    NamedQuestion(
        "not-carried-out",
        "which scenarios cannot be carried out, and why",
        """\
select error, kernel, url
from scenarios
where error is not null
order by url, kernel, error""",
        _CAMPAIGNS,
    ),
)

CAPTURES = NamedQuestion(
    "captures",
    "the captures of each partition that has several, in their order",
    """\
select name, url, taken, release
from inputs
join partitions using (url, version)
where kind is not null and $partition in (name, host)
qualify count(*) over (partition by name) > 1
order by name, taken nulls first, url""",
)
"""What `fleet diff` asks."""

INPUTS_OF = NamedQuestion(
    "inputs-of",
    "the inputs of one partition",
    "select url from partitions join inputs using (url, version) where $partition in (name, host, url)",
)
"""What tells whether there is a partition of a name."""

QUESTIONS = {question.name: question for question in (*_ALL, *_ALL_OF_CAMPAIGNS)}
"""The questions by name."""


def is_name(text: str) -> bool:
    """Whether a text can be the name of a question, and is no SQL."""
    return _NAME.match(text) is not None


COUNTS = {
    CHECK: """\
select
  count(*) as inputs,
  count(*) filter (kind is not null) as trees,
  count(distinct name) filter (kind is not null) as partitions,
  count(*) filter (errors > 0) as with_errors,
  count(*) filter (errors = 0 and warnings > 0) as with_warnings,
  count(*) filter (error is not null) as unreadable
from inputs
join partitions using (url, version)""",
    **dict.fromkeys(
        _CAMPAIGNS,
        """\
select
  count(*) as scenarios,
  count(distinct url) as captures,
  count(distinct kernel) as kernels,
  count(*) filter (fails) as failing,
  count(*) filter (outcome = 'incomplete') as incomplete,
  count(*) filter (error is not null) as not_carried_out
from scenarios""",
    ),
}
"""How much there is, in one row."""

DRIFTED = """\
select name
from inputs
join partitions using (url, version)
where kind is not null
group by name
having count(distinct coalesce(tree, '')) > 1
order by count(distinct coalesce(tree, '')) desc, name
limit 10"""
"""The partitions whose LMBs changed most between their captures."""
