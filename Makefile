# Every target sets up what it needs on a fresh machine: a virtual environment with the pinned dependencies.
PYTHON   ?= python3
VENV     ?= .venv
OUT      ?= results
SCALE    ?= quick
EXPERIMENT ?= ghost.critical_learning_rate

BIN      := $(VENV)/bin
STAMP    := $(VENV)/.installed
TOYMODELS := $(BIN)/toymodels

.PHONY: help setup reproduce test test-slow sweep figures errata bench calibration docs lint types contracts check lock clean

help:            ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

setup: $(STAMP)  ## virtual environment with pinned dependencies

reproduce: $(STAMP)  ## the core experiments at quick scale, then the report
	$(TOYMODELS) run core --scale quick --out $(OUT)

test: $(STAMP)   ## the test suite (a few minutes on two cores)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(STAMP)  ## the long tests: calibration, full batteries
	$(BIN)/python -m pytest -m slow

sweep: $(STAMP)  ## one experiment: make sweep EXPERIMENT=name SCALE=full
	$(TOYMODELS) run $(EXPERIMENT) --scale $(SCALE) --out $(OUT)

figures: $(STAMP)  ## redraw every figure under OUT from the stored results
	$(TOYMODELS) report $(OUT) --figures

errata: $(STAMP)  ## the experiments that refute printed statements, then docs/errata.md and its figures
	$(TOYMODELS) run errata --scale quick --out $(OUT)
	$(BIN)/python -m runs.errata $(OUT)

bench: $(STAMP)  ## speed as ratios within one process
	$(BIN)/python -m runs.bench

calibration: $(STAMP)  ## false alarms and power of the verdicts: the tables and the figure of docs/calibration.md
	$(BIN)/python -m runs.calibration

docs: $(STAMP)   ## the documentation, strict
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

lint: $(STAMP)   ## style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint docs test  ## everything that is checked before a change lands

lock: $(STAMP)   ## renew requirements.lock from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --all-extras --no-header --upgrade \
	    pyproject.toml -o requirements.lock

clean:           ## remove results, caches and the virtual environment
	rm -rf $(VENV) $(OUT) docs/_build build *.egg-info
