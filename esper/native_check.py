"""Chooses and examines the compiled extension before the interpreter loads it.

An extension is built for a kind of processor: loading it on a lesser one would end the process
with an illegal instruction and no message. `make build` leaves one for the processor it runs on, a
wheel carries several, and each build leaves a record (`esper.native_record`). Every import of
`esper._native` passes `usable_extension`, which takes the most demanding file that this processor
can run, or answers in one sentence what is wrong and what to do about it.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Final

from esper.native_record import (
    NATIVE_LEVEL,
    RECORD_NAME,
    BuildRecord,
    Extension,
    file_digest,
    source_digest,
)
from esper.processor import X86, missing_features, processor_flags

MODULE: Final = "esper._native"
STALE_VARIABLE: Final = "ESPER_STALE_NATIVE"
"""Set to `allow` to load an extension older than its source, while the source is being edited."""

_PACKAGE: Final = Path(__file__).resolve().parent
_SOURCES: Final = _PACKAGE.parent / "native" / "stark_verifier"
_FROM_SOURCE: Final = "run `make build` in the repository"
_FROM_WHEEL: Final = "install the wheel of esperchain again"


class NativeExtensionError(ImportError):
    """The compiled extension cannot be loaded; the message says why and what to do."""


class NativeMissingError(NativeExtensionError, ModuleNotFoundError):
    """The extension has not been built, or not been installed."""


class NativeUnrecordedError(NativeExtensionError):
    """The extension has no build record, or the record is of another file."""


class NativeStaleError(NativeExtensionError):
    """The extension was built from sources other than those beside it."""


class NativeCpuError(NativeExtensionError):
    """The extension was built for another kind of processor."""


@dataclass(frozen=True, slots=True)
class Usable:
    """The extension that an import loads."""

    path: Path
    """Its file."""
    extension: Extension
    """What the record says of it."""
    record: BuildRecord
    """The record."""


def usable_extension(
    package: Path = _PACKAGE,
    workspace: Path = _SOURCES,
    *,
    machine: str | None = None,
    flags: frozenset[str] | None = None,
    allow_stale: bool = False,
) -> Usable:
    """Return the extension in `package` that may be loaded here, the fastest if there are several.

    `workspace` is the folder of the Rust sources; an installed package has none, and then only
    the processor is compared. `machine` and `flags` default to those of this machine; where no
    kernel lists the flags (macOS, Windows), the architecture alone is compared and the least
    demanding extension taken. Raises a `NativeExtensionError`.
    """
    is_checkout = (workspace / "Cargo.toml").is_file()
    remedy = _FROM_SOURCE if is_checkout else _FROM_WHEEL
    record = _read_record(package, remedy)
    here = platform.machine() if machine is None else machine
    if record.machine != here:
        raise NativeCpuError(
            f"{MODULE} was built for {record.machine} and this machine is {here}: {remedy}"
            f"{'' if is_checkout else f', one for {here}'}.",
            name=MODULE,
        )
    if here in X86 and flags is None:
        flags = processor_flags()
    chosen = choose(record, flags if here in X86 else None)
    path = package / chosen.file
    if not path.is_file():
        raise NativeMissingError(
            f"{chosen.file} is missing, which {RECORD_NAME} describes: {remedy}.", name=MODULE
        )
    if chosen.sha256 != file_digest(path):
        raise NativeUnrecordedError(
            f"{chosen.file} is not the file that {RECORD_NAME} describes, so nothing is known "
            f"of the processor it needs: {remedy}.",
            name=MODULE,
        )
    if is_checkout and not allow_stale and source_digest(workspace) != record.source_sha256:
        raise NativeStaleError(
            f"{MODULE} was built from other sources than those in {workspace}: {remedy} "
            f"(or set {STALE_VARIABLE}=allow to load it all the same).",
            name=MODULE,
        )
    return Usable(path, chosen, record)


def choose(record: BuildRecord, flags: frozenset[str] | None) -> Extension:
    """Return the first extension all of whose features are among the kernel's `flags`.

    Where nobody lists flags (None) it is the last, which demands the least. Raises
    `NativeCpuError` if this processor can run none of them.
    """
    least = record.extensions[-1]
    if flags is None:
        return least
    for extension in record.extensions:
        if not missing_features(extension.target_features, flags):
            return extension
    missing = ", ".join(missing_features(least.target_features, flags))
    if least.level == NATIVE_LEVEL:
        raise NativeCpuError(
            f"{MODULE} was built for a processor with {missing}, which this one lacks: "
            f"{_FROM_SOURCE}.",
            name=MODULE,
        )
    raise NativeCpuError(
        f"{MODULE} needs at least a processor of {least.level}, and this one lacks {missing}: to "
        f"build it for this one, {_FROM_SOURCE}.",
        name=MODULE,
    )


def _read_record(package: Path, remedy: str) -> BuildRecord:
    try:
        return BuildRecord.from_json((package / RECORD_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if next(package.glob("_native*.so"), None) is None:
            raise NativeMissingError(
                f"{MODULE} has not been built: {_FROM_SOURCE}.", name=MODULE
            ) from None
        raise NativeUnrecordedError(
            f"{MODULE} has no build record {RECORD_NAME}, so nothing is known of the processor "
            f"it needs: {remedy}.",
            name=MODULE,
        ) from None
    except ValueError as error:
        raise NativeUnrecordedError(
            f"{RECORD_NAME} cannot be read ({error}): {remedy}.", name=MODULE
        ) from error


def stale_allowed() -> bool:
    """Whether the environment lets an extension be older than its source."""
    return os.environ.get(STALE_VARIABLE) == "allow"


def find_native() -> ModuleSpec | None:
    """What the finder before all others answers for the extension; raises `NativeExtensionError`.

    The ordinary finders would take whatever file has the usual name.
    """
    return spec_from_file_location(MODULE, usable_extension(allow_stale=stale_allowed()).path)
