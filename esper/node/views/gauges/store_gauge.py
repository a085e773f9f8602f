"""How much a data directory holds, and whether it has room: looked at in a thread, now and then."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import trio

from esper.node.clock import Clock
from esper.storage.errors import DiskReserveError
from esper.storage.store_options import StoreOptions

KEPT_MS: Final = 60_000
"""A directory has thousands of files: it is not gone through for every scrape."""
OTHER: Final = "other"
"""Files of the directory itself."""


class StoreGauge:
    """The data directory of a node."""

    def __init__(self, datadir: Path, options: StoreOptions, steady: Clock) -> None:
        self._datadir = datadir
        self._options = options
        self._steady = steady
        self._looking = trio.Lock()
        self._seen: tuple[int, Mapping[str, int]] | None = None

    async def bytes_by_part(self) -> Mapping[str, int]:
        """Bytes of each folder, as of the last minute."""
        async with self._looking:
            now = self._steady()
            if self._seen is None or now - self._seen[0] >= KEPT_MS:
                self._seen = now, await trio.to_thread.run_sync(_sizes, self._datadir)
            return self._seen[1]

    async def trouble(self) -> str:
        """What keeps the node from writing blocks, a sentence; else empty."""
        try:
            await trio.to_thread.run_sync(self._options.check_reserve, self._datadir)
        except (DiskReserveError, OSError) as error:
            return str(error)
        return ""


def _sizes(datadir: Path) -> dict[str, int]:
    """By the folder below the directory. Files that go away meanwhile count nothing."""
    found: dict[str, int] = {}
    for place, _, files in os.walk(datadir):
        parts = Path(place).relative_to(datadir).parts
        part = parts[0] if parts else OTHER
        found[part] = found.get(part, 0) + sum(_size(Path(place, one)) for one in files)
    return dict(sorted(found.items()))


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
