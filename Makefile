# The book's front door: CONTRIBUTING.md says what each target does.
PYTHON ?= python3
PY := .venv/bin/python
PYTEST = $(PY) -m pytest -n 2 --dist worksteal --junit-xml=build/counts/$@.xml
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup book test lint unit chapters pages html browser notebooks bench experiments format clean

# One thread a process: a second brings a small model nothing, and the numbers stay the same from run to run.
export OMP_NUM_THREADS := 1
export PYTHONHASHSEED := 0
# Progress bars off, live panels as pictures: what a page can show.
export MGAPLIB_STATIC := 1
# A kernel runs in its notebook's folder, from which a relative path would lead elsewhere.
ifneq ($(MGAPLIB_DATA),)
override export MGAPLIB_DATA := $(or $(shell cd '$(MGAPLIB_DATA)' 2>/dev/null && pwd),$(MGAPLIB_DATA))
endif

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 20

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with make PYTHON=python3.12"; exit 1; }
	@echo "== installing the pinned requirements into .venv (a few minutes)"
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --disable-pip-version-check --requirement requirements.txt
	$(PY) -m pip install --disable-pip-version-check --quiet --no-deps --editable .
	@touch $@

setup: .venv/ready  ## the virtual environment, with the pinned requirements

chapters: .venv/ready
	@echo "== the two small CLIPs that chapters share, trained once and kept in the cache (two minutes the first time)"
	printf '%s\n' shapes emoji | xargs -P 2 -I WORLD $(PY) -c 'from mgaplib import training; print("WORLD:", training.competent_miniclip(world="WORLD"))'
	@echo "== executing the chapters that are not in the cache, two at a time"
	$(PY) tools/execute.py

pages: chapters
	@$(MAKE) --no-print-directory html

html: .venv/ready
	@echo "== building the pages"
	.venv/bin/jupyter-book build . -n -W --keep-going --all --quiet
	@echo "== the book is in _build/html/index.html"

book: pages  ## execute the chapters and build the pages into _build/html

lint: .venv/ready  ## the linter and the chapters' skeleton
	@echo "== lint"
	$(PY) -m ruff check .
	$(PY) tools/check_chapters.py

unit: .venv/ready  ## the unit tests and the docstrings' examples
	@echo "== unit tests"
	$(PYTEST) --doctest-modules mgaplib tests --ignore=tests/pages

browser: .venv/ready
	@echo "== the built pages in a real browser"
	chromium="$$($(PY) tools/browser.py)"; CHROMIUM="$$chromium" $(PYTEST) tests/pages

# One part's failure hides no other's: each runs to its end, and the last line adds them up.
test: .venv/ready  ## lint, unit tests, every chapter, the built pages in a real browser
	@MAKE="$(MAKE_COMMAND)" $(PY) tools/parts.py lint unit chapters html browser

notebooks: .venv/ready  ## Colab-ready notebooks in build/colab
	$(PY) tools/make_notebooks.py

bench: .venv/ready  ## the benchmarks, as JSON lines
	@for file in benchmarks/*.py; do $(PY) $$file; done

experiments: .venv/ready  ## the long runs that write mgaplib/results (hours)
	@for file in experiments/[a-z]*.py; do echo "== $$file"; $(PY) $$file; done

format: .venv/ready  ## sort the imports and format the code
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

clean:  ## remove what the other targets made, but for the virtual environment
	rm -rf build _build .import_linter_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
