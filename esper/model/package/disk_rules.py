"""How much of a disk packages may take."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BUDGET_BYTES: Final = 32 << 30
"""What packages may take together where nothing is said."""
RESERVE_BYTES: Final = 4 << 30
"""What stays free on the disk, for the chain, where nothing is said."""


@dataclass(frozen=True, slots=True)
class DiskRules:
    """How much of the disk packages may take."""

    budget: int = BUDGET_BYTES
    """Bytes of all packages together, those on their way counted as if they were whole."""
    reserve: int = RESERVE_BYTES
    """Bytes that stay free."""
    free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
    """Bytes that are free where a folder lies."""
