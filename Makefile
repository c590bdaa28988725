# make demo   a real partition's overview and LMB table
# make test   the tests
# make lint   ruff, mypy, and import-linter for the layers
# make coverage  the tests, and how many branches of formats/, tree/, kernel/ and hypervisor/ they take
# make mutants  which changes of kernel/ and formats/ no test notices; hours, so name some: MODULES=kernel.flush
# make bench  figures, as ratios within one run
# make oracle a real guest as the oracle: downloads a Debian ppc64el kernel and boots it in QEMU; needs root
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

# The layers whose behaviour is measured against kernels and firmware; each has to reach the figure by itself.
MEASURED := formats tree kernel hypervisor
COVERED := 95

.PHONY: demo test lint coverage mutants bench clean oracle oracles
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
	$(VENV)/bin/lint-imports --no-logo --no-cache

coverage: $(DEV) oracles
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS) --cov --cov-report=json:$(VENV)/coverage.json
	$(VENV)/bin/python .ci/branches-taken $(COVERED) $(VENV)/coverage.json $(MEASURED)

mutants: $(DEV)
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check --editable '.[mutants]'
	@# Some changes make loops that never end and eat memory as they go.
	ulimit -v 6000000; CI=1 $(VENV)/bin/mutmut run $(foreach module,$(MODULES),'drmemctl.$(module).*')
	@$(VENV)/bin/mutmut results

bench: $(RUNTIME) oracles
	$(VENV)/bin/python -m benchmarks.bench

oracle: $(DEV)
	$(VENV)/bin/python -m tests.oracle

# dtc, fdtget and fdtdump: where they cannot be installed, the tests against them are skipped and say so.
oracles:
	@command -v dtc >/dev/null && command -v fdtdump >/dev/null || .ci/apt-install device-tree-compiler

clean:
	rm -rf .venv .venv-3.* dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis mutants .coverage*
	find . -name __pycache__ -type d -not -path './.venv*' -exec rm -rf {} +
