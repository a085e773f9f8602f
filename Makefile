# Build, test and run Esperchain. `make help` lists the targets.
# Needs Python 3.11, Rust 1.95 or later and a C compiler; README.md names the Debian packages.

SHELL := /bin/bash
.DEFAULT_GOAL := build
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .tools
CARGO_DENY := $(TOOLS)/bin/cargo-deny
CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ := $(TOOLS)/bin/cargo-fuzz
CARGO_FUZZ_VERSION := 0.13.2
WORKSPACE := native/stark_verifier
CARGO_TARGET_DIR ?= $(CURDIR)/$(WORKSPACE)/target

# Everything is built for this very processor: AVX2 and AVX-512 halve proving times.
# esper/native_check.py refuses to load the result on a lesser one.
export RUSTFLAGS ?= -C target-cpu=native
export CARGO_TARGET_DIR

RUST_SOURCES := $(shell find $(WORKSPACE) -name target -prune -o \
	\( -name '*.rs' -o -name Cargo.toml -o -name Cargo.lock \) -print)
CARGO := cd $(WORKSPACE) && cargo

.PHONY: build test lint types imports rust-format rust-lint rust-licences rust-test python-test \
	audit bench bench-hour soak fuzz devnet fmt lock clean help

build: $(VENV)/.stamp-native ## Make .venv, and the extension for this processor

$(VENV)/.stamp-packages: requirements/bootstrap.lock requirements/test.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/bootstrap.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/test.lock
	touch $@

$(VENV)/.stamp-native: $(VENV)/.stamp-packages pyproject.toml scripts/build_native.py $(RUST_SOURCES)
	$(BIN)/python scripts/build_native.py
	touch $@

test: lint types imports rust-format rust-licences rust-lint rust-test python-test ## Run every check

lint: $(VENV)/.stamp-packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.stamp-packages
	$(BIN)/mypy

imports: $(VENV)/.stamp-packages
	$(BIN)/lint-imports --no-logo

rust-format:
	$(CARGO) fmt --all --check

# Features of tests alone: random models, and the switch that takes a relation out of the proof.
TEST_FEATURES := esper-commitment/prover,esper-commitment/parallel,esper-model/synthetic,esper-prover/relation-switch

rust-lint:
	$(CARGO) clippy --locked --workspace --all-targets --features $(TEST_FEATURES) -- -D warnings

rust-test:
	$(CARGO) test --locked --release --workspace --features $(TEST_FEATURES)

# Known vulnerabilities need a database that is no package: `make audit`.
rust-licences: $(CARGO_DENY)
	cd $(WORKSPACE) && $(CURDIR)/$(CARGO_DENY) --locked check licenses bans sources

$(CARGO_DENY):
	env -u RUSTFLAGS cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked --quiet \
		--root $(TOOLS) --target-dir $(CARGO_TARGET_DIR)/tools

$(CARGO_FUZZ):
	env -u RUSTFLAGS cargo install cargo-fuzz --version $(CARGO_FUZZ_VERSION) --locked --quiet \
		--root $(TOOLS) --target-dir $(CARGO_TARGET_DIR)/tools

audit: $(CARGO_DENY) ## Compare the Rust dependencies with the public advisory database (network)
	cd $(WORKSPACE) && $(CURDIR)/$(CARGO_DENY) --locked check advisories

python-test: build
	$(BIN)/python -m pytest -q

bench: build ## Measure this machine and write bench/RESULTS.md
	$(BIN)/python bench/run.py

bench-hour: build ## Watch a devnet node for an hour with calls arriving
	$(BIN)/python -m bench.devnet_run --minutes 60

soak: build ## Run the randomised tests a hundred times longer than `make test` does
	$(BIN)/python -m pytest -q tests/property tests/fuzz
	$(BIN)/python -m pytest -q -m soak
	$(CARGO) test --locked --release --workspace --features $(TEST_FEATURES) --test attack_cells
	$(MAKE) fuzz

soak: export ESPER_ATTACK_SAMPLES ?= 4
soak: export HYPOTHESIS_PROFILE := soak
soak: export ESPER_FUZZ_SECONDS ?= $(FUZZ_SECONDS)

FUZZ_SECONDS ?= 3600
CORPUS := $(CURDIR)/$(TOOLS)/corpus
FUZZ_RUN = $(CARGO) +nightly fuzz run --target-dir $(CARGO_TARGET_DIR)/fuzz

fuzz: $(CARGO_FUZZ) ## cargo-fuzz on verifier and descriptor (needs the nightly toolchain)
	cargo +nightly --version >/dev/null || { echo "fuzz: rustup toolchain install nightly" >&2; exit 1; }
	mkdir -p $(CORPUS)/descriptor
	$(CARGO) test --locked --release --workspace --features $(TEST_FEATURES) --test attack_bytes honest_proofs
	$(FUZZ_RUN) verify $(CORPUS)/verify -- -max_total_time=$(FUZZ_SECONDS) -max_len=4194304
	$(FUZZ_RUN) descriptor $(CORPUS)/descriptor -- -max_total_time=$(FUZZ_SECONDS)

fuzz: export ESPER_FUZZ_CORPUS := $(CORPUS)/verify
fuzz: export PATH := $(CURDIR)/$(TOOLS)/bin:$(PATH)

devnet: build ## Mine a development network on the genesis model until interrupted
	$(BIN)/esperd mine --network devnet --datadir devnet-data

fmt: $(VENV)/.stamp-packages ## Format Python and Rust
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(CARGO) fmt --all

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header
lock: $(VENV)/.stamp-packages ## Resolve pyproject.toml again into requirements/
	$(LOCK) pyproject.toml -o requirements/runtime.lock
	$(LOCK) --extra test pyproject.toml -o requirements/test.lock

clean: ## Remove what the targets above made
	rm -rf $(VENV) $(TOOLS) $(CARGO_TARGET_DIR) esper/_native*.so esper/_native_build.json

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
