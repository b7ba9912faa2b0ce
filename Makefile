# Everything a developer or an operator types. `make run` and `make test` are all that a fresh machine needs:
# both make .venv from the hashed locks first.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TEST_DATA ?= $(GSAGENT_TEST_DATA)

.PHONY: help setup setup-dev run test test-slow check format bench hil hil-long faults docs lock arm clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "gsagent needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version); try: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/gsagent doctor --compile
	@touch $@

$(VENV)/installed-dev: $(BIN)/python requirements-dev.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/gsagent doctor --compile
	@touch $@ $(VENV)/installed

setup: $(VENV)/installed  ## make .venv and fill the kernel cache
setup-dev: $(VENV)/installed-dev  ## the same with everything the tests and checks need

run: setup  ## a simulated station on this machine: broker, simulator, agent
	$(BIN)/gsagent demo

test: setup-dev  ## the tests: offline, within minutes
	$(BIN)/python -m pytest -q -n 3 --dist loadfile

test-slow: setup-dev  ## the long tests too
	$(BIN)/python -m pytest -q -m "not hil and not browser and not benchmark"

check: setup-dev arm  ## style, types, import contracts, definitions, the locks for 64-bit ARM
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/gsagent check configs/*.toml configs/satellites/*.toml configs/scenarios/*.toml

format: setup-dev  ## put every file into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

arm: setup-dev  ## resolve the lock for the Raspberry Pi: wheels only, Python 3.11 and 3.13
	@for version in 3.11 3.13; do \
	  $(BIN)/uv pip compile --quiet requirements.lock --python-platform aarch64-manylinux_2_28 --python-version $$version \
	    --only-binary :all: --no-header --output-file $(VENV)/arm-$$version.txt || exit 1; \
	  echo "64-bit ARM, Python $$version: $$(grep -c '==' $(VENV)/arm-$$version.txt) wheels"; \
	done

bench: setup-dev  ## measure: ratios against named peers, in one run
	$(BIN)/python -m pytest -q -s -m benchmark

RIG ?=
REPORTS = reports
HIL = GSAGENT_REPORTS=$(REPORTS) GSAGENT_RIG=$(RIG) $(BIN)/python -m pytest -q -o junit_logging=system-out \
	-n 3 --dist loadgroup

hil: setup-dev  ## against hardware-shaped peers, and RIG=my-rig.toml against a bench; writes reports/hil.html
	@rm -rf $(REPORTS)/figures $(REPORTS)/hil*.xml; mkdir -p $(REPORTS)
	@$(HIL) --junitxml=$(REPORTS)/hil.xml -m "hil and not slow and not alone" hil_tests; first=$$?; \
	  $(HIL) --junitxml=$(REPORTS)/hil-alone.xml -m "hil and not slow and alone" hil_tests; second=$$?; \
	  $(BIN)/python -m hil_tests.report $(REPORTS) && exit $$((first | second))

hil-long: setup-dev  ## every scenario again and again, 130 satellites over a week; writes the figures of docs/faults.md
	@mkdir -p $(REPORTS)
	$(HIL) -m "hil and slow" hil_tests
	$(BIN)/python -m hil_tests.fault_figures $(REPORTS)/figures docs/faults.md

faults: setup-dev  ## the long fault tests: 200 kills, every write and sync, 10,000 power cuts, sustained load, damaged archives
	GSAGENT_KILLS=200 GSAGENT_WRITER_BATCHES=12 GSAGENT_POWER_CUTS=10000 GSAGENT_SUSTAINED_S=600 GSAGENT_DAY_FRAMES=864000 \
	  GSAGENT_BROKER_HANG_S=300 $(BIN)/python -m pytest -q -s -m "hil and not slow" hil_tests
	$(BIN)/python -m pytest -q -m slow tests/sinks

docs: setup-dev  ## write the generated parts of docs/
	$(BIN)/python docs/generate.py

LOCK = $(BIN)/uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --extra broker --group build

lock: setup-dev  ## make the locks anew from pyproject.toml
	$(LOCK) --output-file requirements.lock
	$(LOCK) --group test --group peers --group lint --output-file requirements-dev.lock

clean:  ## remove what was made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist reports
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
