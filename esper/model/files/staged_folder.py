"""A folder that receives its files at the end, all at once: nothing half-written is left."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from esper.model.errors import UnwritableFileError


class StagedFolder:
    """Files on their way into a folder. Made by :func:`staged_folder`."""

    def __init__(self, target: Path, folder: Path) -> None:
        self.target = target
        """Where they are to be."""
        self.folder = folder
        """Where they are until then: a hidden folder within ``target``."""

    def changed(self) -> Path | None:
        """A file of ``target`` that ``publish`` would change; None if there is none."""
        for file in sorted(self.folder.iterdir()):
            old = self.target / file.name
            if os.path.lexists(old) and not self._holds(file):
                return old
        return None

    def _holds(self, file: Path) -> bool:
        old = self.target / file.name
        return old.is_file() and old.read_bytes() == file.read_bytes()

    def publish(self) -> None:
        """Move the files to where they are to be, but for those that are there already.

        Raises UnwritableFileError.
        """
        for file in sorted(self.folder.iterdir()):
            if self._holds(file):
                continue
            try:
                file.replace(self.target / file.name)
            except OSError as error:
                raise UnwritableFileError(self.target / file.name, error) from error


@contextmanager
def staged_folder(target: Path) -> Iterator[StagedFolder]:
    """Make ``target`` if it is absent, and a place in it for files on their way.

    What is not published is thrown away in the end, with the folders that were made for it.

    Raises UnwritableFileError before any work is done.
    """
    made = [folder for folder in (target, *target.parents) if not folder.exists()]
    try:
        try:
            target.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=".export-", dir=target))
        except OSError as error:
            raise UnwritableFileError(target, error) from error
        try:
            yield StagedFolder(target, staging)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    finally:
        for folder in made:
            _remove_if_empty(folder)


def _remove_if_empty(folder: Path) -> None:
    # Not where it holds what was published, or was never made.
    with suppress(OSError):
        folder.rmdir()
