"""Long work in steps: what each made, with checksums, so that nothing is done twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class KeptSteps:
    """A file that remembers of each step what it was made from and what it made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._known: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError):
            self._known = {}  # everything is done anew

    def is_done(
        self, name: str, sources: Sequence[Path], results: Sequence[Path], settings: str = ""
    ) -> bool:
        """Whether ``results`` are what the step made from just these ``sources``."""
        known = self._known.get(name)
        if not isinstance(known, dict) or not results:
            return False
        try:
            return known == _record(sources, results, settings)
        except OSError:
            return False

    def keep(
        self, name: str, sources: Sequence[Path], results: Sequence[Path], settings: str = ""
    ) -> None:
        """Remember a step that has ended. Raises OSError."""
        self._known[name] = _record(sources, results, settings)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self._known, indent=1) + "\n")
        fresh.replace(self._path)


def _record(sources: Sequence[Path], results: Sequence[Path], settings: str) -> dict[str, Any]:
    return {
        "settings": settings,
        "from": {path.name: _digest(path) for path in sources},
        "made": {path.name: _digest(path) for path in results},
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
