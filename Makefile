# Two commands do everything: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-fast lint test-slow test-engines bench results site help
.DEFAULT_GOAL := help

help:
	@echo "make demo       set up, run the quickstart sweep on real text and a real model, write its report"
	@echo "make test       set up, then lint, types, import rules and tests"
	@echo "make test-fast  the quick tests alone, for whoever is editing"
	@echo "make test-slow  the longer checks as well"
	@echo "make test-engines  sweeps on a real SLURM of one node, Ray, Dask and submitit"
	@echo "make site       run the notebooks, build the documentation site and look at it in Chromium"
	@echo "make results    redraw docs/results from the rows kept there, and write its tables anew"
	@echo "make bench      measure codecs and the round on this machine"

# Done again only when what is pinned changes.
.venv/ready: requirements.lock pyproject.toml scripts/setup.sh
	@PYTHON="$(PYTHON)" sh scripts/setup.sh

demo: .venv/ready
	@$(BIN)/fedbytes sweep quickstart

lint: .venv/ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# One thread per process: two processes of two threads each wait for one another on two cores.
test: lint
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --durations=25

test-fast: .venv/ready
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow and not thorough and not engines and not site"

test-slow: lint
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements-fuzz.lock || \
		echo "atheris is unavailable on this platform; skipping coverage-guided fuzzing"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not engines and not site"

# In CI an engine that cannot be used is a failure, elsewhere it is skipped.
test-engines: .venv/ready
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements-engines.lock || \
		echo "ray, dask or submitit cannot be installed; their tests are skipped"
	@sh scripts/slurm_packages.sh
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m engines tests/engines

site: .venv/ready
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements-docs.lock
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python scripts/build_site.py
	@$(BIN)/python -m pytest -m site tests/site

results: .venv/ready
	@$(BIN)/python scripts/redraw_results.py

bench: .venv/ready
	@$(BIN)/python benchmarks/overhead.py
	@$(BIN)/fedbytes codecs
