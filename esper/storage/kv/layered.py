"""A store that is read through another one, which takes all writes: the one below stays as it is.

In the upper store a value has a byte in front of it, and one that was deleted is that byte alone.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from esper.storage.kv.store_port import KeyValueStore, KeyValueView, Write

_GONE: Final = b"\x00"
_HERE: Final = b"\x01"


class LayeredView:
    """What a store would hold after writes that it never sees. One thread writes and reads."""

    def __init__(self, base: KeyValueView, upper: KeyValueStore) -> None:
        """``base`` must stay as it is meanwhile; ``upper`` is empty and nobody else's."""
        self._base = base
        self._upper = upper

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, None if there is none."""
        found = self._upper.get(key)
        if found is None:
            return self._base.get(key)
        return None if found == _GONE else found[1:]

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with ``prefix`` and their values, in ascending order of keys."""
        return iter(self._merged(prefix))

    def items_down(self, prefix: bytes, below: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys less than ``below`` that begin with ``prefix``, in descending order, and values."""
        return (item for item in reversed(self._merged(prefix)) if item[0] < below)

    def write(self, writes: Iterable[Write]) -> None:
        """Put writes into the upper store. Raises WriteFailedError."""
        self._upper.write((key, _GONE if value is None else _HERE + value) for key, value in writes)

    def _merged(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        found = dict(self._base.items(prefix))
        for key, value in self._upper.items(prefix):
            if value == _GONE:
                found.pop(key, None)
            else:
                found[key] = value[1:]
        return sorted(found.items())
