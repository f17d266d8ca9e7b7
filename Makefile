# Everything a developer or a new user calls. `make help` lists the targets.
# Needs Rust (cargo) and Python 3.11 or newer; all else is set up inside the checkout.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.stamps
# Tests wait a lot: one program more than there are cores.
PYTEST := $(BIN)/pytest -q -n "$$($(PYTHON) -c 'import os; print(os.cpu_count() + 1)')" --dist worksteal

# Every pip below, also the one that maturin calls, says only what goes wrong.
export PIP_QUIET := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help build demo test test-rust test-python check docs bench clean

help:  ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(STAMP)/base  ## Build the engine and the package (release) into .venv
	cd python && VIRTUAL_ENV=$(CURDIR)/$(VENV) ../$(BIN)/maturin develop --release --quiet

demo: build $(STAMP)/examples  ## Run the main example: compare trainers of an ML pipeline
	$(BIN)/wtb run examples/ml_pipeline/bench.toml
	@echo
	@echo "The store is .wtb: try  $(BIN)/wtb list  and  $(BIN)/wtb show latest"

test: test-rust test-python  ## Run all tests, with all set-up

# The store on PostgreSQL is tested against servers of its own, whose programs come as a package.
test-rust: $(STAMP)/server
	WTB_POSTGRES_BIN="$$($(BIN)/python tests/postgres_bin.py)" cargo test --quiet

# Reports are looked at in a Chromium: in the one that is there, else in one that comes as a package.
test-python: build $(STAMP)/test $(STAMP)/server $(STAMP)/browser
	WTB_TEST_CHROMIUM="$$($(BIN)/python tests/browser.py $(VENV)/browser)" $(PYTEST) --ignore=python/tests/clusters
	$(BIN)/pytest -q python/tests/clusters
	$(BIN)/python tests/on_postgres.py $(PYTEST) python/tests/saver python/tests/bench python/tests/events python/tests/lineages python/tests/workspaces/test_workspaces.py
	$(BIN)/python tests/on_postgres.py $(BIN)/pytest -q python/tests/clusters

check: build $(STAMP)/test  ## Format, lint and type checks
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd python && ../$(BIN)/mypy

docs: build $(STAMP)/test  ## Write the generated references in docs/
	$(BIN)/wtb schema > docs/bench.schema.json
	$(BIN)/wtb reference > docs/cli.md
	$(BIN)/python docs/generate_api.py

bench: build $(STAMP)/bench  ## Run the benchmarks beside their rivals
	$(BIN)/python bench/run.py

clean:  ## Remove what was built
	cargo clean
	rm -rf $(VENV) .wtb

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=/path/to/python3")'
	$(PYTHON) -m venv $(VENV)

$(STAMP)/base: $(VENV)/bin/python python/pyproject.toml
	$(BIN)/pip install 'maturin>=1.16,<2'
	@mkdir -p $(STAMP) && touch $@

# Optional dependencies are read from the package's own list, so that they are written once.
$(STAMP)/%: $(STAMP)/base python/pyproject.toml
	$(BIN)/python -c 'import sys, tomllib; print(*tomllib.load(open("python/pyproject.toml", "rb"))["project"]["optional-dependencies"]["$*"], sep="\n")' > $(STAMP)/$*.txt
	$(BIN)/pip install -r $(STAMP)/$*.txt
	@touch $@
