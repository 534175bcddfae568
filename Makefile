# Everything a person or CI does with driftd, on a machine that has Python 3.11 or newer and make.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=

.PHONY: help demo install dev servers test unit lint lint-code lint-format lint-types lint-shell format generate rules bench chaos fuzz quality site clean distclean

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

install: $(VENV)/.installed  ## driftd alone, into .venv

dev: $(VENV)/.dev  ## The development environment

# What cannot be installed here is said here; the tests that need it then skip with the same reason (with CI=true they fail).
servers: $(VENV)/.dev  ## The real servers of the integration tests: Kafka, a schema registry, Prometheus, Alertmanager, a browser
	@$(BIN)/python -m tests.servers.kafka --install || echo "servers: no local Kafka; its tests need Docker, DRIFTD_TEST_BOOTSTRAP_SERVERS or Java and Maven" >&2
	@$(BIN)/python -m tests.servers.real_registry --install || echo "servers: no schema registry; its tests need Java and Maven" >&2
	@$(BIN)/python -m tests.servers.prometheus --install || echo "servers: no Prometheus, Alertmanager or Chromium; their tests need apt-get as root" >&2

# Workers for cores and for waiting; the tests of a file stay together, those that wait for servers come first
# (tests/conftest.py).
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

test: servers  ## All tests, with the real servers; ARGS='-k name' chooses, ARGS='-n0 --pdb' debugs in one process
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

unit: $(VENV)/.dev  ## The tests that need no server, with the same ARGS
	@$(BIN)/python -m pytest $(PARALLEL) -m 'not integration' $(ARGS)

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

generate: $(VENV)/.dev  ## Renew docs tables, dashboards, rules and manifests from the catalogue of metrics and the registry of detectors
	@$(BIN)/driftd generate checkout
	@$(BIN)/python -m tests.deploy.rendering

rules: $(VENV)/.dev  ## promtool's check and tests of alert_rules/
	@$(BIN)/python -m pytest tests/rules $(ARGS)

bench: servers  ## docs/benchmarks.md's table, measured here
	@$(BIN)/python -m tests.bench $(ARGS)

chaos: servers  ## docs/reliability.md's table: kills, poison, outages beside a recount; ARGS='--size full kills' chooses
	@$(BIN)/python -m tests.chaos --write docs/reliability.md $(ARGS)

fuzz: $(VENV)/.dev  ## Changed inputs for every decoder, 5 minutes each; ARGS='--seconds 60 json batches' chooses
	@$(BIN)/python -m tests.fuzz $(ARGS)

# Evidently and NannyML pin other libraries than we do, so they live in an environment of their own.
QUALITY_VENV := .tools/quality-venv
QUALITY_PEERS := 'evidently>=0.7.23,<0.8' 'nannyml>=0.13.1,<0.14' 'pandas<3'
DATA ?=

$(QUALITY_VENV)/.installed: | $(BIN)/python
	@echo "Installing Evidently and NannyML into $(QUALITY_VENV) (some minutes, once)"
	@mkdir -p .tools && $(BIN)/python -m venv --clear $(QUALITY_VENV) \
	  && $(QUALITY_VENV)/bin/python -m pip --disable-pip-version-check install --quiet $(QUALITY_PEERS) \
	  && touch $@ || echo "quality: no Evidently and NannyML (pip's reason is above); their rows are left out" >&2

quality: $(VENV)/.dev $(QUALITY_VENV)/.installed  ## docs/quality.md: drift found and budget held, beside the peers; DATA=DIR of streams, ARGS=--quick
	@$(BIN)/python -m tests.quality $$(test ! -e $(QUALITY_VENV)/.installed || echo --venv $(QUALITY_VENV)/bin/python) \
	  $(if $(DATA),--data $(DATA)) --write docs/quality.md $(ARGS)
	@echo "Faults on ordinary traffic (docs/everyday.md); tuned on seeds 11, 12 and 13, so these are others:"
	@$(BIN)/python -m tests.quality.everyday --seed 21 --seed 22 --models 6
	@$(BIN)/python -m tests.quality.everyday --seed 21 --models 3 --zero
	@echo "Experiments that are looked at every minute (docs/experiments.md):"
	@$(BIN)/python -m tests.quality.experiments

site: $(VENV)/.dev  ## The documentation as a site, in build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --config-file deploy/site/mkdocs.yml
	@echo "file://$(CURDIR)/build/site/index.html"

clean:  ## Caches and build products
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -path ./$(VENV) -prune -o -path ./.tools -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

distclean: clean  ## And the environment and downloaded servers
	rm -rf $(VENV) .tools
