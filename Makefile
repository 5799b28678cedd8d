# Every command sets up what it needs; the environment is made anew when the pinned requirements change.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: install run test lint cover bench soak

install: .venv/installed

run: .venv/installed
	$(BIN)/synap serve

test: .venv/installed-dev
	$(BIN)/pytest

cover: .venv/installed-dev
	$(BIN)/pytest --cov=synap --cov-branch tests --ignore tests/process --ignore tests/simulation

soak: .venv/installed-dev
	$(BIN)/pytest --soak 10 --timeout 7200 tests/simulation tests/process tests/wal tests/snapshot tests/fuzz

bench: .venv/installed-dev
	$(BIN)/python -m benchmarks.commits
	$(BIN)/python -m benchmarks.recovery
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.snapshots
	$(BIN)/python -m benchmarks.replay

lint: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.venv/installed: requirements/run.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

.venv/installed-dev: .venv/installed requirements/dev.txt sdk/python/pyproject.toml
	$(BIN)/python -m pip install --quiet --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable sdk/python
	touch $@
