# Two promises: `make run` and `make test`. Each installs what it needs, once; a second run installs nothing.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := UV_FIND_LINKS="$(PIP_FIND_LINKS)" $(BIN)/uv pip
ASSAY_VAR ?= var
export ASSAY_VAR
# Some containers forbid Python to keep what it compiled; then every start of every command compiles all of it again,
# which more than doubles its time.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

# Stamps carry the digest of what was installed, so that a changed lock file re-installs and an unchanged one costs nothing.
# PyTorch trains and never serves: it is no part of what `make run` installs.
RUN_LOCKS := requirements/bootstrap.txt requirements/base.txt
TEST_LOCKS := requirements/dev.txt requirements/watermark.txt requirements/train.txt requirements/torch.txt
RUN_STAMP := $(VENV)/.run-$(shell cat $(RUN_LOCKS) | sha256sum | cut -c1-16)
BENCH_LOCKS := requirements/bench.txt
TEST_STAMP := $(VENV)/.test-$(shell cat $(RUN_LOCKS) $(TEST_LOCKS) | sha256sum | cut -c1-16)
BENCH_STAMP := $(VENV)/.bench-$(shell cat $(RUN_LOCKS) $(TEST_LOCKS) $(BENCH_LOCKS) | sha256sum | cut -c1-16)

$(RUN_STAMP):
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Assay needs Python 3.11, 3.12 or 3.13; {sys.executable} is {v[0]}.{v[1]}. Try: make PYTHON=python3.11 run")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r requirements/bootstrap.txt
	VIRTUAL_ENV=$(VENV) $(UV) install -q --require-hashes -r requirements/base.txt
	@$(BIN)/python manage.py train tower \
	  || echo 'The detector “Generated picture” stays off until this works: $(BIN)/python manage.py train tower'
	@rm -f $(VENV)/.run-* && touch $@

$(TEST_STAMP): $(RUN_STAMP)
	VIRTUAL_ENV=$(VENV) $(UV) install -q --require-hashes -r requirements/dev.txt
	VIRTUAL_ENV=$(VENV) $(UV) install -q --no-deps --require-hashes -r requirements/watermark.txt
	VIRTUAL_ENV=$(VENV) $(UV) install -q --require-hashes -r requirements/train.txt
	VIRTUAL_ENV=$(VENV) $(UV) install -q --no-deps --require-hashes -r requirements/torch.txt 2>/dev/null \
	  || VIRTUAL_ENV=$(VENV) $(UV) install -q --no-deps --torch-backend cpu torch==2.13.0
	@rm -f $(VENV)/.test-* && touch $@

$(BENCH_STAMP): $(TEST_STAMP)
	VIRTUAL_ENV=$(VENV) $(UV) install -q --require-hashes -r requirements/bench.txt
	@rm -f $(VENV)/.bench-* && touch $@

.PHONY: setup
setup: $(RUN_STAMP) ## Install what the service needs, start nothing

.PHONY: run
run: $(RUN_STAMP) ## Start Assay: web server, workers, sequencer; prints the address and demo logins
	@exec $(BIN)/python manage.py up

.PHONY: demo
demo: $(RUN_STAMP) ## Play the whole story in a terminal, on an empty data folder
	@$(BIN)/python manage.py demo

.PHONY: lint
lint: $(TEST_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy .
	$(BIN)/python manage.py freshness

.PHONY: test
test: $(TEST_STAMP) ## Everything that proves the product
	@scripts/test

.PHONY: bench
bench: $(BENCH_STAMP) ## Print every figure the documents quote, with the machine they were taken on (30 minutes)
	@for file in guard ledger export provenance provenance_index detection due_process; do echo "== benchmarks/$$file.py"; $(BIN)/python benchmarks/$$file.py; done

# Flower asks for older versions of what the service uses: an environment of its own, under the data folder.
FLOWER := $(ASSAY_VAR)/federation/flower
FLOWER_STAMP := $(FLOWER)/.lock-$(shell cat requirements/federation.txt | sha256sum | cut -c1-16)

$(FLOWER_STAMP): $(RUN_STAMP)
	@mkdir -p $(dir $(FLOWER))
	@test -x $(FLOWER)/bin/python || $(BIN)/uv venv -q --python $(BIN)/python $(FLOWER)
	VIRTUAL_ENV=$(FLOWER) $(UV) install -q --require-hashes -r requirements/federation.txt
	@rm -f $(FLOWER)/.lock-* && touch $@

.PHONY: federation
federation: $(FLOWER_STAMP) ## Three institutions train together in Flower's processes; one is killed, one poisoned
	@ASSAY_VAR=$(ASSAY_VAR)/federation/office $(BIN)/python manage.py federation drill --venv $(FLOWER) --data $(ASSAY_VAR)/training

.PHONY: load
load: $(TEST_STAMP) ## Ten thousand broken files and changes; a log of a million; a hundred kills of writer, sequencer and database; nothing may be lost
	@FUZZ_EVERY=1 $(BIN)/pytest -q tests/provenance/test_fuzz.py
	@ASSAY_LOAD=1 $(BIN)/pytest -q tests/ledger/test_go.py tests/ledger/test_mutations.py
	@MACHINE_EXAMPLES=50 $(BIN)/pytest -q tests/policy/machines
	@$(BIN)/python -m tests.ledger.crash_cycles --cycles 100 --database postgresql

.PHONY: verifier
verifier: $(RUN_STAMP) ## The offline verifier alone, for regulators: dist/assay-verify.pyz and a wheel
	@$(BIN)/python scripts/build_verifier.py dist

.PHONY: lock
lock: $(TEST_STAMP)
	@for f in bootstrap base dev bench train federation; do VIRTUAL_ENV=$(VENV) $(UV) compile -q --generate-hashes --universal --python-version 3.11 \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' requirements/$$f.in -o requirements/$$f.txt; done
	@VIRTUAL_ENV=$(VENV) $(UV) compile -q --no-deps --generate-hashes --universal --python-version 3.11 \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' requirements/watermark.in -o requirements/watermark.txt

.PHONY: clean
clean: ## Remove the environment and caches (never the data folder)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
