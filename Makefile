# Every target first creates the virtual environment if necessary. Python 3.11 to 3.13 is needed.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

# OpenMP threads that spin while they wait waste cores when two programs share few of them. Threads that sleep at once
# halve the speed of small networks, whose parallel regions are short. So they spin for some ten microseconds, then sleep.
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 10000

# The torch of PyPI for Linux is built for CUDA (several GB). pytorch.org has one for machines without an NVIDIA GPU.
ifeq ($(shell uname -s)$(wildcard /dev/nvidiactl),Linux)
CPU_TORCH := --extra-index-url https://download.pytorch.org/whl/cpu --retries 1
endif

.PHONY: help setup demo test lint unit slow benchmark starter clean

help:
	@echo "make demo       download Dutch speech, prepare, train, evaluate and transcribe (nine minutes of training)"
	@echo "make test       linter, type checker, and the tests that take less than ten minutes"
	@echo "make slow       the tests that need more time or many gigabytes"
	@echo "make benchmark  speed and memory compared with the notebook's recipe"
	@echo "make starter    train the encoder for --encoder starter on speech from Debian packages (hours)"
	@echo "make setup      create $(VENV) with all dependencies"
	@echo "make clean      remove $(VENV), the demo and the caches"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "goama needs Python 3.11 to 3.13; choose one with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "this Python cannot create virtual environments; on Debian: apt-get install python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt $(CPU_TORCH) torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps pyctcdecode pygtrie  # it asks for an old numpy, and runs with a new one
	@touch $@

demo: setup
	$(BIN)/goama demo -o demo

test: lint unit

lint: setup
	$(BIN)/ruff check goama tests benchmarks recipes
	$(BIN)/ruff format --check goama tests benchmarks recipes
	$(BIN)/mypy

unit: setup
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

slow: setup
	$(BIN)/python -m pytest -m slow

benchmark: setup
	$(BIN)/python benchmarks/against_notebook.py

starter: setup
	$(BIN)/python recipes/make_starter.py -o starter

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache
