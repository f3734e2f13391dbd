# Every target does its own set-up: python3 with venv and pip, git and make are all it needs.
PYTHON ?= python3
LAMBDA_PYTHON ?= python3.13
VENV := .venv
BIN := $(VENV)/bin
LOCK := --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header
RUNTIME := --extra local --extra postgres
PROVIDERS := aws azurerm google random
CHROMIUM := /usr/bin/chromium
ELSEWHERE := not containers and not terraform and not serverless and not browser
CLOUDS := ecs aws azure cloud-run gcp container-instance container-instance-infra modal docker
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help setup demo demo-cloud test test-long test-containers test-terraform test-serverless test-browser console screenshots package chaos bench bench-scale check lint types imports lock clean
help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

setup: $(VENV)/.dev .venv-prefect/.done  ## Make .venv with skylift and everything that tests and checks need

demo: $(VENV)/.runtime  ## Start the service, deploy three flows and watch them run
	$(BIN)/skylift demo

demo-cloud: setup  ## Push runs into a local cloud: CLOUD=ecs|cloud-run|container-instance|modal
	$(BIN)/python -m tests.clouds.demo $(CLOUD)

test: setup  ## Run the tests (under ten minutes on two cores)
	$(BIN)/python -m pytest -n 3 -m "not long and $(ELSEWHERE)" $(ARGS)

test-long: setup  ## Run the tests that take minutes: races, kills, load
	$(BIN)/python -m pytest -n 2 -m "long and $(ELSEWHERE)" $(ARGS)

test-containers: setup  ## Run the tests with real containers (installs Podman on Debian, as root)
	$(BIN)/python -m tests.clouds.podman $(BIN)/python -m pytest -m containers $(ARGS)

test-terraform: setup .venv-terraform/.done .venv-checkov/.done  ## Run terraform and checkov over all modules (needs terraform 1.11 or later)
	$(BIN)/python -m pytest -m terraform $(ARGS)

test-serverless: setup .venv-serverless/.done tests/serverless/node_modules/.done  ## Deploy serverless.yml onto the local AWS (needs npm; LAMBDA_PYTHON=path of a Python 3.13)
	$(BIN)/python functions/package_aws.py --python $(LAMBDA_PYTHON)
	$(BIN)/python -m pytest -m serverless $(ARGS)

test-browser: setup console $(CHROMIUM)  ## Run the tests in a real browser (installs Chromium on Debian, as root)
	$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

console: $(VENV)/.runtime console/node_modules/.done  ## Build the console into skylift/console (needs Node.js 20.19 or later, and npm)
	$(BIN)/python console/openapi.py
	npm run --prefix console --silent types > /dev/null
	npm run --prefix console --silent check
	npm run --prefix console --silent test -- --silent --reporter=dot
	npm run --prefix console --silent build -- --logLevel warn

screenshots: setup console $(CHROMIUM)  ## Take the pictures of docs/console.md anew
	$(BIN)/python -m tests.browser.screenshots

package: $(VENV)/.dev .venv-prefect/.done  ## Zip the cloud functions into dist/ (LAMBDA_PYTHON=path of a Python 3.13), and measure them
	$(BIN)/python functions/package_aws.py --python $(LAMBDA_PYTHON)
	$(BIN)/python functions/package_gcp.py
	$(BIN)/python functions/package_azure.py --python $(LAMBDA_PYTHON)
	PYTHONPATH=functions $(BIN)/python -m benchmarks.cold_start --python $(LAMBDA_PYTHON)

chaos: setup  ## Break everything for a while, and judge what came of it: SEED=n MINUTES=m STORMS=k
	$(BIN)/python -m tests.chaos.storm $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(STORMS),--storms $(STORMS)) $(ARGS)

bench: setup .venv-peers/.done  ## Measure, against real peers, too, and write the tables into docs/benchmarks.md (PARTS=… for some)
	$(BIN)/python -m benchmarks $(PARTS)

bench-scale: $(VENV)/.dev  ## Predict what dispatchers do, and see whether they do
	$(BIN)/python -m benchmarks simulation

check: lint types imports  ## Lint, types and import rules

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

lock:  ## Pin the requirements anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml $(CLOUDS:%=--extra %) $(RUNTIME) --group dev $(LOCK) -o requirements/dev.txt
	uv pip compile pyproject.toml $(RUNTIME) $(LOCK) -c requirements/dev.txt -o requirements/runtime.txt
	uv pip compile pyproject.toml --extra aws --python-version 3.13 --python-platform x86_64-manylinux_2_28 \
		$(filter-out --universal,$(LOCK)) -c requirements/dev.txt -o requirements/aws.txt
	uv pip compile pyproject.toml --extra gcp --python-version 3.13 --python-platform x86_64-manylinux_2_28 \
		$(filter-out --universal,$(LOCK)) -c requirements/dev.txt -o requirements/gcp.txt
	uv pip compile pyproject.toml --extra azure --python-version 3.13 --python-platform x86_64-manylinux_2_28 \
		$(filter-out --universal,$(LOCK)) -c requirements/dev.txt -o requirements/azure.txt
	uv pip compile --group pyproject.toml:serverless --python-version 3.13 $(LOCK) -c requirements/dev.txt \
		-o requirements/serverless.txt
	uv pip compile --group pyproject.toml:build $(LOCK) -o requirements/build.txt
	uv pip compile --group pyproject.toml:prefect --python-version 3.11 $(LOCK) -o requirements/prefect.txt
	uv pip compile --group pyproject.toml:peers --python-version 3.11 $(LOCK) -o requirements/peers.txt
	uv pip compile --group pyproject.toml:terraform --no-deps $(LOCK) -o requirements/terraform.txt
	uv pip compile --group pyproject.toml:checkov --python-version 3.11 $(LOCK) -o requirements/checkov.txt


clean:  ## Remove what the targets made
	rm -rf $(VENV) .venv-* .azurite tests/serverless/node_modules console/node_modules skylift/console .serverless .containers_cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist

$(CHROMIUM):
	apt-get update --quiet=2
	DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends chromium fonts-dejavu-core

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# --no-build-isolation: the build backend is pinned with the rest and installed first.
$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Prefect itself, to compare with and to be driven by; it needs older libraries than we do. Without --no-deps pip
# wants the extras of what is pinned pinned once more.
.venv-prefect/.done: requirements/prefect.txt
	$(PYTHON) -m venv .venv-prefect
	.venv-prefect/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r $<
	@touch $@

# What `make bench` compares with.
.venv-peers/.done: requirements/peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r $<
	@touch $@

.venv-serverless/.done: requirements/serverless.txt
	$(LAMBDA_PYTHON) -m venv .venv-serverless
	.venv-serverless/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $<
	@touch $@

tests/serverless/node_modules/.done: tests/serverless/package-lock.json
	npm ci --prefix tests/serverless --no-audit --no-fund --loglevel error
	@touch $@

console/node_modules/.done: console/package-lock.json
	npm ci --prefix console --no-audit --no-fund --loglevel error
	@touch $@

# What the vendors publish of their providers is 190 MB; only the schemas that are in it are kept.
.venv-terraform/.done: requirements/terraform.txt tests/terraform/schemas.py
	$(PYTHON) -m venv .venv-terraform
	.venv-terraform/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-compile --require-hashes -r $<
	.venv-terraform/bin/python tests/terraform/schemas.py .venv-terraform/schemas
	.venv-terraform/bin/python -m pip --disable-pip-version-check --quiet uninstall --yes $(PROVIDERS:%=cdktn-provider-%)
	@touch $@

.venv-checkov/.done: requirements/checkov.txt
	$(PYTHON) -m venv .venv-checkov
	.venv-checkov/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r $<
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@
