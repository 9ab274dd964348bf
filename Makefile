# Needs Python >= 3.11, pip and make. Everything lives in .venv, build/ and runs/: nothing outside the project is touched.

PYTHON ?= python3
FAULTS ?= 20
BIN := .venv/bin
INSTALLED := .venv/installed
COMPILE := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url

# Tests and the demo import the packages from here.
export PYTHONPATH := $(CURDIR)

.PHONY: help install demo test check losses chaos soak image lock clean

help:
	@echo "make demo    train on the embedded images and measure the result (under 10 minutes on 2 cores)"
	@echo "make test    all tests except the long ones (about 25 minutes on 2 cores)"
	@echo "make check   style, types, import layers and the fast tests"
	@echo "make losses  one run through a killed worker, killed feeds and a killed job; results must be equal (5 minutes)"
	@echo "make chaos   a training through FAULTS=20 random faults, on hosts in network namespaces (needs root)"
	@echo "make soak    long tests that inject faults repeatedly"
	@echo "make image   build the container image with buildah, and train in it (needs root, buildah and mmdebstrap)"

install: $(INSTALLED)

$(INSTALLED): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	@mkdir -p build && date +%s > build/install-began
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python requirements-dev.lock
	@expr $$(date +%s) - $$(cat build/install-began) > build/install-seconds
	@touch $@

demo: install
	@$(BIN)/python -m cluster.demo

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not process and not soak"

test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "process and not soak" --durations=10

losses: install
	$(BIN)/python -m pytest -m soak tests/cluster/test_losses.py

chaos: install
	@$(BIN)/python -m tests.chaos --faults $(FAULTS)

soak: install
	FUZZ_CASES=1000 $(BIN)/python -m pytest tests/fuzz
	$(BIN)/python -m pytest -m soak --durations=10

image: install
	$(BIN)/python -m pytest -m soak tests/k8s/test_image.py -rs

lock:
	$(BIN)/uv pip compile $(COMPILE) --group pyproject.toml:dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile $(COMPILE) -c requirements-dev.lock --overrides k8s/overrides.txt --group pyproject.toml:image pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile $(COMPILE) -c requirements.lock --group pyproject.toml:image-gpu pyproject.toml -o requirements-gpu.lock
	$(BIN)/uv pip compile $(COMPILE) --group pyproject.toml:bom -o k8s/bom.lock

clean:
	rm -rf .venv build runs .mypy_cache .ruff_cache .hypothesis
