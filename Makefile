# Two commands do everything: `make run` and `make test`. Both make their own .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The browser SDK's tests need Node.js and Chromium; without them they are skipped and say so.
NODE := $(if $(shell command -v npm),sdk_js/node_modules/.package-lock.json)

.PHONY: setup run test check coverage bench prove prove-long screenshots schemas clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

sdk_js/node_modules/.package-lock.json: sdk_js/package-lock.json
	npm --prefix sdk_js ci --no-audit --no-fund --loglevel=error
	@touch $@

run: setup
	$(BIN)/tropa demo

test: setup $(NODE)
	$(BIN)/python -m pytest

# Timings are not asserted under a tracer, so this is a run of its own, over what runs in one process.
coverage: setup
	$(BIN)/python -m pytest --quiet --cov --cov-report=term --cov-fail-under=70 tests/events tests/enrich tests/receive tests/identity tests/store tests/contacts

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/tropa schemas --check

bench: setup
	$(BIN)/python -m loadtests.bench; status=$$?; $(BIN)/python -m loadtests.readme; exit $$status

# Pictures of every page of the console, over the demo shop's visitors.
screenshots: setup $(NODE)
	$(BIN)/python -m loadtests.screenshots

# About fifteen minutes; prove-long takes about an hour (`python -m loadtests.prove --long --resume` goes on with one that was stopped). Each writes loadtests/results/, of which the README's tables are made.
prove: setup
	$(BIN)/python -m loadtests.prove; status=$$?; $(BIN)/python -m loadtests.readme; exit $$status

prove-long: setup
	$(BIN)/python -m loadtests.prove --long; status=$$?; $(BIN)/python -m loadtests.readme; exit $$status

schemas: setup
	$(BIN)/tropa schemas --out schemas

clean:
	rm -rf $(VENV)
