"""What a check of a package is told and says: between the node and a process of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from esper.dao.bodies import ModelBody
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters


class CheckFailedError(Exception):
    """A check that this machine could not make: nothing is said of the package."""


class FilesChangedError(CheckFailedError):
    """The files are not those that the package came as: its chunks are to be looked at again."""


@dataclass(frozen=True, slots=True)
class CheckJob:
    """A package to be checked."""

    folder: Path
    """Of its files."""
    names: tuple[str, ...]
    """Of them, by its manifest."""
    body: ModelBody
    """What the proposal says of it, as the state keeps it."""
    params: NetworkParameters
    """In force."""
    extends: ModelEntry | None
    """The tier's own entry that it gives a longer bank to."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was found."""

    refused: bool
    findings: tuple[str, ...]
    """A sentence for each finding that people should read; refusals first."""


class PackageChecker(Protocol):
    """Checks packages beside the event loop."""

    async def check(self, job: CheckJob) -> CheckResult:
        """What is found. Raises CheckFailedError, of it FilesChangedError."""
        ...
