# Ullage: `make` lists what there is. Every target sets up what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# What mypy reads; a folder that does not exist yet is left out.
TYPED := $(wildcard agent aggregator tui sql proto/ullage tests deploy bench) proto/generate.py

.PHONY: help venv demo test lint format bench proto lock clean

help: ## list the targets
	@echo "Ullage: usage metering and billing for MSPs"
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

venv: $(STAMP) ## make or renew .venv from the lock file

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Ullage needs Python 3.11 or newer; this is $$($(PYTHON) --version). Name another: make PYTHON=python3.12 venv" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make virtual environments. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV) ($$($(PYTHON) --version))" >&2
	@if [ -x $(BIN)/python ] && [ "$$($(BIN)/python -c 'import sys; print(sys.version_info[:2])')" != "$$($(PYTHON) -c 'import sys; print(sys.version_info[:2])')" ]; \
		then rm -rf $(VENV); fi
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@mkdir -p agent aggregator tui sql proto/ullage
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## meter this host and open the terminal on it (ONCE=1: run once, print JSON)
	@$(BIN)/python -m deploy.demo

test: $(STAMP) ## run the whole suite on a real TimescaleDB (ULLAGE_TEST_DSN names one)
	@$(BIN)/python deploy/timescaledb.py prepare
ifneq ($(strip $(ARGS)),)
	@$(BIN)/python -m pytest $(ARGS)
else
	@$(BIN)/python tests/all.py
endif

lint: $(STAMP) ## ruff, mypy strict, import rules, stale generated code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(TYPED)
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python proto/generate.py --check

format: $(STAMP) ## rewrite the code in the one format
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(STAMP) ## measure, print JSON, renew the table in docs/benchmarks.md
	@$(BIN)/python -m bench $(ARGS)

proto: $(STAMP) ## make the code of proto/ again
	@$(BIN)/python proto/generate.py

lock: ## resolve pyproject.toml anew into requirements.txt (needs uv)
	@command -v uv >/dev/null || { echo "uv is needed to renew the lock: python3 -m pip install uv" >&2; exit 1; }
	@uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		pyproject.toml -o requirements.txt

clean: ## remove the environment, the demo's data and all caches
	@rm -rf $(VENV) .demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
