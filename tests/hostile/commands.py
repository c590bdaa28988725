# SPDX-License-Identifier: MIT
"""The command lines that every hostile input is given to, by the kind of input."""

from __future__ import annotations

DRMEM = "/ibm,dynamic-reconfiguration-memory"
BASIC = "fixtures/mobility/basic-6.1.dtb.gz"

READING = ("show {in}", "check {in}")
"""What an input meets whose kind is all that is hostile about it: the rest of each command sees a common tree."""

QUICK = (
    "show {in}",
    "lmb {in}",
    "lmb {in} --expand --format ndjson",
    "map {in}",
    "assoc {in}",
    "numa {in}",
    "memblock {in}",
    "blocks {in}",
    "removable {in}",
    "repair {in}",
    "kexec {in} --crashkernel 512M@128M -o {out}.dtb",
    "kexec {in} 'plug 0x80000100 2 node 1' 'dlpar memory remove count 1' --load file",
    "kexec {in} 'dlpar memory remove count 1' --for kdump --crashkernel 512M --hotplug --cmdline crashkernel=,cma",
    "tree {in}",
    "prop {in} /",
    "convert {in} -o {out}.dts",
    "convert {in} --to v2 -o {out}.dtb",
    "convert {in} --to v1 -o {out}.dtb",
    "check {in}",
    "diff {in} {base}",
    "history {in}",
    "report {in} -o {out}.html",
    "simulate {in} 'plug 0x80000100 2 node 1' 'dlpar memory add count 1' 'dlpar memory remove count 1' kexec",
    "simulate {in} 'dlpar cpu remove count 1' 'vphn 0 1,0' 'dlpar cpu add count 1' reboot --kernel 5.15",
    "qualify --qemu /nonesuch -f {in}",
    "explore {in} --thread 'prrn 2 0x80000002' --thread 'dlpar memory remove count 1' --max-states 50",
)
"""Each command once, in the form that has most to do."""

FULL = (
    *QUICK,
    "fleet diff --before {base} --after {in}",
    "show {in} --format json",
    "lmb {in} --format json",
    "lmb {in} --format csv",
    "lmb {in} --expand",
    "lmb {in} --expand --format json",
    "lmb {in} --expand --format csv",
    "lmb {in} --node 1 --drc 0x80000008 --address 0x40000000",
    "map {in} --format json",
    "map {in} --format csv",
    "map {in} --format svg",
    "map {in} -o mark,memory --sort memory",
    "simulate {in} \"lpm '{base}'\"",
    "map {in} --width 1000 --color always",
    "assoc {in} --format json",
    "assoc {in} --format csv",
    "numa {in} --format json",
    "numa {in} --format csv",
    "memblock {in} --format json --cmdline movable_node",
    "memblock {in} 'dlpar memory remove count 1' 'dlpar memory add count 1'",
    "blocks {in} --format json",
    "removable {in} --format json",
    "repair {in} --format json",
    "kexec {in} --crashkernel 512M@128M --producer kexec-file --format json",
    "tree {in} --all",
    "tree {in} --color always",
    "tree {in} --format json",
    "prop {in} / --format json",
    "prop {in} /rtas",
    "prop {in} /options",
    "prop {in} /options:texts --show 100000000",
    "prop {in} /options:texts --format json",
    "prop {in} /:ibm,drc-info",
    "prop {in} /:ibm,drc-names",
    "prop {in} " + DRMEM + ":ibm,associativity-lookup-arrays",
    "prop {in} " + DRMEM + ":ibm,dynamic-memory-v2 --format json",
    "prop {in} " + DRMEM + ":ibm,dynamic-memory-v2 --raw",
    "convert {in} -o {out}.dtb",
    "check {in} --format json",
    "check {in} --format sarif",
    "check {in} --format junit",
    "check {in} --format github",
    "check {in} --format markdown",
    "check {in} --all",
    "check {in} --format gitlab --output-file concise={out}.txt --severity ALL=info",
    "explain {in}",
    "check {in} --before {base}",
    "check {base} --before {in}",
    "check {in} {base} -j 2",
    "check {in} --write-baseline {out}.json",
    "diff {base} {in} --format json",
    "diff {in} {base} --format markdown --all",
    "diff {in} {base} --format unified",
    "diff {in} {in} --all",
    "diff {base} {in} --format sarif",
    "diff {in} {base} --format junit --fail-on numa",
    "diff {in} {changed}",
    "history {in} --format json",
    "capture --dump {in} --redact --force -o {out}.tar",
    "check {base} --array {in}",
    "lmb {in} --from boot",
    "report {in} {changed} --redact -o {out}.html",
    "simulate {in} 'lpm {base}' --kernel 6.1 --format json",
    "simulate {base} 'lpm {in}' --kernel 6.1 --trace",
    "simulate {base} 'prrn {in}' --kernel 5.10 --diff",
    "simulate {base} 'topology on' 'prrn {in}' --kernel 5.4",
    "simulate {in} reboot 'unplug 0x80000008 1' -v --kernel 4.19 -o {out}.dtb --save-array {out}.json",
    "simulate {in} 'dlpar memory add indexed-count 4 0x80000008' --hypervisor powervm --format junit",
    "explore {base} --thread 'lpm {in}' --thread 'dlpar memory add count 1' --max-states 50 --format json",
    "decode update-nodes fixtures/mobility/basic-6.1.json --tree {in}",
)

DECODE = tuple(
    f"decode {kind} {{in}} --format {format}"
    for kind in ("update-nodes", "update-properties", "rtas-event", "configure-connector")
    for format in ("text", "json")
) + tuple(
    f"decode {kind} {{in}} --encode -o {{out}}.bin" for kind in ("update-nodes", "update-properties", "rtas-event")
)

STEPS = (
    *(f"simulate {{base}} -f {{in}} --format {format}" for format in ("text", "json", "junit")),
    "simulate {base} -f {in} --trace",
    "report {base} -f {in} -o {out}.html",
)
"""What a file of steps meets."""
