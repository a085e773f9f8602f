"""The key-value store in memory, for tests and for measurements without a disk."""

from collections.abc import Iterable, Iterator

from esper.storage.kv.store_port import Write


class MemoryStore:
    """A map behind the port."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, None if there is none."""
        return self._values.get(key)

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with ``prefix`` and their values, as they are now."""
        found = sorted(key for key in self._values if key.startswith(prefix))
        return iter([(key, self._values[key]) for key in found])

    def items_down(self, prefix: bytes, below: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys less than ``below`` that begin with ``prefix``, in descending order, and values."""
        return iter([item for item in reversed(list(self.items(prefix))) if item[0] < below])

    def write(self, writes: Iterable[Write]) -> None:
        """Apply all writes, or none if reading them from the caller raises."""
        for key, value in list(writes):
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value

    def snapshot(self) -> "MemoryStore":
        """A copy."""
        copied = MemoryStore()
        copied._values = dict(self._values)
        return copied

    def check(self) -> None:
        """Nothing is stored that could be damaged."""

    def close(self) -> None:
        """Nothing to give back: the values stay until the object goes."""
