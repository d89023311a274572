# `make quickstart` and `make test` start from a bare checkout; `make setup` is their common first half.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: setup quickstart test slow check clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints/cpu.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: $(PYTHON) is older than 3.11; run 'make $(MAKECMDGOALS) PYTHON=python3.11'"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints/cpu.txt --editable '.[dev]'
	touch $@

quickstart: setup
	$(BIN)/harness ablate --rewards sparse,format_answer --name quickstart

test: setup
	$(BIN)/pytest -n auto --dist loadfile

slow: setup
	$(BIN)/pytest -n auto --dist loadfile -m slow --durations=20

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info
