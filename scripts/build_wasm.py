"""Build the verifier of receipts for browsers: `make wasm`.

Writes `esper/explorer/static/verifier.wasm` and, beside it, a record of what it was made from.
Needs Debian's `rustc-web`, `cargo-web`, `rust-web-src` and `lld-22`: the sources of `core` and
`alloc` are compiled with it. The same bytes come from any folder. The crates that it needs must be
in cargo's cache: `--online` lets cargo fetch them once.

Both files are committed: whoever installs the package needs no compiler, and a test compares the
record with the sources.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
WORKSPACE: Final = ROOT / "native" / "stark_verifier"
MODULE: Final = ROOT / "esper" / "explorer" / "static" / "verifier.wasm"
RECORD: Final = MODULE.with_name("verifier.wasm.json")

CRATES: Final = ("commitment", "digest", "receipt", "receipt_wasm", "verifier")
"""Those of the workspace that the module is compiled from."""
NETWORKS: Final = WORKSPACE / "receipt_wasm" / "networks.bin"
TARGET: Final = "wasm32-unknown-unknown"
COMPILER: Final = "/usr/bin/rustc"
CARGO: Final = "/usr/bin/cargo"
LINKER: Final = "wasm-ld-22"
MEMORY_BYTES: Final = 64 << 20
STACK_BYTES: Final = 1 << 20
BUILD: Final = (
    *("build", "--locked", "--profile", "wasm", "-p", "esper-receipt-wasm"),
    *("-Zbuild-std=core,alloc,panic_abort", "--target", TARGET),
)


def sources() -> Iterator[Path]:
    """What the module is compiled from, in the order in which it is hashed."""
    yield WORKSPACE / "Cargo.toml"
    for crate in CRATES:
        folder = WORKSPACE / crate
        yield folder / "Cargo.toml"
        yield from sorted(folder.glob("src/**/*.rs"))
    yield NETWORKS


def source_hash() -> str:
    """SHA3-256 over name, length and bytes of each source, hexadecimal."""
    found = hashlib.sha3_256()
    for path in sources():
        name, data = path.relative_to(WORKSPACE).as_posix().encode(), path.read_bytes()
        for part in (name, data):
            found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()


def lock_hash() -> str:
    """SHA3-256 of the locked versions of all crates, hexadecimal."""
    return hashlib.sha3_256((WORKSPACE / "Cargo.lock").read_bytes()).hexdigest()


def built_from(toolchain: Sequence[str]) -> dict[str, Any]:
    """What decides the module's bytes."""
    return {
        "sources_sha3_256": source_hash(),
        "lock_sha3_256": lock_hash(),
        "toolchain": list(toolchain),
        "command": "make wasm",
    }


def record_of(module: bytes, made_from: dict[str, Any]) -> dict[str, Any]:
    """What is written beside the module."""
    return {
        "sha3_256": hashlib.sha3_256(module).hexdigest(),
        "bytes": len(module),
        **made_from,
    }


def write_networks() -> None:
    """The networks of this release, which are compiled into the module."""
    sys.path.insert(0, str(ROOT))
    from esper.cli.esper.receipts.surroundings import known_networks
    from esper.receipts.twin import networks_record

    NETWORKS.write_bytes(networks_record(known_networks()))


def environment() -> dict[str, str]:
    """What decides the bytes, whatever the caller's flags are."""
    home = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
    flags = (
        "-Zlocation-detail=none",
        f"--remap-path-prefix={home}=/cargo",
        f"-Clink-arg=--max-memory={MEMORY_BYTES}",
        f"-Clink-arg=-zstack-size={STACK_BYTES}",
    )
    return os.environ | {
        "RUSTC": COMPILER,
        "RUSTC_BOOTSTRAP": "1",
        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER": LINKER,
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
    }


def toolchain() -> tuple[str, ...]:
    """Versions of compiler and linker."""
    said = (subprocess.check_output([one, "--version"], text=True) for one in (COMPILER, LINKER))
    return tuple(one.strip().splitlines()[0] for one in said)


def main(arguments: Sequence[str]) -> int:
    """Build both files; the builder's exit status."""
    if list(arguments) not in ([], ["--online"]):
        print("usage: build_wasm.py [--online]", file=sys.stderr)
        return 2
    try:
        versions = toolchain()
    except FileNotFoundError as error:
        packages = "rustc-web cargo-web rust-web-src lld-22"
        print(f"wasm: {error.filename} is missing: apt install {packages}", file=sys.stderr)
        return 1
    write_networks()
    # Before the build: a file edited meanwhile makes the module stale, never wrongly fresh.
    made_from = built_from(versions)
    reach = () if arguments else ("--offline",)
    status = subprocess.run(
        [CARGO, *BUILD, *reach], cwd=WORKSPACE, env=environment(), check=False
    ).returncode
    if status != 0:
        return status
    target = Path(os.environ.get("CARGO_TARGET_DIR", str(WORKSPACE / "target")))
    module = (target / TARGET / "wasm" / "esper_receipt_wasm.wasm").read_bytes()
    MODULE.parent.mkdir(parents=True, exist_ok=True)
    MODULE.write_bytes(module)
    RECORD.write_text(json.dumps(record_of(module, made_from), indent=1) + "\n")
    print(f"{MODULE.relative_to(ROOT)}: {len(module):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
