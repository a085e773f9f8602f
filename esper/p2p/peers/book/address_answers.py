"""What get_addrs is answered with: the same for a day to one netgroup of askers.

Fresh random answers would let whoever asks again and again read the whole book, and see from its
changes whom we are connected to.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from esper.p2p.limits import MOST_ADDRESSES
from esper.p2p.peers.book.address_book import AddressBook
from esper.p2p.peers.book.address_table import STALE_MIN
from esper.p2p.peers.netgroup import IP_BYTES, Localities, reaches_told
from esper.p2p.ports import Random
from esper.p2p.wire.fields import KnownAddress
from esper.primitives.hashing import u32

CACHE_MS: Final = 24 * 3_600_000
MOST_GROUPS: Final = 256
"""Answers kept; the one that was made first goes."""
PART_TOLD: Final = 4
"""At most one in so many of the book is in one answer, so that no answer is the book."""
LEAST_TOLD: Final = 16
"""But so many always, for small networks."""
_ENDPOINT_BYTES: Final = IP_BYTES + 2
_LINE_BYTES: Final = _ENDPOINT_BYTES + 4


@dataclass(frozen=True, slots=True)
class AnswerStatistics:
    """Answers in numbers."""

    groups: int
    """Netgroups that have one."""
    bytes: int
    """What they take."""


@dataclass(frozen=True, slots=True)
class _Answer:
    made_ms: int
    lines: bytes
    """Endpoint and minute of each address."""


class AddressAnswers:
    """Answers to get_addrs, kept by the asker's netgroup."""

    def __init__(self, book: AddressBook, localities: Localities) -> None:
        self._book = book
        self._localities = localities
        self._answers: OrderedDict[bytes, _Answer] = OrderedDict()

    def answer(
        self, ip: bytes, port: int, now_ms: int, now_min: int, random: Random
    ) -> tuple[KnownAddress, ...]:
        """Addresses for an asker, at most 256: of those told before, the ones still in the book."""
        group = self._localities.group(ip, port)
        kept = self._answers.get(group)
        if kept is None or now_ms - kept.made_ms >= CACHE_MS:
            kept = _Answer(now_ms, self._lines(ip, now_min, random))
            self._answers[group] = kept
            self._answers.move_to_end(group)
            if len(self._answers) > MOST_GROUPS:
                self._answers.popitem(last=False)
        told = reaches_told(ip)
        found = []
        for start in range(0, len(kept.lines), _LINE_BYTES):
            endpoint = kept.lines[start : start + _ENDPOINT_BYTES]
            entry = self._book.find(endpoint)
            if entry is not None and entry.reach in told:
                minute = kept.lines[start + _ENDPOINT_BYTES : start + _LINE_BYTES]
                found.append(
                    KnownAddress(
                        entry.address.ip,
                        entry.address.port,
                        entry.address.peer_id,
                        entry.services,
                        int.from_bytes(minute, "big"),
                    )
                )
        return tuple(found)

    def statistics(self) -> AnswerStatistics:
        """Counts and memory."""
        return AnswerStatistics(
            len(self._answers), sum(len(one.lines) for one in self._answers.values())
        )

    def _lines(self, ip: bytes, now_min: int, random: Random) -> bytes:
        """A random part of what may be told, without what is stale or was dialled in vain."""
        told = reaches_told(ip)
        good = [
            entry
            for entry in self._book.entries()
            if entry.reach in told and entry.seen_min + STALE_MIN >= now_min and entry.failures < 2
        ]
        count = min(MOST_ADDRESSES, len(good), max(LEAST_TOLD, len(good) // PART_TOLD))
        for place in range(count):
            other = place + random.randrange(len(good) - place)
            good[place], good[other] = good[other], good[place]
        return b"".join(one.address.endpoint + u32(one.seen_min) for one in good[:count])
