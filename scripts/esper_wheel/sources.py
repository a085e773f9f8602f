"""Packs the sources that a wheel is made from.

maturin's own archive leaves out crates that the extension does not need, rewrites the workspace
without them, and then refuses to build it, since Cargo.lock still names them.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from esper_wheel.compiling import WORKSPACE
from esper_wheel.packing import EARLIEST_S, package_files
from esper_wheel.recording import COMMIT_FILE, commit_of

PATTERNS: Final = (
    ".cargo/config.toml",
    "LICENSE*",
    "README.md",
    "genesis/model/*",
    "prompt_bank/bank.json",
    "pyproject.toml",
    "requirements/*.lock",
    "scripts/esper_wheel/*.py",
    "seeds/*.txt",
)
"""Beside the package and the crates."""


def source_paths(root: Path) -> Iterator[Path]:
    """Every file, below `root`."""
    for pattern in PATTERNS:
        yield from root.glob(pattern)
    yield from {file for _, file in package_files(root) if root / "esper" in file.parents}
    for file in (root / WORKSPACE).rglob("*"):
        if file.is_file() and "target" not in file.relative_to(root).parts:
            yield file


def write_sources(folder: Path, root: Path, metadata: bytes, stem: str) -> str:
    """Write `stem`.tar.gz and return its name; the same bytes from the same contents."""
    contents = {file.relative_to(root).as_posix(): file.read_bytes() for file in source_paths(root)}
    contents["PKG-INFO"] = metadata
    commit = commit_of(root)
    if commit is not None:
        contents[COMMIT_FILE] = f"{commit}\n".encode()
    name = f"{stem}.tar.gz"
    with (
        (folder / name).open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for inside in sorted(contents):
            info = tarfile.TarInfo(f"{stem}/{inside}")
            info.size, info.mtime, info.mode = len(contents[inside]), EARLIEST_S, 0o644
            archive.addfile(info, io.BytesIO(contents[inside]))
    return name
