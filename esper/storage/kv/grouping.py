"""A key-value store whose writes may wait, seen by their writer, until they are applied together.

One thread writes and reads here. Snapshots show what is applied and nothing of what waits.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from esper.storage.kv.store_port import KeyValueStore, KeyValueView, Write

_ABSENT: Final = object()


class GroupingStore:
    """Another store with writes in front of it."""

    def __init__(self, base: KeyValueStore) -> None:
        self._base = base
        self._waiting: dict[bytes, bytes | None] = {}
        self._grouping = False

    def begin(self) -> None:
        """Let all writes wait from now on."""
        self._grouping = True

    def commit(self) -> None:
        """Apply all that waits in one batch, on disk when this returns. Raises WriteFailedError.

        What could not be applied waits no more either.
        """
        self._grouping, waiting, self._waiting = False, self._waiting, {}
        if waiting:
            self._base.write(waiting.items())

    def discard(self) -> None:
        """Forget all that waits."""
        self._grouping, self._waiting = False, {}

    def get(self, key: bytes) -> bytes | None:
        """As the base's, and what waits."""
        if self._waiting:
            found = self._waiting.get(key, _ABSENT)
            if found is not _ABSENT:
                return found  # type: ignore[return-value]
        return self._base.get(key)

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """As the base's, and what waits, of which nothing is seen that comes later."""
        if not self._waiting:
            return self._base.items(prefix)
        return iter(self._merged(prefix))

    def items_down(self, prefix: bytes, below: bytes) -> Iterator[tuple[bytes, bytes]]:
        """As the base's, and what waits, of which nothing is seen that comes later."""
        if not self._waiting:
            return self._base.items_down(prefix, below)
        return (item for item in reversed(self._merged(prefix)) if item[0] < below)

    def write(self, writes: Iterable[Write]) -> None:
        """As the base's, unless writes wait. Raises WriteFailedError."""
        if self._grouping:
            self._waiting.update(writes)
        else:
            self._base.write(writes)

    def snapshot(self) -> KeyValueView:
        """As the base's; what waits is not in it."""
        return self._base.snapshot()

    def check(self) -> None:
        """As the base's."""
        self._base.check()

    def close(self) -> None:
        """Close the base; what waits is lost."""
        self.discard()
        self._base.close()

    def _merged(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        found: dict[bytes, bytes | None] = dict(self._base.items(prefix))
        found.update(item for item in self._waiting.items() if item[0].startswith(prefix))
        return sorted((key, value) for key, value in found.items() if value is not None)
