# make demo   a real partition's overview and LMB table
# make test   the tests; WIDE=1 with all pairs of those that try every command on every input, of which it has a part;
#             WIDE=1/3, 2/3 and 3/3 have parts that are all of them together
# make lint   ruff, mypy, and import-linter for the layers
# make coverage  the tests, and how many branches of formats/, memory/, tree/, kernel/ and hypervisor/ they take
# make mutants  which changes of kernel/ and formats/ no test notices; hours, so name some: MODULES=kernel.flush
# make docs   the site, in site/; fails for a link that leads nowhere
# make bench  figures, as ratios within one run
# make oracle real guests as the oracle: downloads Debian's ppc64el kernels, boots them in QEMU, makes records once more
#             ONLY='7.2-*' records · KERNEL=vmlinux a kernel of your own · OUT=folder · WRITE=1 replaces the bundled ones
#             DRGN=1 reads the dump by drgn and debug information as well: 700 MB to download
# make fuzz   a minute of coverage-guided fuzzing for each target; FUZZ_SECONDS=600 for more
# make hostile  every command on every hostile input at full size, and what each used: half an hour and more
# make dist   wheel and sources in dist/; the same bytes from the same commit
# make pyz    dist/drmemctl.pyz as well: one file for machines without pip; and the portable archive, with capture.sh
# make deb    a Debian package in dist/ as well; make rpm an RPM package
# make packages-check  both, linted, and installed and run in a Debian 12 of their own; as root
# make dist-check  wheel and single file, installed and run in empty environments on each supported Python of this machine
# make clean  what these made
#
# Each sets up $(VENV) when needed. PYTHON is tried first; any Python of 3.11 and later on this machine will do.

PYTHON ?= python3
VENV ?= .venv
# Tests of one file stay in one process where they can: they share what was made for the first of them.
PYTEST_ARGS ?= -n auto --maxprocesses 8 --dist worksteal
FUZZ_SECONDS ?= 60
# Where it is set, each of the many processes of Python compiles all it loads once more: a third of the tests' time.
unexport PYTHONDONTWRITEBYTECODE
# What tests/wide.py takes all pairs for, or which part of them.
export WIDE

DEMO_TREE := fixtures/kernel-arrays/numa2-plug2.dtb.gz

# Stamps: what the project needs to run, and what its developers, the site and the fuzzer need besides.
RUNTIME := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
DOCS := $(VENV)/.installed-docs
FUZZ := $(VENV)/.installed-fuzz

# The layers whose behaviour is measured against kernels and firmware; each has to reach the figure by itself.
MEASURED := formats memory tree kernel hypervisor
COVERED := 95

.PHONY: demo test lint coverage mutants docs bench fuzz hostile clean oracle oracles browser
.PHONY: dist pyz deb rpm dist-check packages-check
.DEFAULT_GOAL := test

$(RUNTIME): pyproject.toml
	@.ci/setup $(VENV) $(PYTHON)
	@touch $@

$(DEV): pyproject.toml
	@.ci/setup $(VENV) $(PYTHON) dev
	@touch $(RUNTIME) $@

$(DOCS): pyproject.toml
	@.ci/setup $(VENV) $(PYTHON) docs
	@touch $(RUNTIME) $@

$(FUZZ): $(DEV)
	@.ci/setup $(VENV) $(PYTHON) fuzz
	@touch $@

demo: $(RUNTIME)
	$(VENV)/bin/drmemctl show $(DEMO_TREE)
	@echo
	$(VENV)/bin/drmemctl lmb $(DEMO_TREE)

test: $(DEV) oracles browser
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

lint: $(DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo --no-cache

coverage: $(DEV) oracles browser
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS) --cov --cov-report=json:$(VENV)/coverage.json
	$(VENV)/bin/python .ci/branches-taken $(COVERED) $(VENV)/coverage.json $(MEASURED)

mutants: $(DEV)
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check --editable '.[mutants]'
	@# Some changes make loops that never end and eat memory as they go.
	ulimit -v 6000000; CI=1 $(VENV)/bin/mutmut run $(foreach module,$(MODULES),'drmemctl.$(module).*')
	@$(VENV)/bin/mutmut results

# Not --quiet: that also hides from --strict what it would fail for.
docs: $(DOCS)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict --clean

bench: $(DEV) oracles browser
	$(VENV)/bin/python -m benchmarks.bench

fuzz: $(FUZZ)
	$(VENV)/bin/python -m fuzz --seconds $(FUZZ_SECONDS)

hostile: $(DEV)
	$(VENV)/bin/python -m tests.hostile

oracle: $(DEV)
	@$(if $(DRGN),$(VENV)/bin/python -m pip install -qq --disable-pip-version-check --editable '.[drgn]')
	$(VENV)/bin/python -m tests.oracle $(if $(ONLY),--only '$(ONLY)') $(if $(KERNEL),--kernel '$(KERNEL)') \
		$(if $(OUT),--out '$(OUT)') $(if $(WRITE),--write) $(if $(DRGN),--drgn)

DIST ?= dist
# The time of the commit, so that a build does not depend on when it is done.
dist pyz deb rpm: export SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),315532800)

dist: $(DEV)
	rm -f $(DIST)/drmemctl-*.whl $(DIST)/drmemctl-*.tar.gz
	$(VENV)/bin/python -m build --outdir $(DIST)

pyz: dist
	$(VENV)/bin/python .ci/pyz.py $(DIST)/drmemctl-*.whl $(DIST)/drmemctl.pyz \
	  $(foreach version,3.11 3.12 3.13,$(shell .ci/find-python --exact $(version)))
	$(VENV)/bin/python .ci/portable.py $(DIST)/drmemctl-*.whl $(DIST)/drmemctl.pyz

deb rpm: pyz
	@command -v dh >/dev/null && command -v rpmbuild >/dev/null || .ci/apt-install debhelper dpkg-dev rpm
	rm -f $(DIST)/*.$@
	packaging/build $@ $(DIST)/drmemctl-*-portable.tar.gz $(DIST)

dist-check: $(DEV)
	.ci/dist-check $(VENV)/bin/python

packages-check: $(DEV)
	@for tool in lintian rpmlint debootstrap; do command -v $$tool >/dev/null || .ci/apt-install $$tool; done
	packaging/check $(VENV)/bin/python

# dtc, fdtget and fdtdump, the shells and what shows manual pages: where they cannot be installed, the tests against
# them are skipped and say so.
oracles:
	@command -v dtc >/dev/null && command -v fdtdump >/dev/null || .ci/apt-install device-tree-compiler
	@for tool in zsh fish mandoc groff; do command -v $$tool >/dev/null || .ci/apt-install $$tool; done

# Chromium, in which the tests open reports: where it cannot be installed, they are skipped and say so.
browser:
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || .ci/apt-install chromium chromium-driver

clean:
	rm -rf .venv .venv-3.* dist build site mutants .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz
	find . -name __pycache__ -type d -not -path './.venv*' -exec rm -rf {} +
