"""Whose turn it is when what all peers together may send is short: the network page, section 5."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from esper.p2p.flow.budgets import SharedBucket, SharedRoom
from esper.p2p.limits import (
    KIB,
    MOST_ASKED,
    TRANSACTION_BYTES,
    TRANSACTIONS_BYTES,
    TX_BURST,
    TX_IN_FLIGHT,
    TX_IN_FLIGHT_BYTES,
    TX_IN_FLIGHT_BYTES_IN_ALL,
    TX_PER_S_IN_ALL,
)
from esper.p2p.peer import Peer
from esper.p2p.relay.wanted import ASK_EVERY_MS, Announcer

SHARE: Final = 8
"""Asked of one peer at a time when the budget is short, so that all turns come soon."""
SHARE_BYTES: Final = TRANSACTION_BYTES
"""The same in bytes: one transaction of the largest size."""
MOST_ASKED_BYTES: Final = TRANSACTIONS_BYTES - KIB
"""Asked for at once: with all heads it is a message that may be sent."""


class Turns:
    """The budgets of all, and two lines before them: of outbound and of inbound peers."""

    def __init__(self, now: int) -> None:
        self._budget = SharedBucket(TX_PER_S_IN_ALL, TX_BURST, now)
        self._bytes = SharedRoom(TX_IN_FLIGHT_BYTES_IN_ALL)
        self._lines: dict[bool, OrderedDict[Announcer, None]] = {
            True: OrderedDict(),
            False: OrderedDict(),
        }
        self._wake: int | None = None

    @property
    def held_bytes(self) -> int:
        """Bytes of what was asked for or is being admitted."""
        return self._bytes.held

    def due(self) -> int | None:
        """When the next turn may come, ms."""
        return self._wake

    def must_wait(self, announcer: Announcer, now: int) -> bool:
        """Whether others wait already, or nothing is left: then it stands in line from now on."""
        line = self._lines[announcer.peer.outbound]
        if not line and not self._wait_ms(announcer, now):
            return False
        line.setdefault(announcer)
        return True

    def left(self, announcer: Announcer) -> None:
        """It waits no more."""
        self._lines[announcer.peer.outbound].pop(announcer, None)

    def come(self, now: int) -> Iterator[Announcer]:
        """Those whose turn is now; each takes what it may before the next is looked at."""
        self._wake = None
        for line in self._lines.values():
            while line:
                announcer = next(iter(line))
                wait = self._wait_ms(announcer, now) if announcer.queue else 0
                if wait:
                    self._wake = now + wait if self._wake is None else min(self._wake, now + wait)
                    break
                del line[announcer]
                if announcer.queue:
                    yield announcer

    def share(self, announcer: Announcer, now: int) -> tuple[int, int]:
        """How many it may be asked for at once, and how many bytes."""
        outbound = announcer.peer.outbound
        scarce = (
            self._lines[outbound]
            or self._budget.wait_ms(MOST_ASKED, outbound, now)
            or not self._bytes.has(TX_IN_FLIGHT_BYTES, outbound)
        )
        return (SHARE, SHARE_BYTES) if scarce else (MOST_ASKED, MOST_ASKED_BYTES)

    def take(self, announcer: Announcer, size: int, now: int) -> bool:
        """Whether a transaction may be asked for; then it counts until ``land``."""
        outbound = announcer.peer.outbound
        if announcer.flying >= TX_IN_FLIGHT or announcer.flying_bytes + size > TX_IN_FLIGHT_BYTES:
            return False
        if not self._bytes.has(size, outbound) or self._budget.wait_ms(1, outbound, now):
            return False
        if not announcer.budget.take(1, now):
            return False
        self._budget.take(1, outbound, now)
        self._bytes.take(size, outbound)
        announcer.flying += 1
        announcer.flying_bytes += size
        return True

    def land(self, giver: Peer, size: int) -> None:
        """One that was asked for came to nothing, or was judged."""
        self._bytes.free(size, giver.outbound)

    def _wait_ms(self, announcer: Announcer, now: int) -> int:
        outbound = announcer.peer.outbound
        size = announcer.listed[next(iter(announcer.queue))]
        if not self._bytes.has(size, outbound):
            return ASK_EVERY_MS
        return self._budget.wait_ms(SHARE, outbound, now)
