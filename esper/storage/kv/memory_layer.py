"""A store that is read through writes in memory: the one below stays as it is.

For a few megabytes that nobody keeps; ``layered`` is for more.
"""

from collections.abc import Iterable, Iterator, Mapping

from esper.storage.kv.store_port import KeyValueView, Write


class MemoryLayer:
    """What a store would hold after writes that it never sees. One thread writes."""

    def __init__(self, base: KeyValueView, written: Mapping[bytes, bytes | None] = {}) -> None:
        """``written`` are earlier writes to the same ``base``, which are copied."""
        self._base = base
        self._own = dict(written)

    @property
    def written(self) -> Mapping[bytes, bytes | None]:
        """All that was written, by key; None where it was deleted."""
        return self._own

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, None if there is none."""
        return self._own[key] if key in self._own else self._base.get(key)

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with ``prefix`` and their values, in ascending order of keys."""
        return iter(self._merged(prefix))

    def items_down(self, prefix: bytes, below: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys less than ``below`` that begin with ``prefix``, in descending order, and values."""
        return (item for item in reversed(self._merged(prefix)) if item[0] < below)

    def write(self, writes: Iterable[Write]) -> None:
        """Keep writes."""
        self._own.update(writes)

    def _merged(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        found: dict[bytes, bytes | None] = dict(self._base.items(prefix))
        found |= {key: value for key, value in self._own.items() if key.startswith(prefix)}
        return sorted((key, value) for key, value in found.items() if value is not None)
