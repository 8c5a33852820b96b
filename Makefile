# Two commands need nothing but Python, make and a package registry:
#   make run [FOLLOWS=path/to/follows.csv]     the nightly job, on your file or on a demo network
#   make test                                  the whole test suite
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FOLLOWS ?=
ARGS ?=
# The demo shows Ray and Modin; your own follows get what suits their size, and runs of their own.
DEMO_RUN = configs/quickstart.yaml
OWN_RUN = --follows '$(FOLLOWS)' --runs-dir my-runs
STARTED := $(shell date +%s)

.DEFAULT_GOAL := help
.PHONY: help run test test-long lint docs bench bench-similarity lock clean

help:  ## show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) tools/install.py $(VENV) requirements.lock
	@touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/installed
	@$(PYTHON) tools/install.py $(VENV) requirements-dev.lock --add
	@touch $@

$(VENV)/bench: requirements-bench.lock $(VENV)/dev
	@$(PYTHON) tools/install.py $(VENV) requirements-bench.lock --add
	@touch $@

demo/follows.csv: | $(VENV)/installed
	$(BIN)/raypipe demo --out $@

run: $(VENV)/installed $(if $(FOLLOWS),,demo/follows.csv)  ## the nightly job [FOLLOWS=path] [ARGS=...]
	$(BIN)/raypipe run $(if $(FOLLOWS),$(OWN_RUN),$(DEMO_RUN)) $(ARGS)
	@echo "make run: $$(( $$(date +%s) - $(STARTED) )) s in all"

# Tests start hundreds of processes; without bytecode each would compile its imports, 3 s with Ray.
test test-long: export PYTHONDONTWRITEBYTECODE :=
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
test: $(VENV)/dev  ## the test suite, two files at a time [ARGS=...]
	$(PYTEST) $(ARGS)

test-long: $(VENV)/dev  ## the long proofs: pods, kills, sweeps over Ray [ARGS=...]
	$(PYTEST) -m long $(ARGS)

lint: $(VENV)/dev  ## style, format, import contracts, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

docs: $(VENV)/dev  ## rewrite what is generated in the documents [ARGS=--output: and the shown output]
	$(BIN)/python -m tests.docs $(ARGS)

bench: $(VENV)/bench  ## the figures of the documentation, measured on this machine
	$(BIN)/python -m tests.benchmarks

bench-similarity: $(VENV)/bench  ## the neighbour search beside other libraries [ARGS=...]
	$(BIN)/python -m tests.benchmarks.similarity $(ARGS)

COMPILE := uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
    --custom-compile-command 'make lock' pyproject.toml
lock:  ## pin and hash every dependency again: run, develop, benchmark (needs uv)
	$(COMPILE) --group build -o requirements.lock
	$(COMPILE) --group dev -c requirements.lock -o requirements-dev.lock
	$(COMPILE) --group bench -c requirements-dev.lock -o requirements-bench.lock

clean:  ## remove the environment and the demo's follows; runs, rejections and results stay
	rm -rf $(VENV) demo/follows.csv
