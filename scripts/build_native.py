"""Build the extension `esper._native` into this interpreter's environment, with its build record.

Run by `make build` with the environment's own Python. The package is installed in editable form:
the commands `esper` and `esperd` appear in the environment, the extension beside the sources.
RUSTFLAGS decides the processor (the Makefile passes `-C target-cpu=native`); the record that
`esper.native_check` compares is written from what the compiler says about those flags.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKSPACE = ROOT / "native" / "stark_verifier"
PACKAGE = ROOT / "esper"

sys.path.insert(0, str(ROOT))

from esper.native_record import RECORD_NAME, source_digest  # noqa: E402
from esper_wheel.levels import Level, native_level  # noqa: E402
from esper_wheel.recording import described, record_of  # noqa: E402


def build(level: Level) -> int:
    """Build and record; return the builder's exit status."""
    # Before the build: a file edited meanwhile makes the extension stale, never wrongly fresh.
    sources = source_digest(WORKSPACE)
    record = PACKAGE / RECORD_NAME
    record.unlink(missing_ok=True)
    environment = os.environ | {"RUSTFLAGS": " ".join(level.flags), "VIRTUAL_ENV": sys.prefix}
    maturin = Path(sys.executable).parent / "maturin"
    status = subprocess.run(
        [maturin, "develop", "--release", "--locked", "--uv"],
        cwd=ROOT,
        env=environment,
        check=False,
    ).returncode
    if status != 0:
        return status
    extension = PACKAGE / "_native.abi3.so"
    if not extension.is_file():
        print("the build succeeded but left no extension in esper/", file=sys.stderr)
        return 1
    record.write_text(record_of([described(extension, level, ROOT)], sources, ROOT).to_json())
    return 0


if __name__ == "__main__":
    sys.exit(build(native_level(os.environ)))
