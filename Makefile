# `make demo` runs a real simulation; `make test` proves the rest. Both set up what they need in .venv and build/.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Simulators are provided once for all tests and kept between runs.
TEST_ENVIRONMENTS := $(abspath build/environments)

.DEFAULT_GOAL := help
.PHONY: help demo test check bench format constraints clean

help:  ## Say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: $(VENV)/ready build/mirror/ready  ## Run SPlisHSPlasH as a task on this machine, and show the result
	@$(BIN)/inductiva simulators install splishsplash --check >/dev/null 2>&1 || \
		{ echo "== Providing the simulator, once (33 MB to download, 100 MB on disk)" && \
		$(BIN)/inductiva simulators install splishsplash; }
	@echo "== Running examples/splishsplash.py (15 to 60 seconds of computation)"
	@INDUCTIVA_DOWNLOAD_MIRROR="$(abspath build/mirror)" $(BIN)/python examples/splishsplash.py
	@echo "== What to try next"
	@echo "   . $(BIN)/activate           # puts the command \`inductiva\` on your path"
	@echo "   inductiva tasks list           # what ran, runs and waits"
	@echo "   inductiva logs                 # what the last task printed"
	@echo "   inductiva simulators list      # what can run here"
	@echo "   edit examples/splishsplash.py  # your own scene; 'make demo' runs it again"

test: $(VENV)/ready-test build/mirror/ready  ## Run the tests, with a real server, runners and simulators
	@echo "== Providing the simulators that the tests run"
	@INDUCTIVA_ENVIRONMENTS_DIR="$(TEST_ENVIRONMENTS)" $(BIN)/inductiva simulators install splishsplash
	@INDUCTIVA_ENVIRONMENTS_DIR="$(TEST_ENVIRONMENTS)" $(BIN)/python -m pytest $(TESTS)

check: $(VENV)/ready-test  ## Check format, lint, types, import contracts and generated documents
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

bench: $(VENV)/ready-bench build/mirror/ready  ## Measure speed as ratios; writes bench/results/
	$(BIN)/python -m bench

format: $(VENV)/ready-test  ## Format the code and regenerate the documents
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python docs/generate.py

constraints: $(VENV)/ready-bench  ## Renew the pinned versions in constraints.txt
	@$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

clean:  ## Remove what make made (simulators of `make demo` and your tasks stay)
	rm -rf $(VENV) build

# What was half made when a command failed is made again.
.DELETE_ON_ERROR:

# A Debian without python3-venv has no ensurepip; its pip can still fill an environment made without it.
$(VENV)/bin/python:
	@echo "== Making $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, and '$(PYTHON)' is none; say which: make PYTHON=python3.11 demo" >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv --clear $(VENV); \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then $(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check pip; \
	else echo "This Python has neither ensurepip nor pip; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"

$(VENV)/ready: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "== Installing inductiva into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/ready-test: $(VENV)/ready
	@echo "== Installing what the tests and checks need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group test --group check
	@touch $@

$(VENV)/ready-bench: $(VENV)/ready-test
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group bench
	@touch $@

# The inputs that the example scripts download, where the internet is not.
build/mirror/ready: $(VENV)/bin/python examples/make_inputs.py $(shell find examples/inputs -type f 2>/dev/null)
	@$(BIN)/python examples/make_inputs.py build/mirror >/dev/null
	@touch $@
