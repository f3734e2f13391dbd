# Every target does its own set-up: python3 with venv and pip, git and make are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help setup demo test test-long check lint types imports bench lock clean
help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.dev  ## Make .venv with skylift and everything that tests and checks need

demo: $(VENV)/.runtime  ## Start the service, deploy three flows and watch them run
	$(BIN)/skylift demo

test: $(VENV)/.dev  ## Run the tests (under ten minutes on two cores)
	$(BIN)/python -m pytest -m "not long"

test-long: $(VENV)/.dev  ## Run the tests that take minutes: races, kills, load
	$(BIN)/python -m pytest -m long

check: lint types imports  ## Lint, types and import rules

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

lock:  ## Pin the requirements anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra local --extra postgres $(LOCK) -o requirements/runtime.txt
	uv pip compile pyproject.toml --extra local --extra postgres --group dev $(LOCK) -o requirements/dev.txt
	uv pip compile --group pyproject.toml:build $(LOCK) -o requirements/build.txt


clean:  ## Remove what the targets made
	rm -rf $(VENV) .venv-* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# --no-build-isolation: the build backend is pinned with the rest and installed first.
$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@
