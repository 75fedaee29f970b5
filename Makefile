# Everything bootstraps the .venv it needs; a second run starts at once.

PYTHON ?= python3
BIN := .venv/bin
CORES := $(shell getconf _NPROCESSORS_ONLN)
# Compiled modules are kept, whatever the shell says: else each process of the tests would compile them again.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(CORES) --dist worksteal

.PHONY: demo test test-long test-all test-ci coverage mutants check docs benchmarks wheel format clean

demo: .venv/core.stamp  ## find objects in sample images
	$(BIN)/weakspot demo

test: .venv/dev.stamp  ## run the tests, one process per core
	$(PYTEST) -m "not long"

test-long: .venv/dev.stamp  ## run the tests that take more than five seconds each: processes, exports, whole pages
	$(PYTEST) -m long

test-all: .venv/dev.stamp  ## run all kinds in one go
	$(PYTEST)

test-ci: .venv/dev.stamp  ## run all but the exhaustive ones, with fewer random examples
	WEAKSPOT_EXAMPLES=ci $(PYTEST) -m "not exhaustive"

coverage: .venv/dev.stamp  ## branch coverage of the mathematics, each part by its own tests
	for part in ops cams metrics; do OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q src/weakspot/$$part tests/$$part \
		--cov=weakspot.$$part --cov-report=term-missing:skip-covered --cov-fail-under=90 || exit 1; done

mutants: .venv/dev.stamp  ## break the mathematics in thousands of ways, and list what no test notices: an hour or more
	OMP_NUM_THREADS=1 $(BIN)/mutmut run --max-children $(CORES)
	$(BIN)/mutmut results

check: .venv/dev.stamp  ## lint, types, the floors, the public names
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_public_names.py

docs: .venv/docs.stamp  ## build the documentation site, strictly: open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

benchmarks: .venv/dev.stamp  ## print the tables of docs/benchmarks.md again, which takes hours; ONLY=startup prints one
	$(BIN)/python benchmarks/tables.py run $(ONLY) $(if $(DATA),--data $(DATA))

wheel: .venv/dev.stamp  ## build dist/*.whl and dist/*.tar.gz
	rm -rf dist
	$(BIN)/python -m build

format: .venv/dev.stamp  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the .venv and what tools left behind
	rm -rf .venv site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache mutants .hypothesis

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/core.stamp: pyproject.toml | .venv/bin/python
	@echo "Installing weakspot and what it needs, which takes some minutes the first time."
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/dev.stamp: .venv/core.stamp
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

.venv/docs.stamp: .venv/core.stamp
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@
