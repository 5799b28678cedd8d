# Every command sets up what it needs; the environment is made anew when the pinned requirements change.

PYTHON ?= python3
BIN := .venv/bin
COMPILED := setup.py $(wildcard synap/*.pyx synap/keyspace/*.pyx synap/radix/*.pyx synap/radix/*.pxi synap/server/lane/*.pyx)

.PHONY: install run test lint cover bench soak

install: .venv/installed

run: .venv/installed
	$(BIN)/synap serve

# Two processes share the tests, each a file at a time: much of the time goes into waiting for disks and servers.
test: .venv/installed-dev
	$(BIN)/pytest -n 2 --dist loadfile

cover: .venv/installed-dev
	$(BIN)/pytest --cov=synap --cov-branch tests --ignore tests/process --ignore tests/simulation

soak: .venv/installed-dev
	$(BIN)/pytest --fresh --soak 10 --timeout 7200 tests/simulation tests/process tests/wal tests/snapshot tests/fuzz \
		tests/contract/test_schemathesis.py tests/radix

bench: .venv/installed-dev
	$(BIN)/python -m benchmarks.beside
	$(BIN)/python -m benchmarks.commits
	$(BIN)/python -m benchmarks.recovery
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.snapshots
	$(BIN)/python -m benchmarks.replay
	$(BIN)/python -m benchmarks.tree

lint: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	for each in examples/*/app.py examples/*/copy_from_redis.py; do $(BIN)/mypy $$each || exit 1; done

.venv/installed: requirements/run.txt pyproject.toml $(COMPILED)
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements/run.txt
	rm -f synap/*.so synap/*/*.so synap/*/*/*.so
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@SYNAP_RADIX= $(BIN)/python -c 'from synap.radix import IMPLEMENTATION as it; print({"c": "The compiled tree was built.", "py": "The compiled tree was not built: no C compiler was found, or it failed. The one in plain Python serves, in more time and memory. To see why: $(BIN)/pip install --verbose --no-deps --editable ."}[it])'
	touch $@

.venv/installed-dev: .venv/installed requirements/dev.txt sdk/python/pyproject.toml
	$(BIN)/python -m pip install --quiet --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable sdk/python
	touch $@
