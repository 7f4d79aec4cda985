# make demo    run the main job: a year of real flights, from raw events to a published table
# make native  build the gate's native path into .venv (needs cargo; everything works without)
# make test    run the tests
# make check   lint, types, import boundaries, the native code, a little fuzzing, and the tests on
#              the oldest and the newest Python of 3.11-3.13 here (make test-pythons: on all of them;
#              make test-lowest: with the oldest dependencies allowed)
# make fuzz    look for an input on which the paths of the gate differ (FUZZ_SECONDS=20 for each part)
# make bench   ratios against named baselines, measured in one run
# make bench-peers   the same records and rules through other tools: speed and verdicts; each in an
#              environment of its own in .venv-peers (ARGS=--write renews docs/reference/peers.md)
#
# Each does its own set-up: a virtual environment in .venv with the pinned packages.

ifndef PYTHON
PYTHON := $(shell tools/pythons | head -n 1)
endif
VENV   := .venv
BIN    := $(VENV)/bin
WORKERS ?= 2
export PYTHONDONTWRITEBYTECODE=

.PHONY: demo native check-native test check lint types boundaries test-newest test-pythons test-lowest fuzz bench bench-peers constraints clean help
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# //p;/^$$/q' Makefile

demo: $(VENV)/.ready
	@$(BIN)/lakegate demo

native: $(VENV)/.ready
	@tools/make-native $(VENV)

check-native: $(VENV)/.ready
	@tools/check-native $(VENV)

test: $(VENV)/.ready
	@echo "==> tests on $$($(BIN)/python --version)"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -q --durations 12

check: lint types boundaries check-native fuzz test-newest test

lint: $(VENV)/.ready
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.ready
	@echo "==> mypy --strict"
	@$(BIN)/mypy

boundaries: $(VENV)/.ready
	@echo "==> import boundaries"
	@$(BIN)/lint-imports --no-cache

# The quick tests on the newest other Python that is here; `test` then runs all of them on the main one.
test-newest:
	@python=$$(tools/pythons | tail -n +2 | tail -n 1); [ -z "$$python" ] || tools/test-on "$$python"

# The quick tests on every other Python that is here.
test-pythons:
	@for python in $$(tools/pythons | tail -n +2); do tools/test-on "$$python" || exit 1; done

# The quick tests with the lowest versions of its dependencies that Lakegate allows.
test-lowest:
	@tools/test-lowest "$(PYTHON)"

FUZZ_SECONDS ?= 20
fuzz: $(VENV)/.ready
	@tools/fuzz $(FUZZ_SECONDS)

bench: $(VENV)/.ready
	@$(BIN)/python -m benchmarks

bench-peers: $(VENV)/.ready
	@$(BIN)/python -m benchmarks.bench_peers $(ARGS)

constraints: $(VENV)/.ready
	@$(BIN)/python -m pip install -q 'uv>=0.5,<1'
	@$(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --all-extras \
	  --group dev --no-annotate --custom-compile-command "make constraints" --upgrade \
	  pyproject.toml -o constraints.txt

$(VENV)/.ready: constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Lakegate needs Python 3.11, 3.12 or 3.13 with venv; none was found. Install one, or run: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@tools/make-venv "$(PYTHON)" $(VENV)
	@touch $@

clean:
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
