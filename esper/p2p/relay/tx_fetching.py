"""Fetching announced transactions, from one announcer at a time: the network page, sections 5, 7.

A peer that announces and does not give costs each transaction one wait, and soon is not asked any
more. What a peer gives is paid for out of its own budget, so thousands of bad transactions cost no
more than good ones may.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from esper.p2p.actions import Action, Ask, Blame, Brought, End
from esper.p2p.faults import Offence
from esper.p2p.limits import (
    TRANSACTION_BYTES,
    TX_ANSWER_MS,
    TX_NOT_ASKED_MS,
    TX_UNANSWERED,
)
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.relay.known import RefusedPrefixes, is_call, prefix_of
from esper.p2p.relay.tx_jobs import Admit, Verdict
from esper.p2p.relay.tx_turns import Turns
from esper.p2p.relay.wanted import ASK_EVERY_MS, Announcer, Asked, WantedTransactions
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import Txs
from esper.p2p.wire.talk_messages import Announced, GetTxs
from esper.primitives.errors.rule_violation import Consequence

_NEVER_VALID: Final = (Consequence.INVALID, Consequence.WRONG_BYTES)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A transaction that the mempool looks at."""

    giver: Peer
    size: int


class Fetching:
    """What is fetched from whom."""

    def __init__(self, now: int) -> None:
        self._wanted = WantedTransactions()
        self._peers = self._wanted.announcers
        self._turns = Turns(now)
        self._judged: dict[bytes, _Judged] = {}
        self._last_key = 0
        self.refused: Final = RefusedPrefixes()
        """What is not asked for again."""

    def joined(self, peer: Peer, now: int) -> None:
        """A peer that may announce."""
        self._peers[peer.number] = Announcer.of(peer, now)

    def left(self, number: PeerNumber, now: int) -> Iterator[Action]:
        """A peer is gone: what it had is asked of others."""
        announcer = self._peers.get(number)
        if announcer is None:
            return
        for asked in announcer.asked.values():
            self._turns.land(announcer.peer, sum(asked.sizes.values()))
        self._turns.left(announcer)
        self._pass_all_on(announcer, now)
        del self._peers[number]
        yield from self._ask_all(now)

    def have(
        self, number: PeerNumber, announced: tuple[Announced, ...], now: int
    ) -> Iterator[Action]:
        """A peer announces what is not in the mempool."""
        announcer = self._peers[number]
        for one in announced:
            if not 0 < one.size <= TRANSACTION_BYTES:
                reason = f"announced a transaction of {one.size} bytes, at most {TRANSACTION_BYTES}"
                yield Blame(number, Offence.SIZE, reason)
                return
            known = one.prefix in self._judged or self.refused.has(one.prefix, now)
            if not known and now >= announcer.silent_until:
                self._wanted.add(announcer, one.prefix, one.size, now)
        yield from self._ask_all(now)

    def answered(
        self, number: PeerNumber, key: int, answer: Txs, now: int
    ) -> Iterator[Action | Admit]:
        """The transactions that a peer has, in the order asked."""
        announcer = self._peers.get(number)
        asked = announcer.asked.get(key) if announcer is not None else None
        if announcer is None or asked is None:
            return
        rest = iter(tuple(asked.sizes.items()))
        for data in answer.transactions:
            prefix = prefix_of(data)
            size = next((size for other, size in rest if other == prefix), None)
            if size is None:
                yield Blame(number, Offence.UNASKED, "a transaction that was not asked for")
                return
            if size != len(data):
                reason = f"a transaction of {len(data)} bytes was announced with {size}"
                yield Blame(number, Offence.SIZE, reason)
                return
            yield from self._take(announcer, asked, prefix, data, now)

    def ended(self, number: PeerNumber, key: int, end: End, now: int) -> Iterator[Action]:
        """A request ended; what did not come is asked of others."""
        announcer = self._peers.get(number)
        asked = announcer.asked.pop(key, None) if announcer is not None else None
        if announcer is None or asked is None:
            return
        for prefix, size in asked.sizes.items():
            self._land(announcer.peer, size)
            if prefix in self._wanted:
                announcer.gave_not()
                self._wanted.failed(number, prefix, now)
        if announcer.unanswered >= TX_UNANSWERED:
            # One more that it does not give, and it is silenced again.
            announcer.unanswered = TX_UNANSWERED - 1
            announcer.silent_until = now + TX_NOT_ASKED_MS
            self._pass_all_on(announcer, now)
        yield from self._ask_all(now)

    def judged(self, prefix: bytes, verdict: Verdict | Failure, now: int) -> Iterator[Action]:
        """What the mempool said of a transaction."""
        judged = self._judged.pop(prefix)
        self._land(judged.giver, judged.size)
        match verdict:
            case Verdict.ACCEPTED:
                yield Brought(judged.giver.number, None)
            case Verdict.KNOWN:
                # With another signature: neither asked for again nor passed on.
                self.refused.add_until_tip_moves(prefix)
            case Failure(consequence=consequence) if consequence in _NEVER_VALID:
                self.refused.add_invalid(prefix, now)
            case Failure(consequence=consequence) if consequence is not None:
                self.refused.add_until_tip_moves(prefix)
        if isinstance(verdict, Failure) and verdict.offence is not None:
            announcer = self._peers.get(judged.giver.number)
            if announcer is not None:
                announcer.given = 0
            yield Blame(judged.giver.number, verdict.offence, verdict.reason)
        yield from self._ask_all(now)

    def forget(self, prefix: bytes) -> None:
        """The mempool has it."""
        self._wanted.forget(prefix)
        self.refused.forget(prefix)

    def on_time(self, now: int) -> Iterator[Action]:
        """What is asked now."""
        return self._ask_all(now)

    def due(self) -> int | None:
        """When something is to be asked at the earliest, ms."""
        times = (self._turns.due(), *(one.wake for one in self._peers.values()))
        return min((one for one in times if one is not None), default=None)

    @property
    def wanted(self) -> int:
        """Transactions that were announced and are not here."""
        return len(self._wanted)

    @property
    def in_flight(self) -> int:
        """Transactions that were asked for and did not come."""
        return sum(len(asked.sizes) for one in self._peers.values() for asked in one.asked.values())

    @property
    def held_bytes(self) -> int:
        """Bytes of what was asked for or is being admitted."""
        return self._turns.held_bytes

    @property
    def judging_bytes(self) -> int:
        """Bytes of what is being admitted."""
        return sum(one.size for one in self._judged.values())

    @property
    def silent(self) -> int:
        """Peers that were sent to silence since they joined and may still be in it."""
        return sum(one.silent_until > 0 for one in self._peers.values())

    def _take(
        self, announcer: Announcer, asked: Asked, prefix: bytes, data: bytes, now: int
    ) -> Iterator[Admit]:
        size = asked.sizes.pop(prefix)
        announcer.gave()
        if is_call(data):
            announcer.budget.charge(1, now)
        if prefix not in self._wanted:
            # It came another way meanwhile.
            self._land(announcer.peer, size)
            return
        self._wanted.forget(prefix)
        self._judged[prefix] = _Judged(announcer.peer, size)
        yield Admit(prefix, data)

    def _land(self, giver: Peer, size: int) -> None:
        self._turns.land(giver, size)
        announcer = self._peers.get(giver.number)
        if announcer is not None:
            announcer.flying -= 1
            announcer.flying_bytes -= size

    def _pass_all_on(self, announcer: Announcer, now: int) -> None:
        for prefix in tuple(announcer.listed):
            self._wanted.failed(announcer.peer.number, prefix, now)

    def _ask_all(self, now: int) -> Iterator[Action]:
        awake = [one for one in self._peers.values() if one.wake is not None and one.wake <= now]
        for announcer in sorted(awake, key=lambda one: one.asked_at):
            yield from self._ask(announcer, now)
        for announcer in self._turns.come(now):
            yield from self._send(announcer, now)

    def _ask(self, announcer: Announcer, now: int) -> Iterator[Action]:
        announcer.wake = None
        self._wanted.ready(announcer, now)
        self._pass_stale_on(announcer, now)
        if not announcer.queue:
            return
        if now < announcer.asked_at + ASK_EVERY_MS:
            announcer.wake_by(announcer.asked_at + ASK_EVERY_MS)
            return
        if not self._turns.must_wait(announcer, now):
            yield from self._send(announcer, now)

    def _send(self, announcer: Announcer, now: int) -> Iterator[Action]:
        sizes: dict[bytes, int] = {}
        most, left = self._turns.share(announcer, now)
        for prefix in tuple(islice(announcer.queue, most)):
            size = announcer.listed[prefix]
            if size > left or not self._turns.take(announcer, size, now):
                break
            left -= size
            self._wanted.ask(announcer, prefix)
            sizes[prefix] = size
        if announcer.queue:
            announcer.wake_by(now + ASK_EVERY_MS)
        if not sizes:
            return
        self._last_key += 1
        announcer.asked_at = now
        announcer.asked[self._last_key] = Asked(sizes)
        yield Ask(announcer.peer.number, self._last_key, GetTxs(0, tuple(sizes)))

    def _pass_stale_on(self, announcer: Announcer, now: int) -> None:
        for prefix, since in tuple(announcer.queue.items()):
            if now < since + TX_ANSWER_MS:
                return
            self._wanted.pass_on(announcer, prefix, now)
