"""Reading the history index: where transactions stand, what happened to addresses."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from esper.primitives.codec import Codec, CodecError, decode
from esper.primitives.ids import Txid
from esper.storage.errors import IndexCorruptError, StorageError
from esper.storage.history.history_layout import (
    BEHIND_ALL,
    MARKER_KEY,
    PLACE_BYTES,
    call_key,
    events_prefix,
    penalty_key,
    place_bytes,
    place_from,
    released_prefix,
    result_key,
    rounds_prefix,
    traces_prefix,
    transaction_key,
)
from esper.storage.history.history_records import (
    CALL,
    EVENT,
    MARKER,
    CallPlace,
    HistoryEvent,
    Marker,
    Place,
    What,
    cursor_of,
    position_of,
)
from esper.storage.history.traces import TRACE, Trace
from esper.storage.kv.store_port import KeyValueView
from esper.storage.segments.segment_reader import MAX_RECORD_BYTES
from esper.vm.governance.proving.taken_penalty import PENALTY, TakenPenalty
from esper.vm.round_outcome import ROUND, RoundOutcome

T = TypeVar("T")

ROUNDS_OF_MODEL: Final = 2
"""Before its activation, and behind it."""
DAMAGED_FILE: Final = "damaged"
"""A note in the folder: what is damaged may not show when the folder is opened."""


class HistoryUnusableError(StorageError):
    """The index is damaged, or does not follow from this chain by this program."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"{folder}: {reason}; it is built anew from the blocks at the next block or start"
        )
        self.folder = folder
        """Folder of the index."""
        self.reason = reason
        """What is wrong with it."""


class Damage:
    """Whether anything was found that makes an index unusable, by whoever reads it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.found = False
        """Until the index is opened anew."""

    def note(self) -> None:
        """Remember it, on disk as well: damage that opening does not show would be found again."""
        self.found = True
        with suppress(OSError):
            (self._folder / DAMAGED_FILE).touch()


class HistoryReader:
    """What the index says, read from a store or a snapshot of it."""

    def __init__(self, store: KeyValueView, folder: Path, damage: Damage) -> None:
        """``damage`` is noted for who opened the index."""
        self._view = store
        self.folder = folder
        """Folder of the index."""
        self._damage = damage

    @property
    def was_damaged(self) -> bool:
        """Whether anything was found that makes the index unusable."""
        return self._damage.found

    @property
    def tip(self) -> Marker:
        """Up to where the index has followed. Raises HistoryUnusableError, as all reads do."""
        found = self._get(MARKER_KEY)
        if found is None:
            raise self.unusable("the marker is missing")
        return self._decoded(MARKER, found, "marker")

    def transaction(self, txid: Txid) -> Place | None:
        """Where a transaction stands, None if it is not on the chain. A coinbase has no entry."""
        found = self._get(transaction_key(txid))
        return None if found is None else self._place(found)

    def txids_with(self, prefix: str, limit: int) -> list[Txid]:
        """At most ``limit`` txids of the chain whose hex begins with ``prefix``, in order."""
        whole = transaction_key(Txid(bytes.fromhex(prefix[: len(prefix) & ~1])))
        with self._damage_told():
            txids = (Txid(key[1:]) for key, _ in self._view.items(whole))
            return list(islice((one for one in txids if one.hex().startswith(prefix)), limit))

    def call(self, txid: Txid) -> CallPlace | None:
        """The call with this txid, None if no call of the chain has it."""
        found = self._get(call_key(txid))
        if found is None:
            return None
        place = self._place(found[:PLACE_BYTES])
        made = self._decoded(CALL, found[PLACE_BYTES:], "call")
        result = place_bytes(place) if made.inline else self._get(result_key(txid))
        return CallPlace(made, place, None if result is None else self._place(result))

    def events(
        self, address: bytes, limit: int, before: str | None = None
    ) -> tuple[list[HistoryEvent], str | None]:
        """At most ``limit`` events of a 33-byte address, the newest first, and the next cursor.

        ``before`` is the cursor that the page before came with; the cursor is None on the last
        page. Blocks that come between two pages shift nothing. Raises CursorError and
        HistoryUnusableError.
        """
        prefix = events_prefix(address)
        below = prefix + (BEHIND_ALL if before is None else position_of(before))
        with self._damage_told():
            found = list(islice(self._view.items_down(prefix, below), limit + 1))
        events = [
            replace(self._decoded(EVENT, value, "event"), cursor=cursor_of(key[len(prefix) :]))
            for key, value in found[:limit]
        ]
        if len(found) <= limit or not events:
            return events, None
        return events, events[-1].cursor

    def released_later(self, address: bytes, what: What, above: int) -> list[tuple[int, int]]:
        """Heights above ``above`` and amounts of an address's events of one kind, oldest first.

        ``what`` is one of RELEASED_LATER. Raises HistoryUnusableError.
        """
        prefix = released_prefix(address, what)
        amounts = []
        with self._damage_told():
            for key, value in self._view.items_down(prefix, prefix + BEHIND_ALL):
                height = self._place(key[len(prefix) :]).height
                if height <= above:
                    break
                amounts.append((height, int.from_bytes(value, "big")))
        return amounts[::-1]

    def traces(self, about: Txid, limit: int) -> list[Trace]:
        """The newest ``limit`` things that blocks say about a proposal or a report, oldest first.

        Raises HistoryUnusableError.
        """
        prefix = traces_prefix(about)
        with self._damage_told():
            found = list(islice(self._view.items_down(prefix, prefix + BEHIND_ALL), limit))
        return [self._decoded(TRACE, value, "trace") for _, value in reversed(found)]

    def rounds(self, proposal: Txid) -> list[tuple[int, RoundOutcome]]:
        """Heights and what the rounds of a model came to there, oldest first.

        Raises HistoryUnusableError.
        """
        prefix = rounds_prefix(proposal)
        with self._damage_told():
            found = list(islice(self._view.items(prefix), ROUNDS_OF_MODEL))
        return [
            (self._place(key[len(prefix) :]).height, self._decoded(ROUND, value, "round"))
            for key, value in found
        ]

    def penalty(self, txid: Txid) -> TakenPenalty | None:
        """What the evidence of a transaction took; None for any other. Raises as all reads do."""
        found = self._get(penalty_key(txid))
        return None if found is None else self._decoded(PENALTY, found, "penalty")

    def _get(self, key: bytes) -> bytes | None:
        with self._damage_told():
            return self._view.get(key)

    def _place(self, data: bytes) -> Place:
        if len(data) != PLACE_BYTES:
            raise self.unusable(f"a place has {len(data)} bytes, must have {PLACE_BYTES}")
        return place_from(data)

    def _decoded(self, codec: Codec[T], data: bytes, what: str) -> T:
        try:
            return decode(codec, data, limit=MAX_RECORD_BYTES, what=what)
        except CodecError as error:
            raise self.unusable(str(error)) from error

    @contextmanager
    def _damage_told(self) -> Iterator[None]:
        try:
            yield
        except IndexCorruptError as error:
            raise self.unusable(error.reason) from error

    def unusable(self, reason: str) -> HistoryUnusableError:
        """The error for an index that cannot go on; leaves a note that has it built anew."""
        self._damage.note()
        return HistoryUnusableError(self.folder, reason)
