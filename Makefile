# `make demo` runs a real simulation; `make test` proves the rest. Both set up what they need in .venv and build/.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Simulators are provided once for all tests and kept between runs.
TEST_ENVIRONMENTS := $(abspath build/environments)

.DEFAULT_GOAL := help
.PHONY: help demo test check bench format constraints clean

help:  ## Say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: $(VENV)/ready build/mirror/ready  ## Run SPlisHSPlasH as a task on this machine, and show the result
	@echo "== Providing the simulator (once; about 100 MB)"
	@$(BIN)/inductiva simulators install splishsplash
	@echo "== Running examples/splishsplash.py"
	@INDUCTIVA_DOWNLOAD_MIRROR="$(abspath build/mirror)" $(BIN)/python examples/splishsplash.py

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

# A Debian without python3-venv has no ensurepip; its pip can still fill an environment made without it.
$(VENV)/bin/python:
	@echo "== Making $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV) && $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"

$(VENV)/ready: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "== Installing inductiva"
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
	@$(BIN)/python examples/make_inputs.py build/mirror
	@touch $@
