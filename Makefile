# One command for each thing a person does here. Every target works on a fresh clone by itself.
#
#   make demo    the gate at its main job, on loopback: no cluster, no root, no Go
#   make test    everything but a cluster
#   make check   formatter, linter, strict types, import contracts
#   make conformance   the vectors of sigstore-conformance, and every bit of our own signatures changed
#   make bench   measure, each beside its baseline, and write docs/performance.md
#   make e2e     real kube-apiserver, real cosign, real registries, real buildah
#   make image   build the gate's image; BUILDER is docker, podman or buildah: docs/operations.md, "The image"

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DHIGATE_CONFORMANCE_ASSETS ?= $(abspath ../shared/data/sigstore-conformance)
export DHIGATE_CONFORMANCE_ASSETS

.DEFAULT_GOAL := help
.PHONY: help install demo test conformance check format e2e bench golden chart-docs lock certs clean wheel image

help:
	@sed -n 's/^#   //p' Makefile

# The stamp is older than the locks whenever something must be installed again.
$(VENV)/.installed: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

install: $(VENV)/.installed

demo: install
	$(BIN)/dhi-gate demo $(DEMO_FLAGS)

test: install
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n auto --dist worksteal -m "not e2e and not exhaustive" $(TEST_FLAGS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --include "webhook/core/*" --fail-under 100

conformance: install
	$(BIN)/python -m pytest -m conformance -n 2 tests/conformance $(CONFORMANCE_FLAGS)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

e2e: install
	$(BIN)/python -m pytest -m e2e tests/e2e $(E2E_FLAGS)

bench: install
	$(BIN)/python -m benchmarks.audit

golden: install
	DHIGATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/test_cases.py tests/core/reporting/test_golden.py

chart-docs: install
	$(BIN)/python -m tests.chart.readme

# The locks carry hashes and no index address; -U moves every pin.
lock: install
	$(BIN)/python -m uv pip compile -q $(LOCK_FLAGS) --generate-hashes --no-emit-index-url --universal \
	  --python-version 3.11 requirements/runtime.in -o requirements/runtime.txt
	$(BIN)/python -m uv pip compile -q $(LOCK_FLAGS) --generate-hashes --no-emit-index-url --universal \
	  --python-version 3.11 requirements/dev.in -o requirements/dev.txt
	$(BIN)/python -m uv pip compile -q $(LOCK_FLAGS) --generate-hashes --no-emit-index-url --universal \
	  --python-version 3.11 requirements/build.in -o requirements/build.txt

certs: certs/dev/tls.crt

certs/dev/tls.crt: | install
	$(BIN)/dhi-gate certs dev

wheel: install
	$(BIN)/python -m build --wheel --no-isolation

BUILDER ?= docker
IMAGE ?= dhi-gate

image:
	$(BUILDER) build --tag $(IMAGE) --build-arg REVISION=$$(git rev-parse HEAD) $(IMAGE_FLAGS) .

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
