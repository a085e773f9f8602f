"""Keys of the history index, and what a block adds under them.

"v"                                                    format as u32 || block id of the genesis
"n"                                                    Marker
"u" || height as u32                                   AddedKeys, of the newest blocks
"t" || txid                                            place: height as u32 || index as u32
"e" || address || height as u32 || position as u32     HistoryEvent
"w" || address || what as u8 || height || position     the amount as u64, of what is to be released
"c" || txid of a call                                  place || CallMade
"r" || txid of an open call                            place of its result
"a" || txid of what it is about || height || index     Trace
"o" || txid of a proposal || height || index           RoundOutcome
"p" || txid                                            TakenPenalty

A position counts the events of a block; height and position sort as the events came.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from esper.primitives.codec import encode
from esper.primitives.hashing import u32, u64
from esper.primitives.ids import Txid
from esper.storage.history.history_records import CALL, EVENT, Entry, HistoryEvent, Place, What
from esper.storage.history.traces import TRACE
from esper.vm.governance.proving.taken_penalty import PENALTY
from esper.vm.round_outcome import ROUND

FORMAT_KEY: Final = b"v"
MARKER_KEY: Final = b"n"
PLACE_BYTES: Final = 8
BEHIND_ALL: Final = b"\xff" * (PLACE_BYTES + 1)
"""Behind a prefix, this is greater than all keys that have it."""
RELEASED_LATER: Final = frozenset({What.MINED, What.UNSTAKED})
"""What becomes spendable later, and so is looked up by height alone."""


def undo_key(height: int) -> bytes:
    """Where the undo record of a height stands."""
    return b"u" + u32(height)


def transaction_key(txid: Txid) -> bytes:
    """Where the place of a transaction stands."""
    return b"t" + txid


def call_key(txid: Txid) -> bytes:
    """Where a call stands."""
    return b"c" + txid


def result_key(call_id: Txid) -> bytes:
    """Where the place of the result of a call stands."""
    return b"r" + call_id


def events_prefix(address: bytes) -> bytes:
    """What the keys of an address's events begin with."""
    return b"e" + address


def released_prefix(address: bytes, what: What) -> bytes:
    """What the keys of amounts of one kind that an address gets later begin with."""
    return b"w" + address + bytes([what])


def traces_prefix(about: Txid) -> bytes:
    """What the keys of what was said about a proposal or a report begin with."""
    return b"a" + about


def rounds_prefix(proposal: Txid) -> bytes:
    """What the keys of what rounds of a model came to begin with."""
    return b"o" + proposal


def penalty_key(txid: Txid) -> bytes:
    """Where it stands what the evidence of a transaction took."""
    return b"p" + txid


def place_bytes(place: Place) -> bytes:
    """Eight bytes that sort as the places do."""
    return u32(place.height) + u32(place.index)


def place_from(data: bytes) -> Place:
    """Read eight bytes."""
    return Place(int.from_bytes(data[:4], "big"), int.from_bytes(data[4:], "big"))


def additions(height: int, time_ms: int, entries: Sequence[Entry]) -> Iterator[tuple[bytes, bytes]]:
    """What a block adds. All of its keys are new."""
    position = 0
    for index, entry in enumerate(entries):
        place = place_bytes(Place(height, index))
        if entry.txid:
            yield transaction_key(entry.txid), place
        if entry.call is not None:
            yield call_key(entry.txid), place + encode(CALL, entry.call)
        if entry.answers:
            yield result_key(entry.answers), place
        if entry.trace is not None:
            yield traces_prefix(entry.trace.about) + place, encode(TRACE, entry.trace)
        if entry.outcome is not None:
            yield rounds_prefix(entry.outcome.proposal) + place, encode(ROUND, entry.outcome)
        if entry.penalty is not None:
            yield penalty_key(entry.txid), encode(PENALTY, entry.penalty)
        for happening in entry.happenings:
            at = u32(height) + u32(position)
            address, what = happening.address, happening.what
            event = HistoryEvent(
                height,
                time_ms,
                entry.txid or entry.about,
                what,
                happening.amount,
                happening.fee,
                happening.other,
            )
            yield events_prefix(address) + at, encode(EVENT, event)
            if what in RELEASED_LATER:
                yield released_prefix(address, what) + at, u64(happening.amount)
            position += 1
