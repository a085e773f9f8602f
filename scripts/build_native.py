"""Build the extension `esper._native` into this interpreter's environment, with its build record.

Run by `make build` with the environment's own Python. The package is installed in editable form:
the commands `esper` and `esperd` appear in the environment, the extension beside the sources.
RUSTFLAGS decides the processor (the Makefile passes `-C target-cpu=native`); the record that
`esper.native_check` compares is written from what the compiler says about those flags.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKSPACE = ROOT / "native" / "stark_verifier"
PACKAGE = ROOT / "esper"

sys.path.insert(0, str(ROOT))

from esper.native_check import (  # noqa: E402
    RECORD_NAME,
    BuildRecord,
    file_digest,
    find_extension,
    source_digest,
)


def target_features(rust_flags: str) -> tuple[str, ...]:
    """Return the processor features that rustc may use under `rust_flags`, sorted."""
    configuration = subprocess.run(
        ["rustc", "--print", "cfg", *shlex.split(rust_flags)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(sorted(re.findall(r'^target_feature="([^"]+)"$', configuration, re.MULTILINE)))


def build(rust_flags: str) -> int:
    """Build and record; return the builder's exit status."""
    # Before the build: a file edited meanwhile makes the extension stale, never wrongly fresh.
    sources = source_digest(WORKSPACE)
    record = PACKAGE / RECORD_NAME
    record.unlink(missing_ok=True)
    environment = os.environ | {"RUSTFLAGS": rust_flags, "VIRTUAL_ENV": sys.prefix}
    maturin = Path(sys.executable).parent / "maturin"
    status = subprocess.run(
        [maturin, "develop", "--release", "--locked", "--uv"],
        cwd=ROOT,
        env=environment,
        check=False,
    ).returncode
    if status != 0:
        return status
    extension = find_extension(PACKAGE)
    if extension is None:
        print("the build succeeded but left no extension in esper/", file=sys.stderr)
        return 1
    record.write_text(
        BuildRecord(
            extension=extension.name,
            extension_sha256=file_digest(extension),
            source_sha256=sources,
            machine=platform.machine(),
            target_features=target_features(rust_flags),
        ).to_json()
    )
    return 0


if __name__ == "__main__":
    sys.exit(build(os.environ.get("RUSTFLAGS", "")))
