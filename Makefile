# One word for each thing there is to do here. 'make' alone lists them.
# Works with GNU make 3.81 or newer on Linux, macOS and, from Git Bash, Windows.

ifeq ($(OS),Windows_NT)
  PYTHON ?= python
  PY := .venv/Scripts/python.exe
else
  PYTHON ?= python3
  PY := .venv/bin/python
endif

# TORCH=cpu takes PyTorch's CPU wheels: gigabytes smaller, for Linux machines without a GPU.
# Give it with every command, or once for all with 'export TORCH=cpu'.
TORCH ?=
# Chapters that are executed at a time; empty: as many as there are cores.
JOBS ?=

.DEFAULT_GOAL := help
.PHONY: help env book pdf epub slides test check notebooks lint lab bench mutants lock clean clean-all

help:
	@echo "make book       build the book; the first time this sets up everything it needs"
	@echo "make pdf        the same as one PDF, printed by Chromium"
	@echo "make epub       the same as an EPUB, for readers of books"
	@echo "make lab        open the chapters in JupyterLab"
	@echo "make slides     a deck of slides for each chapter, offline, live figures included"
	@echo "make test       every test: style, types, layers, units, notebooks, strict book, browser"
	@echo "make check      the quick part of it: style, types, layers, units"
	@echo "make notebooks  run every chapter, quickly"
	@echo "make lint       style alone, what a commit is checked for"
	@echo "make bench      measure the training loop: ten minutes"
	@echo "make mutants    break the code on purpose and count what no test notices: half an hour"
	@echo "make env        set up .venv, nothing else"
	@echo "make lock       choose new versions for requirements.txt, with hashes"
	@echo "make clean      remove what was built    (make clean-all: .venv too)"
	@echo ""
	@echo "TORCH=cpu       PyTorch without CUDA:  make book TORCH=cpu   or   export TORCH=cpu"
	@echo "JOBS=1          one chapter at a time, not one a core:  make book JOBS=1"
	@echo "WRITE=1         make bench writes its tables down; FROM=FOLDER adds public implementations"
	@echo "PYTHON=...      another Python to set up with:  make env PYTHON=python3.12"

env:
	@$(PYTHON) tools/env.py --torch "$(TORCH)"

book: env
	@$(PY) tools/book.py $(if $(JOBS),--jobs $(JOBS))

slides: env
	@$(PY) tools/slides.py $(if $(JOBS),--jobs $(JOBS))

pdf: book
	@$(PY) tools/pdf.py

epub: env
	@$(PY) tools/book.py --format epub $(if $(JOBS),--jobs $(JOBS))

test: env
	@$(PY) tools/test.py

check: env
	@$(PY) tools/test.py check

notebooks: env
	@$(PY) tools/test.py nbval

# No env here: a commit should not wait for an installation.
lint:
	@$(PY) tools/test.py lint format notebooks

# Threads that wait for each other spin, but not for long: see KERNEL in book/_ext/gcbook.py.
lab: env
	@GOMP_SPINCOUNT=10000 $(PY) -m jupyterlab chapters

bench: env
	@$(PY) benchmarks/all.py $(if $(FROM),--from $(FROM)) $(if $(WRITE),--write) $(if $(RECORD),--record)

mutants: env
	@$(PY) tools/mutants.py

lock:
	@$(PYTHON) tools/lock.py

clean:
	rm -rf _build build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . \( -path ./.venv -o -path ./.git \) -prune -o \
	  \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -prune -exec rm -rf {} +

clean-all: clean
	rm -rf .venv
