# What a developer or a curious sysop does, by one word each; `make` alone lists them.
# The virtual environment in .venv is made on demand, and made again when pyproject.toml changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development
EXTRAS := demo,fast
FUZZ_SECONDS ?= 600
FUZZ_CORPUS ?= $(HOME)/.cache/tosser-fuzz

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test coverage lint format bench fuzz crash clean compiled packages

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

demo: $(RUNTIME) compiled ## run a whole network in a temporary directory: no root, no broker, nothing to configure
	@$(BIN)/tosser demo

test: packages $(DEVELOPMENT) compiled $(BIN)/jamnntpd-i386 lint ## run the linters and all tests, with the real peers
	@$(BIN)/pytest --numprocesses=auto --dist=worksteal --no-header --cov --cov-report=term-missing:skip-covered

coverage: packages $(DEVELOPMENT) compiled $(BIN)/jamnntpd-i386 ## the tests, measuring the programs they start, too: twice as long
	@$(BIN)/pytest --numprocesses=auto --dist=worksteal --no-header --cov --cov-config=tests/coverage.toml --cov-report=term-missing:skip-covered

lint: $(DEVELOPMENT) ## check style, types and the direction of imports
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --strict --no-error-summary
	@$(BIN)/lint-imports --no-cache > $(VENV)/.imports || { cat $(VENV)/.imports; exit 1; }

format: $(DEVELOPMENT) ## put the source into its one form
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

bench: packages $(DEVELOPMENT) compiled ## measure speed, beside crashmail, and hold it against the targets (15 minutes)
	@$(BIN)/python -m tests.bench

fuzz: $(DEVELOPMENT) ## look for input that breaks something: FUZZ_SECONDS (600), inputs kept in FUZZ_CORPUS
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) --corpus $(FUZZ_CORPUS)

crash: packages $(DEVELOPMENT) ## kill it and cut its power at every step, and count what is lost or doubled (25 minutes)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.crash

clean: ## remove everything that was made here, the virtual environment too
	@rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# As an installation does; otherwise, where Python is told to write no caches, each start compiles the whole program.
compiled:
	@$(BIN)/python -m compileall -q tosser

packages:
	@scripts/debian-packages

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null || { echo "Missing: sudo apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME): pyproject.toml | $(BIN)/python
	@$(PIP) install --editable '.[$(EXTRAS)]'
	@touch $@

# The pip of Debian 12 knows no dependency groups. Failing to get the fuzzer is not failing: its tests say so.
$(DEVELOPMENT): pyproject.toml | $(BIN)/python
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install --group dev --editable '.[$(EXTRAS)]'
	@$(PIP) install --only-binary atheris --group fuzz || true
	@touch $@ $(RUNTIME)

# Failing here is not failing: the tests that need it say so.
$(BIN)/jamnntpd-i386: scripts/jamnntpd-i386 | $(BIN)/python
	@scripts/jamnntpd-i386 $(VENV) || true
