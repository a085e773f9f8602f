"""Examines the compiled extension before the interpreter loads it.

The extension is built for the processor it is built on: loading it on a lesser one would end
the process with an illegal instruction and no message. The build therefore leaves a record,
`esper/_native_build.json`, beside the extension, and every import of `esper._native` first
passes `check_native`, which answers in one sentence what is wrong and what to do about it.

The record is JSON: `extension` (file name), `extension_sha256` (of that file), `source_sha256`
(of the Rust sources, see `source_digest`), `machine` (as `platform.machine()`), and
`target_features` (the names by which the Rust compiler knows the processor's features).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from pathlib import Path
from typing import Final

MODULE: Final = "esper._native"
RECORD_NAME: Final = "_native_build.json"
STALE_VARIABLE: Final = "ESPER_STALE_NATIVE"
"""Set to `allow` to load an extension older than its source, while the source is being edited."""

_PACKAGE: Final = Path(__file__).resolve().parent
_SOURCES: Final = _PACKAGE.parent / "native" / "stark_verifier"
_REMEDY: Final = "run `make build` in the repository"

# Where the Rust compiler's name is not the kernel's (x86, /proc/cpuinfo); other names differ only
# in "." against "_".
_KERNEL_NAMES: Final[Mapping[str, str]] = {
    "avx512bf16": "avx512_bf16",
    "avx512bitalg": "avx512_bitalg",
    "avx512fp16": "avx512_fp16",
    "avx512vbmi2": "avx512_vbmi2",
    "avx512vnni": "avx512_vnni",
    "avx512vp2intersect": "avx512_vp2intersect",
    "avx512vpopcntdq": "avx512_vpopcntdq",
    "avxvnni": "avx_vnni",
    "cmpxchg16b": "cx16",
    "lahfsahf": "lahf_lm",
    "lzcnt": "abm",
    "prfchw": "3dnowprefetch",
    "sha": "sha_ni",
    "sse3": "pni",
}
# Names without a kernel flag of their own: part of every processor that runs the build at all, or
# a group whose members are listed one by one.
_UNLISTED: Final = frozenset({"x87", "avx10.1", "avx10.2", "apxf", "kl", "widekl"})


class NativeExtensionError(ImportError):
    """The compiled extension cannot be loaded; the message says why and what to do."""


class NativeMissingError(NativeExtensionError, ModuleNotFoundError):
    """The extension has not been built."""


class NativeUnrecordedError(NativeExtensionError):
    """The extension has no build record, or the record is of another file."""


class NativeStaleError(NativeExtensionError):
    """The extension was built from sources other than those beside it."""


class NativeCpuError(NativeExtensionError):
    """The extension was built for another kind of processor."""


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """What the build says about the extension it left in the package."""

    extension: str
    """File name of the extension, within the package."""
    extension_sha256: str
    """SHA-256 of the extension file, hexadecimal."""
    source_sha256: str
    """`source_digest` of the Rust sources before the build began, hexadecimal."""
    machine: str
    """`platform.machine()` of the building machine, such as `x86_64`."""
    target_features: tuple[str, ...]
    """Processor features that the compiler was allowed to use, by the compiler's names, sorted."""

    def to_json(self) -> str:
        """Return the record as the text of its file."""
        return (
            json.dumps(
                {
                    "extension": self.extension,
                    "extension_sha256": self.extension_sha256,
                    "machine": self.machine,
                    "source_sha256": self.source_sha256,
                    "target_features": list(self.target_features),
                },
                indent=1,
            )
            + "\n"
        )

    @classmethod
    def from_json(cls, text: str) -> BuildRecord:
        """Read a record. Raises `ValueError` where a field is missing or of another type."""
        fields = json.loads(text)
        if not isinstance(fields, dict):
            raise ValueError("the build record is not a JSON object")
        for name in ("extension", "extension_sha256", "machine", "source_sha256"):
            if not isinstance(fields.get(name), str):
                raise ValueError(f"field {name!r} of the build record is not a string")
        features = fields.get("target_features")
        if not isinstance(features, list) or not all(isinstance(f, str) for f in features):
            raise ValueError("field 'target_features' of the build record is not a list of strings")
        return cls(
            extension=fields["extension"],
            extension_sha256=fields["extension_sha256"],
            source_sha256=fields["source_sha256"],
            machine=fields["machine"],
            target_features=tuple(features),
        )


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


def find_extension(package: Path) -> Path | None:
    """Return the extension file that an import would load from `package`, or None."""
    for suffix in EXTENSION_SUFFIXES:
        candidate = package / f"_native{suffix}"
        if candidate.is_file():
            return candidate
    return None


def processor_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str] | None:
    """Return the processor's features by the kernel's names; None where no kernel lists them."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return None
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return None


def missing_features(target_features: Iterable[str], flags: frozenset[str]) -> list[str]:
    """Return the compiler's features that are not among the kernel's `flags` (x86), sorted."""
    return sorted(
        name
        for name in target_features
        if name not in _UNLISTED and _KERNEL_NAMES.get(name, name.replace(".", "_")) not in flags
    )


def check_native(
    package: Path = _PACKAGE,
    workspace: Path = _SOURCES,
    *,
    machine: str | None = None,
    flags: frozenset[str] | None = None,
    allow_stale: bool = False,
) -> None:
    """Raise a `NativeExtensionError` unless the extension in `package` may be loaded here.

    `workspace` is the folder of the Rust sources; an installed package has none, and then only
    the processor is compared. `machine` and `flags` default to those of this machine; where no
    kernel lists the flags (macOS, Windows), the architecture alone is compared.
    """
    extension = find_extension(package)
    if extension is None:
        raise NativeMissingError(f"{MODULE} has not been built: {_REMEDY}.", name=MODULE)
    record = _read_record(package)
    if record.extension != extension.name or record.extension_sha256 != file_digest(extension):
        raise NativeUnrecordedError(
            f"{extension.name} is not the file that {RECORD_NAME} describes, so nothing is known "
            f"of the processor it needs: {_REMEDY}.",
            name=MODULE,
        )
    here = platform.machine() if machine is None else machine
    _check_processor(record, here, processor_flags() if flags is None else flags)
    if (
        not allow_stale
        and (workspace / "Cargo.toml").is_file()
        and source_digest(workspace) != record.source_sha256
    ):
        raise NativeStaleError(
            f"{MODULE} was built from other sources than those in {workspace}: {_REMEDY} "
            f"(or set {STALE_VARIABLE}=allow to load it all the same).",
            name=MODULE,
        )


def _read_record(package: Path) -> BuildRecord:
    try:
        return BuildRecord.from_json((package / RECORD_NAME).read_text())
    except FileNotFoundError:
        raise NativeUnrecordedError(
            f"{MODULE} has no build record {RECORD_NAME}, so nothing is known of the processor "
            f"it needs: {_REMEDY}.",
            name=MODULE,
        ) from None
    except ValueError as error:
        raise NativeUnrecordedError(
            f"{RECORD_NAME} cannot be read ({error}): {_REMEDY}.", name=MODULE
        ) from error


def _check_processor(record: BuildRecord, machine: str, flags: frozenset[str] | None) -> None:
    if record.machine != machine:
        raise NativeCpuError(
            f"{MODULE} was built for {record.machine} and this machine is {machine}: {_REMEDY}.",
            name=MODULE,
        )
    if flags is None or machine not in ("x86_64", "AMD64"):
        return
    missing = missing_features(record.target_features, flags)
    if missing:
        raise NativeCpuError(
            f"{MODULE} was built for a processor with {', '.join(missing)}, which this one lacks: "
            f"{_REMEDY}.",
            name=MODULE,
        )


def find_native() -> ModuleSpec | None:
    """What the finder before all others says of the extension: examined, and left to them.

    Raises `NativeExtensionError`.
    """
    check_native(allow_stale=os.environ.get(STALE_VARIABLE) == "allow")
    return None
