# SPDX-License-Identifier: MIT
"""The families of rules, apart from the rules: the help of a command names them without loading any."""

from __future__ import annotations

FAMILIES = {
    "blob": "the tree as a container",
    "drmem": "ibm,dynamic-memory and what belongs to it",
    "associativity": "lookup arrays, reference points, the node of an LMB",
    "numa": "domains, distances, option vector 5",
    "connectors": "DRC indexes and what lists them",
    "boot": "boot memory and what kexec hands on",
    "migration": "what a migration may not change, and what a kernel makes of it",
    "state": "the tree against the running kernel and the hypervisor",
    "kernel": "what a simulated kernel does that no kernel should",
    "blocks": "memory blocks and sections: who shares one, what does not fill one",
    "stream": "what RTAS answers: lists of updates, events, connectors",
    "dump": "what only a dump of the kernel's memory shows: what was written over, what was under way",
    "live": "the tree against /sys and /proc of the running system, or of a capture",
}
