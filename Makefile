# Everything a person or CI does with driftd, on a machine that has Python 3.11 or newer and make.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=

.PHONY: help demo dev servers test unit lint lint-code lint-format lint-types lint-shell format rules bench clean distclean

help:  ## What there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "driftd needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make demo PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing driftd into $(VENV) (a minute or two, once)"
	@$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing driftd and its development tools into $(VENV) (a minute or two, once)"
	@$(PIP) install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed  ## Replay real data with drift in it and serve /metrics; ARGS=--exit ends after the replay
	@$(BIN)/driftd demo $(ARGS)

dev: $(VENV)/.dev  ## The development environment

# What cannot be installed here is said here; the tests that need it then skip with the same reason (with CI=true they fail).
servers: $(VENV)/.dev  ## The real servers of the integration tests: Kafka, Prometheus, Alertmanager, a browser
	@$(BIN)/python -m tests.servers.kafka --install || echo "servers: no local Kafka; its tests need Docker, DRIFTD_TEST_BOOTSTRAP_SERVERS or Java and Maven" >&2
	@$(BIN)/python -m tests.servers.prometheus --install || echo "servers: no Prometheus, Alertmanager or Chromium; their tests need apt-get as root" >&2

test: servers  ## All tests, with the real servers; ARGS='-k name' chooses
	@$(BIN)/python -m pytest $(ARGS)

unit: $(VENV)/.dev  ## The tests that need no server
	@$(BIN)/python -m pytest -m 'not integration' $(ARGS)

lint: lint-code lint-format lint-types lint-shell  ## ruff, its format, mypy --strict, shellcheck

lint-code: $(VENV)/.dev
	$(BIN)/ruff check .

lint-format: $(VENV)/.dev
	$(BIN)/ruff format --check .

lint-types: $(VENV)/.dev
	$(BIN)/mypy --strict

lint-shell: $(VENV)/.dev
	$(BIN)/shellcheck .ci/run

format: $(VENV)/.dev  ## Let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

rules: $(VENV)/.dev  ## promtool's check and tests of alert_rules/
	@$(BIN)/python -m pytest tests/rules $(ARGS)

bench: servers  ## docs/benchmarks.md's table, measured here
	@$(BIN)/python -m tests.bench $(ARGS)

clean:  ## Caches and build products
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -path ./$(VENV) -prune -o -path ./.tools -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

distclean: clean  ## And the environment and downloaded servers
	rm -rf $(VENV) .tools
