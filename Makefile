# make demo   a real partition's overview and LMB table
# make test   the tests
# make lint   ruff and mypy
# make bench  figures, as ratios within one run
# make oracle a real guest as the oracle: downloads a Debian ppc64el kernel and boots it in QEMU; needs root
# make dist   wheel and sources in dist/; the same bytes from the same commit
# make pyz    dist/drmemctl.pyz as well: one file for machines without pip
# make dist-check  both, installed and run in empty environments on each supported Python of this machine
# make clean  what these made
#
# Each sets up $(VENV) when needed. PYTHON is tried first; any Python of 3.11 and later on this machine will do.

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?= -n auto --maxprocesses 8

DEMO_TREE := fixtures/kernel-arrays/numa2-plug2.dtb.gz

# Two stamps: what the project needs to run, and what its developers need besides.
RUNTIME := $(VENV)/.installed
DEV := $(VENV)/.installed-dev

.PHONY: demo test lint bench dist pyz dist-check clean oracle oracles
.DEFAULT_GOAL := test

$(RUNTIME): pyproject.toml
	@.ci/setup $(VENV) $(PYTHON)
	@touch $@

$(DEV): pyproject.toml
	@.ci/setup $(VENV) $(PYTHON) dev
	@touch $(RUNTIME) $@

demo: $(RUNTIME)
	$(VENV)/bin/drmemctl show $(DEMO_TREE)
	@echo
	$(VENV)/bin/drmemctl lmb $(DEMO_TREE)

test: $(DEV) oracles
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

lint: $(DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(RUNTIME) oracles
	$(VENV)/bin/python -m benchmarks.bench

oracle: $(DEV)
	$(VENV)/bin/python -m tests.oracle

DIST ?= dist
# The time of the commit, so that a build does not depend on when it is done.
dist pyz: export SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),315532800)

dist: $(DEV)
	rm -f $(DIST)/drmemctl-*
	$(VENV)/bin/python -m build --outdir $(DIST)

pyz: dist
	$(VENV)/bin/python .ci/pyz.py $(DIST)/drmemctl-*.whl $(DIST)/drmemctl.pyz \
	  $(foreach version,3.11 3.12 3.13,$(shell .ci/find-python --exact $(version)))

dist-check: $(DEV)
	.ci/dist-check $(VENV)/bin/python

# dtc, fdtget and fdtdump: where they cannot be installed, the tests against them are skipped and say so.
oracles:
	@command -v dtc >/dev/null && command -v fdtdump >/dev/null || .ci/apt-install device-tree-compiler

clean:
	rm -rf .venv .venv-3.* dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv*' -exec rm -rf {} +
