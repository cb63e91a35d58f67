# Two commands do everything: `make run` and `make test`. Both make their own .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup run test check bench schemas clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

run: setup
	$(BIN)/tropa serve --host 127.0.0.1

test: setup
	$(BIN)/coverage erase
	$(BIN)/python -m pytest --cov --cov-report=

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m loadtests.bench

schemas: setup
	$(BIN)/tropa schemas --out schemas

clean:
	rm -rf $(VENV)
