"""What a build says about the extensions it left in the package.

The record is the JSON file `esper/_native_build.json`: `machine` (as `platform.machine()`),
`source_sha256` (of the Rust sources, see `source_digest`), `commit` (of the sources, or null where
the build did not know it), and `extensions`, a list of `level`, `file`, `sha256` and
`target_features` each, the most demanding first. A build for one processor leaves one, of the level
`native`; a wheel carries several of one source, for processors of different age.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

RECORD_NAME: Final = "_native_build.json"
NATIVE_LEVEL: Final = "native"
"""Level of a build for the very processor that it was built on."""


@dataclass(frozen=True, slots=True)
class Extension:
    """One compiled file."""

    level: str
    """Name of the processors that it is for, such as `x86-64-v3`."""
    file: str
    """File name, within the package."""
    sha256: str
    """Of the file, hexadecimal."""
    target_features: tuple[str, ...]
    """Processor features that the compiler was allowed to use, by the compiler's names, sorted."""

    @classmethod
    def from_fields(cls, given: Any) -> Extension:
        """Read one entry of the list. Raises ValueError naming the field."""
        if not isinstance(given, dict):
            raise ValueError("field 'extensions' of the build record is not a list of objects")
        for name in ("level", "file", "sha256"):
            _check_text(given, name)
        if Path(given["file"]).name != given["file"]:
            raise ValueError("field 'file' of the build record is not the name of a file")
        features = given.get("target_features")
        if not isinstance(features, list) or not all(isinstance(one, str) for one in features):
            raise ValueError("field 'target_features' of the build record is not a list of strings")
        return cls(given["level"], given["file"], given["sha256"], tuple(features))


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """The extensions of one build."""

    machine: str
    """`platform.machine()` of the building machine, such as `x86_64`."""
    source_sha256: str
    """`source_digest` of the Rust sources before the build began, hexadecimal."""
    commit: str | None
    """Of the sources, with `-changed` after it where files differed from it; None: not known."""
    extensions: tuple[Extension, ...]
    """At least one, the most demanding first."""

    def to_json(self) -> str:
        """Return the record as the text of its file."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> BuildRecord:
        """Read a record. Raises `ValueError` where a field is missing or of another type."""
        given = json.loads(text)
        if not isinstance(given, dict):
            raise ValueError("the build record is not a JSON object")
        for name in ("machine", "source_sha256"):
            _check_text(given, name)
        if not isinstance(given.get("commit"), str | None):
            raise ValueError("field 'commit' of the build record is neither a string nor null")
        listed = given.get("extensions")
        if not isinstance(listed, list) or not listed:
            raise ValueError("field 'extensions' of the build record is not a list of objects")
        extensions = tuple(map(Extension.from_fields, listed))
        return cls(given["machine"], given["source_sha256"], given.get("commit"), extensions)


def _check_text(given: dict[str, Any], name: str) -> None:
    if not isinstance(given.get(name), str):
        raise ValueError(f"field {name!r} of the build record is not a string")


def source_files(workspace: Path) -> list[Path]:
    """Return the files of the Rust workspace that the extension is made from, sorted.

    These are the workspace's manifest and lock file and, for each crate, its manifest, build
    script and everything under `src`. Tests, examples and benches are no part of it.
    """
    files = [workspace / "Cargo.toml", workspace / "Cargo.lock"]
    for manifest in workspace.glob("*/Cargo.toml"):
        files += [manifest, manifest.parent / "build.rs"]
        files += manifest.parent.glob("src/**/*")
    return sorted(f for f in files if f.is_file() and not f.name.startswith("."))


def source_digest(workspace: Path) -> str:
    """Return the SHA-256, hexadecimal, of `source_files`: names and contents with their lengths."""
    digest = hashlib.sha256()
    for file in source_files(workspace):
        for part in (file.relative_to(workspace).as_posix().encode(), file.read_bytes()):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of one file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
