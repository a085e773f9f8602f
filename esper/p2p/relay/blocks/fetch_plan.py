"""Whom to ask for which block, and when: the network page, section 6, steps 2 and 3.

Outbound peers come first, and have slots and budgets that nobody else can take. Among the others
whoever waits longest has its turn, so that no number of announcements keeps one peer waiting.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from esper.p2p.flow.budgets import SharedBucket
from esper.p2p.limits import (
    ANOTHER_FETCH_MS,
    FETCHES_INBOUND,
    FETCHES_OF_A_WORK,
    FETCHES_OUTBOUND,
    PROOFS_PER_S_IN_ALL,
    PUSHES,
    WAIT_FOR_OUTBOUND_MS,
)
from esper.p2p.peer import PeerNumber
from esper.p2p.relay.blocks.announces import RelayPeer
from esper.p2p.relay.blocks.delivery import Delivery, Slot
from esper.p2p.relay.blocks.works import Candidate, Work, Works

MOST = {
    Slot.INBOUND: FETCHES_INBOUND,
    Slot.OUTBOUND: FETCHES_OUTBOUND,
    Slot.PUSH: PUSHES,
}
"""Deliveries at once, by slot."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Ask this peer for that id."""

    asked: RelayPeer
    """Whom."""
    candidate: Candidate
    """What."""


class FetchPlan:
    """Chooses; changes nothing but budgets."""

    def __init__(
        self, peers: Mapping[PeerNumber, RelayPeer], deliveries: Mapping[int, Delivery]
    ) -> None:
        """Both are the machine's own, and looked at whenever it asks."""
        self._peers = peers
        self._deliveries = deliveries
        self._proofs: SharedBucket | None = None
        self.due: int | None = None
        """When a choice may come that only waits for time; of the last ``ordered``."""

    def ordered(self, works: Works, now: int) -> list[Work]:
        """The works of which one more fetch may start now, by whose turn it is."""
        self.due = None
        found = [(work, choice) for work in works if (choice := self.choice(work, now))]
        found.sort(key=lambda pair: (not pair[1].asked.peer.outbound, pair[1].asked.turn))
        return [work for work, _ in found]

    def choice(self, work: Work, now: int) -> Choice | None:
        """Who is asked for a work now, if anybody."""
        if not self._may_start(work, now):
            return None
        inbound: list[Choice] = []
        for candidate in work.candidates.values():
            for number in candidate.announcers:
                asked = self._peers[number]
                if asked.fetching is not None:
                    continue
                if not asked.peer.outbound:
                    inbound.append(Choice(asked, candidate))
                elif self._has_means(asked, now):
                    return Choice(asked, candidate)
        if inbound and any(one.peer.outbound for one in self._peers.values()):
            until = work.first_ms + WAIT_FOR_OUTBOUND_MS
            if now < until:
                self._wait(until)
                return None
        return next((one for one in inbound if self._has_means(one.asked, now)), None)

    def has_slot(self, slot: Slot) -> bool:
        """Whether one more delivery of its kind may begin."""
        return sum(one.slot is slot for one in self._deliveries.values()) < MOST[slot]

    def pay(self, asked: RelayPeer, now: int) -> bool:
        """Takes the proof that comes from both budgets; False: there is none left."""
        shared = self._shared(now)
        if asked.proofs.wait_ms(1, now) or not shared.take(1, asked.peer.outbound, now):
            return False
        return asked.proofs.take(1, now)

    def _may_start(self, work: Work, now: int) -> bool:
        if work.judging is not None or work.held is not None:
            return False
        under_way = [self._deliveries[serial] for serial in work.deliveries]
        fetches = [one for one in under_way if not one.is_push]
        if len(fetches) >= FETCHES_OF_A_WORK:
            return False
        start = now
        if fetches:
            start = max(one.started_ms for one in fetches) + ANOTHER_FETCH_MS
        elif under_way:
            # Counted from the first: a second push does not prolong the wait.
            start = min(one.wait_for_push_until_ms for one in under_way)
        if start > now:
            self._wait(start)
        return start <= now

    def _has_means(self, asked: RelayPeer, now: int) -> bool:
        slot = Slot.OUTBOUND if asked.peer.outbound else Slot.INBOUND
        if not self.has_slot(slot):
            return False
        wait = max(
            asked.proofs.wait_ms(1, now), self._shared(now).wait_ms(1, asked.peer.outbound, now)
        )
        if wait:
            self._wait(now + wait)
        return not wait

    def _shared(self, now: int) -> SharedBucket:
        if self._proofs is None:
            self._proofs = SharedBucket(PROOFS_PER_S_IN_ALL, PROOFS_PER_S_IN_ALL, now)
        return self._proofs

    def _wait(self, until: int) -> None:
        self.due = until if self.due is None else min(self.due, until)
