"""Runs maturin for one level, and takes apart the wheel that it makes."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from esper_wheel.levels import Level, compilers_own_target

WORKSPACE = Path("native") / "stark_verifier"


@dataclass(frozen=True, slots=True)
class Compiled:
    """What maturin left."""

    extension: Path
    """The compiled file."""
    dist_info: Path
    """The folder of metadata: names, dependencies, licences, commands, the wheel's tag."""


def compile_level(root: Path, level: Level, scratch: Path) -> Compiled:
    """Compile the extension; a folder of its own under cargo's keeps what one level compiled.

    Raises SystemExit; the compiler has said why.
    """
    base = os.environ.get("CARGO_TARGET_DIR") or str(root / WORKSPACE / "target")
    own = {
        # With a target named, the flags are the extension's alone. Otherwise the crates' build
        # scripts would be compiled with them too, and those run here, on a lesser one perhaps.
        "CARGO_BUILD_TARGET": os.environ.get("CARGO_BUILD_TARGET") or compilers_own_target(root),
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(level.flags),
        "CARGO_TARGET_DIR": str(Path(base) / "wheel" / level.name),
    }
    out = scratch / level.name
    try:
        subprocess.run(
            ["maturin", "pep517", "build-wheel", "-i", sys.executable, "--out", out],
            cwd=root,
            env=os.environ | own,
            check=True,
            stdout=sys.stderr,
        )
    except subprocess.CalledProcessError:
        raise SystemExit(
            f"error: the extension for {level.name} is not compiled; the lines above say why"
        ) from None
    [wheel] = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(out)
    [extension] = (out / "esper").glob("_native*.so")
    [dist_info] = out.glob("*.dist-info")
    return Compiled(extension, dist_info)
