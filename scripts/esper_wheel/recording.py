"""What a build writes down about itself."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from esper.native_record import BuildRecord, Extension, file_digest
from esper_wheel.levels import Level, target_features

COMMIT_VARIABLE: Final = "ESPER_BUILD_COMMIT"
"""Names the commit where the sources are built without their repository, as in a container."""
COMMIT_FILE: Final = "COMMIT"
"""In an archive of the sources."""


def commit_of(root: Path) -> str | None:
    """The commit of the sources, marked where a file differs from it; None if nobody knows."""
    named = os.environ.get(COMMIT_VARIABLE)
    if named:
        return named
    archived = root / COMMIT_FILE
    if archived.is_file():
        return archived.read_text(encoding="utf-8").strip()
    # Without the check git would answer for a repository that this folder merely lies in.
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-changed" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def described(path: Path, level: Level, root: Path, name: str | None = None) -> Extension:
    """The entry of one compiled file, which the package will hold under `name` (or its own)."""
    features = target_features(level.flags, root)
    return Extension(level.name, name or path.name, file_digest(path), features)


def record_of(extensions: Sequence[Extension], sources: str, root: Path) -> BuildRecord:
    """The record of a build of `sources` (their digest, from before it began)."""
    return BuildRecord(platform.machine(), sources, commit_of(root), tuple(extensions))
