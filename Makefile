# Everything bootstraps the .venv it needs; a second run starts at once.

PYTHON ?= python3
BIN := .venv/bin
CORES := $(shell getconf _NPROCESSORS_ONLN)

.PHONY: demo test check docs benchmarks wheel format clean

demo: .venv/core.stamp  ## find objects in real photos
	$(BIN)/weakspot demo

# Compiled modules are kept, whatever the shell says: else each process of the tests would compile them again.
test: .venv/dev.stamp  ## run the tests, a process a core
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(CORES) --dist worksteal

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

format: .venv/dev.stamp  ## lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the .venv and what tools left behind
	rm -rf .venv site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

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
