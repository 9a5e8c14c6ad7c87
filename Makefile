# `make demo` and `make test` set up whatever is missing, then run. They need Python 3.11-3.13 and make.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

# Two busy thread pools on few cores wait for each other; waiting must not burn the cores. But threads that sleep at
# once halve the speed of small networks, whose parallel pieces are short: they spin for some ten microseconds first.
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 10000

.PHONY: help setup demo test lint unit slow benchmark starter clean

help:
	@echo "make demo       the main job on real speech: fetch, prepare, train, evaluate, transcribe"
	@echo "make test       lint, types, unit tests"
	@echo "make slow       the tests that need minutes or many gigabytes"
	@echo "make benchmark  goama against the notebook's recipe"
	@echo "make starter    train the small encoder for --encoder starter, from Debian packages"
	@echo "make setup      only make $(VENV)"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "goama needs Python 3.11 to 3.13; name one with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "this Python cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup
	$(BIN)/goama demo -o demo

test: lint unit

lint: setup
	$(BIN)/ruff check goama tests benchmarks recipes
	$(BIN)/ruff format --check goama tests benchmarks recipes
	$(BIN)/mypy

unit: setup
	$(BIN)/python -m pytest -m "not slow"

slow: setup
	$(BIN)/python -m pytest -m slow

benchmark: setup
	$(BIN)/python benchmarks/against_notebook.py

starter: setup
	$(BIN)/python recipes/make_starter.py -o starter

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache
