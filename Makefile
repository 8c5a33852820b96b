# Two commands need nothing but Python, make and a package registry:
#   make run [FOLLOWS=path/to/follows.csv]     the nightly job, on your file or on a demo network
#   make test                                  the whole test suite
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FOLLOWS ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test lint docs bench bench-similarity lock clean

help:  ## show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

demo/follows.csv: | $(VENV)/installed
	$(BIN)/raypipe demo --out $@

run: $(VENV)/installed $(if $(FOLLOWS),,demo/follows.csv)  ## the nightly job [FOLLOWS=path] [ARGS=...]
	$(BIN)/raypipe run configs/quickstart.yaml $(if $(FOLLOWS),--follows '$(FOLLOWS)') $(ARGS)

test: $(VENV)/installed  ## the whole test suite, two files at a time [ARGS=...]
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/installed  ## style and format, as ruff sees them
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

docs: $(VENV)/installed  ## rewrite what is generated in the documents [ARGS=--output: and the shown output]
	$(BIN)/python -m tests.docs $(ARGS)

bench: $(VENV)/installed  ## the figures in the README, measured on this machine
	$(BIN)/python -m pip install --quiet --no-build-isolation -e '.[bench]'
	$(BIN)/python -m tests.benchmarks

bench-similarity: $(VENV)/installed  ## the neighbour search beside other libraries [ARGS=...]
	$(BIN)/python -m pip install --quiet --no-build-isolation -e '.[bench]'
	$(BIN)/python -m tests.benchmarks.similarity $(ARGS)

lock:  ## pin and hash every dependency again (needs uv)
	uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --extra dev \
	    --custom-compile-command 'make lock' pyproject.toml -o requirements.lock

clean:  ## remove the environment and the demo
	rm -rf $(VENV) demo runs evaluations
