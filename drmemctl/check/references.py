# SPDX-License-Identifier: MIT
"""Where the references of rules lead: commits of Linux that the table of capabilities has, and LoPAR."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

COMMITS = "https://git.kernel.org/linus/"
"""A commit of the mainline kernel, by its id."""

LOPAR = "https://github.com/OpenPOWERFoundation/Linux-Architecture-Reference/blob/a7e8c94/LoPAR"
"""The source of LoPAR 2.9 by the OpenPOWER Foundation, as of 2020-08-13: what it publishes besides is one PDF,
into which no link to a section leads that stays; a line of a source does."""

_SECTIONS = {
    "Relative Performance Distance": "ch_numa.xml#L201",
    "Maximum and Current Associativity Domains": "ch_numa.xml#L318",
    "Platform Resource Reassignment Notification": "ch_numa.xml#L346",
    "dr-entity-sense": "ch_dynamic_reconfig.xml#L1666",
    "ibm,configure-connector": "ch_dynamic_reconfig.xml#L2172",
    "ibm,phandle": "ch_dynamic_reconfig.xml#L1389",
    "ibm,update-nodes": "sec_rtas_update_nodes.xml#L24",
    "ibm,update-properties": "sec_rtas_update_properties.xml#L24",
    "Platform Event Log Format": "sec_rtas_error_reporting_return_format.xml#L853",
    "Hotplug Section": "sec_rtas_error_reporting_return_format.xml#L4072",
    "Properties for Dynamic Reconfiguration": "app_papr_binding.xml#L793",
    "ibm,drc-info": "app_papr_binding.xml#L804",
    "ibm,drc-indexes": "app_papr_binding.xml#L869",
    "ibm,my-drc-index": "app_papr_binding.xml#L893",
    "ibm,drc-names": "app_papr_binding.xml#L908",
    "ibm,drc-types": "app_papr_binding.xml#L956",
    "ibm,associativity": "app_papr_binding.xml#L2291",
    "ibm,client-architecture-support": "app_papr_binding.xml#L2511",
    "RTAS Node Properties": "app_papr_binding.xml#L4340",
    "ibm,associativity-reference-points": "app_papr_binding.xml#L4689",
    "ibm,dynamic-reconfiguration-memory": "app_papr_binding.xml#L6236",
    "ibm,associativity-lookup-arrays": "app_papr_binding.xml#L6262",
    "ibm,dynamic-memory": "app_papr_binding.xml#L6296",
    "ibm,dynamic-memory-v2": "app_papr_binding.xml#L6500",
    "ibm,memory-flags-mask": "app_papr_binding.xml#L6534",
    "ibm,architecture-vec-5": "app_papr_binding.xml#L7959",
}
"""What a reference to LoPAR names, and where that begins in the sources."""

_NAMED = re.compile("|".join(rf"{re.escape(name)}(?![\w-])" for name in sorted(_SECTIONS, key=len, reverse=True)))
_COMMIT = re.compile(r"\b[0-9a-f]{12}\b")


@cache
def known_commits() -> frozenset[str]:
    """Return the ids of commits that the capabilities name."""
    from drmemctl.kernel.capabilities import CAPABILITIES

    return frozenset(commit for capability in CAPABILITIES for commit in _COMMIT.findall(capability.commit))


def links_of(reference: str) -> tuple[tuple[str, str], ...]:
    """Return the words of a reference that lead somewhere, and where."""
    links = []
    if reference.startswith("LoPAR"):
        sections = dict.fromkeys(_NAMED.findall(reference))
        links += [(name, f"{LOPAR}/{_SECTIONS[name]}") for name in sections] or [("LoPAR", LOPAR)]
    links += [(commit, f"{COMMITS}{commit}") for commit in _COMMIT.findall(reference) if commit in known_commits()]
    return tuple(links)


def help_uri(docs_url: str, rule: str, references: Iterable[str]) -> str:
    """Return where more is to be read of a rule: its page, where there is a site, else what it refers to first."""
    if docs_url:
        return f"{docs_url.rstrip('/')}/rules/{rule}.html"
    return next((uri for reference in references for _, uri in links_of(reference)), "")
