"""Reading state and collecting what changes, whatever holds the records."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from esper.primitives.codec import Record, encode


class StateView(Protocol):
    """Records by path: a tree in memory, a store, or another overlay."""

    def get(self, path: bytes) -> bytes | None:
        """The record's bytes at a 32-byte path, None if there is none."""


class Change(NamedTuple):
    """What happens at one place of the state. None stands for no record."""

    path: bytes
    """32 bytes."""
    before: bytes | None
    """The record's bytes until now."""
    after: bytes | None
    """The record's bytes from now on; never equal to ``before``. The two exchanged take the
    change back."""


@dataclass(frozen=True, slots=True)
class Unencoded:
    """A record that was set and whose bytes nobody has asked for yet."""

    codec: Record[Any]
    """Its schema."""
    value: Any
    """What it holds."""

    def to_bytes(self) -> bytes:
        """Its encoding. Raises ValueError for a value outside the schema."""
        return encode(self.codec, self.value)


class Overlay:
    """Writes on top of a view that stays as it is; itself a view.

    A record is read from below at most once, and only if someone asks for it or writes it. One that
    is put unencoded gets its bytes when they are asked for: an account that a block changes a
    hundred times is encoded once.
    """

    __slots__ = ("_before", "_below", "_now")

    def __init__(self, below: StateView) -> None:
        self._below = below
        self._before: dict[bytes, bytes | None] = {}
        self._now: dict[bytes, bytes | Unencoded | None] = {}

    def get(self, path: bytes) -> bytes | None:
        """The bytes last put at a path, or what the view below has there."""
        found = self.peek(path)
        if isinstance(found, Unencoded):
            found = self._now[path] = found.to_bytes()
        return found

    def peek(self, path: bytes) -> bytes | Unencoded | None:
        """What ``get`` gives, as it was put if its bytes were not asked for since."""
        if path not in self._now:
            self._now[path] = self._before[path] = self._below.get(path)
        return self._now[path]

    def put(self, path: bytes, value: bytes | Unencoded | None) -> None:
        """Set the record at a path; None deletes it."""
        if path not in self._before:
            self._before[path] = self._below.get(path)
        self._now[path] = value

    def changes(self) -> tuple[Change, ...]:
        """Every place whose bytes now differ from those below, by ascending path."""
        places = sorted(self._before.items(), key=lambda item: item[0])
        return tuple(
            Change(path, before, after)
            for path, before in places
            if (after := self.get(path)) != before
        )

    def absorb(self, changes: Iterable[Change]) -> None:
        """Write the changes that an overlay on top of this one collected."""
        for change in changes:
            self.put(change.path, change.after)
