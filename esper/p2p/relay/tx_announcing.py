"""Who is told of which transactions, and when: the network page, section 7.

Each peer hears of new transactions in batches, after random delays, so that the order in which
nodes speak does not say where a transaction began.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import log
from typing import Final

from esper.p2p.actions import Send
from esper.p2p.flow.budgets import TokenBucket
from esper.p2p.limits import (
    AGAIN_EVERY_MS,
    AGAIN_PART,
    INBOUND_DELAY_MS,
    KNOWN_PREFIXES,
    MOST_ANNOUNCED,
    OUTBOUND_DELAY_MS,
    TX_BURST,
    TX_PER_S,
)
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.ports import Random
from esper.p2p.relay.known import Prefixes
from esper.p2p.relay.tx_jobs import Pooled, SelectNext
from esper.p2p.wire.talk_messages import Announced, HaveTxs

MOST_DELAY: Final = 10
"""An exponential delay is cut off at so many times its mean."""
TOLD_AT_ONCE: Final = TX_BURST // 2
"""A peer keeps no more than ``TX_BURST`` of our announcements and takes ``TX_PER_S``: what comes
faster it would ignore, and not hear of again soon. The other half is what it has not asked yet."""
TOLD_NEXT: Final = 64
"""Behind those, so many are told together."""
SELECT_KEY: Final = "again"


@dataclass(slots=True)
class _Hearer:
    peer: Peer
    budget: TokenBucket
    """What it takes; a call counts twice, as it does there."""
    said: Prefixes = field(default_factory=lambda: Prefixes(KNOWN_PREFIXES))
    """What it told us that it has."""
    told: Prefixes = field(default_factory=lambda: Prefixes(KNOWN_PREFIXES))
    """What it was told, and may ask for."""
    pending: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    """What it will be told, in order of admission."""
    speak_at: int | None = None


class Announcing:
    """What all peers are told."""

    def __init__(self, random: Random, now: int) -> None:
        self.busy = False
        """Nothing is announced while this node catches up."""
        self._random = random
        self._hearers: dict[PeerNumber, _Hearer] = {}
        self._pooled: dict[bytes, Pooled] = {}
        self._untold: OrderedDict[bytes, None] = OrderedDict()
        """What nobody was told of yet: for whoever comes first."""
        self._again_at = now + AGAIN_EVERY_MS

    def joined(self, peer: Peer, now: int) -> None:
        """A peer that hears of transactions: first of all that nobody heard of yet."""
        budget = TokenBucket(TX_PER_S, TOLD_AT_ONCE, now)
        hearer = self._hearers[peer.number] = _Hearer(peer, budget)
        for prefix in self._untold:
            self._will_tell(hearer, prefix, now)

    def left(self, number: PeerNumber) -> None:
        """A peer that hears nothing more."""
        self._hearers.pop(number, None)

    def has(self, prefix: bytes) -> bool:
        """Whether the mempool has it."""
        return prefix in self._pooled

    def said(self, number: PeerNumber, prefix: bytes) -> None:
        """A peer says that it has a transaction: it need not be told."""
        hearer = self._hearers[number]
        hearer.said.add(prefix)
        hearer.pending.pop(prefix, None)

    def admitted(self, pooled: Pooled, now: int) -> None:
        """The mempool took a transaction, or got it back from a block that was undone."""
        self._pooled[pooled.prefix] = pooled
        _put(self._untold, pooled.prefix)
        for hearer in self._hearers.values():
            if pooled.prefix not in hearer.said and pooled.prefix not in hearer.told:
                self._will_tell(hearer, pooled.prefix, now)

    def gone(self, prefix: bytes) -> None:
        """The mempool has it no more."""
        self._pooled.pop(prefix, None)
        self._untold.pop(prefix, None)

    def again(self, selected: Iterable[Pooled], now: int) -> None:
        """Announces a random part of what the next block would take, to everyone.

        So the owner of a transaction that was lost is not the only one who repeats it.
        """
        for pooled in selected:
            if pooled.prefix in self._pooled and self._random.randrange(AGAIN_PART) == 0:
                for hearer in self._hearers.values():
                    self._will_tell(hearer, pooled.prefix, now)

    def was_told(self, number: PeerNumber, prefix: bytes) -> bool:
        """Whether a peer was told of a transaction by us."""
        hearer = self._hearers.get(number)
        return hearer is not None and prefix in hearer.told

    def knows(self, number: PeerNumber, prefix: bytes) -> bool:
        """Whether a peer was told of a transaction, or told us."""
        hearer = self._hearers.get(number)
        return hearer is not None and (prefix in hearer.told or prefix in hearer.said)

    def on_time(self, now: int) -> Iterator[Send | SelectNext]:
        """What is said now."""
        for hearer in self._hearers.values():
            if hearer.speak_at is not None and hearer.speak_at <= now:
                hearer.speak_at = self._delayed(hearer, now) if self.busy else None
                if not self.busy:
                    yield from self._speak(hearer, now)
        if self._again_at <= now:
            self._again_at = now + AGAIN_EVERY_MS
            if self._hearers and not self.busy:
                yield SelectNext(SELECT_KEY)

    def due(self) -> int:
        """When something is to be said at the earliest, ms."""
        times = (one.speak_at for one in self._hearers.values() if one.speak_at is not None)
        return min((self._again_at, *times))

    @property
    def pooled(self) -> int:
        """Transactions of the mempool."""
        return len(self._pooled)

    @property
    def pending(self) -> int:
        """Announcements that wait for their time."""
        return sum(len(one.pending) for one in self._hearers.values())

    @property
    def known(self) -> int:
        """Prefixes remembered for peers."""
        return sum(len(one.said) + len(one.told) for one in self._hearers.values())

    def _will_tell(self, hearer: _Hearer, prefix: bytes, now: int) -> None:
        _put(hearer.pending, prefix)
        if hearer.speak_at is None:
            hearer.speak_at = self._delayed(hearer, now)

    def _delayed(self, hearer: _Hearer, now: int) -> int:
        mean = OUTBOUND_DELAY_MS if hearer.peer.outbound else INBOUND_DELAY_MS
        return now + 1 + min(int(-log(1.0 - self._random.random()) * mean), MOST_DELAY * mean)

    def _speak(self, hearer: _Hearer, now: int) -> Iterator[Send]:
        waiting = lower_nonces_first(
            [self._pooled[prefix] for prefix in hearer.pending if prefix in self._pooled]
        )
        batch: list[Pooled] = []
        for one in waiting[:MOST_ANNOUNCED]:
            if not hearer.budget.take(1 + one.is_call, now):
                break
            batch.append(one)
            hearer.told.add(one.prefix)
            self._untold.pop(one.prefix, None)
        rest = waiting[len(batch) :]
        hearer.pending = OrderedDict.fromkeys(one.prefix for one in rest)
        if rest:
            hearer.speak_at = now + max(1, hearer.budget.wait_ms(min(len(rest), TOLD_NEXT), now))
        if batch:
            announced = tuple(Announced(one.prefix, one.size) for one in batch)
            yield Send(hearer.peer.number, HaveTxs(announced))


def lower_nonces_first(found: list[Pooled]) -> list[Pooled]:
    """In the order given, but each sender's in the order of their nonces."""
    by_sender: defaultdict[bytes, list[Pooled]] = defaultdict(list)
    for one in found:
        by_sender[one.sender].append(one)
    queues = {
        sender: deque(sorted(many, key=lambda one: one.nonce)) for sender, many in by_sender.items()
    }
    return [queues[one.sender].popleft() for one in found]


def _put(held: OrderedDict[bytes, None], prefix: bytes) -> None:
    """Adds one; of more than a peer may be told, the oldest goes."""
    held[prefix] = None
    if len(held) > KNOWN_PREFIXES:
        held.popitem(last=False)
