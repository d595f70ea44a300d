# `make demo` and `make test` each work as the first command after cloning:
# they create .venv, install what they need and run.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo clinic test check lint types imports advisories docs bench lock format clean

# The first interpreter that is new enough; another one: make demo PYTHON=/path/to/python
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$name && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS := omics,cca,mofa,deep,ray,dask,trust,clinic,docs,dev,bench
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
export PIP_PROGRESS_BAR ?= off

help: ## Show what can be made
	@echo "Consilience: do these sources together know more than the best of them alone?"
	@echo
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'
	@echo
	@echo "Start with 'make demo'. The first run installs into $(VENV); later ones are quick."

demo: $(VENV)/installed-core ## Run a real study: 92 patients, five omics and clinical
	@$(BIN)/consilience demo --resume

clinic: $(VENV)/installed-clinic ## Decision support on invented patients, in the browser
	@$(BIN)/consilience clinic demo

test: $(VENV)/installed-all ## Run every test
	@$(BIN)/python -m pytest --numprocesses=auto $(PYTEST)

check: lint types imports advisories docs ## Check style, types, imports, known vulnerabilities, docs

lint: $(VENV)/installed-all
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@echo "style: fine"

types: $(VENV)/installed-all
	@$(BIN)/mypy --strict

imports: $(VENV)/installed-all
	@$(BIN)/lint-imports

advisories: $(VENV)/installed-all
	@$(BIN)/python checks/advisories.py

docs: $(VENV)/installed-all ## Build the documentation into site/
	@DISABLE_MKDOCS_2_WARNING=true NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "docs: site/index.html"

bench: $(VENV)/installed-all ## Measure speed and write the figures to bench/results/
	@$(BIN)/python -m bench $(BENCH)

format: $(VENV)/installed-all ## Put the code in form
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

# torch is pinned by hand: its builds carry a local version ("+cpu") that the file must not.
lock: ## Write constraints.txt anew (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv/"; exit 1; }
	@pin=$$(mktemp); echo 'torch==2.13.0' > $$pin; \
	uv pip compile pyproject.toml --all-extras --constraint $$pin --python-version 3.11 \
		--no-emit-find-links --no-header --no-annotate --quiet | sed 's/+cpu$$//' > constraints.new; \
	rm $$pin; mv constraints.new constraints.txt
	@echo "constraints.txt: $$(wc -l < constraints.txt) packages"

clean: ## Remove everything that was made, the environment too
	@rm -rf $(VENV) site build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A marker is younger than what was installed from: a second `make` installs nothing.
$(VENV)/installed-core: $(VENV)/created pyproject.toml constraints.txt
	@echo "Installing Consilience into $(VENV) (a minute or two, once) ..."
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/installed-clinic: $(VENV)/created pyproject.toml constraints.txt
	@echo "Installing Consilience for the clinic into $(VENV) (a minute or two, once) ..."
	@$(INSTALL) --editable '.[clinic]'
	@touch $@ $(VENV)/installed-core

$(VENV)/installed-all: $(VENV)/created pyproject.toml constraints.txt
	@echo "Installing Consilience with its extras into $(VENV) (a few minutes, once) ..."
	@$(INSTALL) --editable '.[$(EXTRAS)]'
	@touch $@ $(VENV)/installed-core $(VENV)/installed-clinic

$(VENV)/created:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Consilience needs Python 3.11 or newer, and none was found; say where it is: make demo PYTHON=/path/to/python3.11"; exit 1; fi
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"Consilience needs Python 3.11 or newer; {sys.executable} is {v.major}.{v.minor}. Say where a newer one is: make demo PYTHON=/path/to/python3.11")'
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@[ -x $(BIN)/python ] || "$(PYTHON)" -m venv $(VENV)
	@touch $@
