"""Relay of transactions: the machine of the network page, section 7.

It hears what peers announce and what the mempool takes, and says what to ask, to admit and to
announce. Who is blocks-only neither announces here nor hears anything.
"""

from dataclasses import dataclass

from esper.p2p.actions import Action, Blame, End
from esper.p2p.faults import Offence
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.ports import Random
from esper.p2p.relay.tx_announcing import SELECT_KEY, Announcing
from esper.p2p.relay.tx_fetching import Fetching
from esper.p2p.relay.tx_jobs import Admit, Pooled, SelectNext, Verdict
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import Txs
from esper.p2p.wire.talk_messages import HaveTxs, Refuse

TxAction = Action | Admit | SelectNext


@dataclass(frozen=True, slots=True)
class TxRelayStatistics:
    """What transaction relay holds."""

    peers: int
    """Peers with which transactions are exchanged."""
    pooled: int
    """Transactions of the mempool, by prefix."""
    wanted: int
    """Announced transactions that are not here."""
    in_flight: int
    """Those that were asked for."""
    held_bytes: int
    """Bytes reserved for what was asked for or is being admitted."""
    judging_bytes: int
    """Bytes of what is being admitted."""
    pending: int
    """Announcements that wait for their time."""
    known: int
    """Prefixes that peers said or were told."""
    refused: int
    """Prefixes that are not asked for again."""
    silent: int
    """Peers that were found not to give what they announce."""


class TxRelay:
    """All transactions that come from peers and go to them. Times are steady ms."""

    def __init__(self, random: Random, now: int) -> None:
        """``random`` decides when peers are told."""
        self._peers: dict[PeerNumber, Peer] = {}
        self._announcing = Announcing(random, now)
        self._fetching = Fetching(now)

    @property
    def busy(self) -> bool:
        """Whether this node catches up: then nothing is announced, asked for or repeated."""
        return self._announcing.busy

    @busy.setter
    def busy(self, busy: bool) -> None:
        self._announcing.busy = busy

    def joined(self, peer: Peer, now: int) -> list[TxAction]:
        """A peer shook hands."""
        if peer.relays_transactions:
            self._peers[peer.number] = peer
            self._announcing.joined(peer, now)
            self._fetching.joined(peer, now)
        return []

    def left(self, number: PeerNumber, now: int) -> list[TxAction]:
        """A peer is gone."""
        self._peers.pop(number, None)
        self._announcing.left(number)
        return list(self._fetching.left(number, now))

    def have(self, number: PeerNumber, message: HaveTxs, now: int) -> list[TxAction]:
        """A peer announces transactions."""
        if number not in self._peers:
            return [Blame(number, Offence.ORDER, "announces transactions on a blocks-only link")]
        for one in message.transactions:
            self._announcing.said(number, one.prefix)
        if self.busy:
            return []
        new = tuple(one for one in message.transactions if not self._announcing.has(one.prefix))
        return list(self._fetching.have(number, new, now))

    def answered(
        self, number: PeerNumber, key: int, answer: Txs | Refuse, now: int
    ) -> list[TxAction]:
        """Transactions came that were asked for."""
        if isinstance(answer, Refuse):
            return []
        return list(self._fetching.answered(number, key, answer, now))

    def ended(self, number: PeerNumber, key: int, end: End, now: int) -> list[TxAction]:
        """A request for transactions ended."""
        return list(self._fetching.ended(number, key, end, now))

    def done(
        self, key: object, value: Verdict | Failure | tuple[Pooled, ...], now: int
    ) -> list[TxAction]:
        """A job came back: of ``Admit`` a verdict, of ``SelectNext`` what was selected."""
        if key == SELECT_KEY:
            if isinstance(value, tuple):
                self._announcing.again(value, now)
            return []
        assert isinstance(key, bytes)
        assert isinstance(value, Verdict | Failure)
        if value is Verdict.ACCEPTED and not self._announcing.has(key):
            # The news of it may come later than the verdict: until then nobody is asked again.
            self._fetching.refused.add_until_tip_moves(key)
        return list(self._fetching.judged(key, value, now))

    def admitted(
        self, prefix: bytes, size: int, sender: bytes, nonce: int, is_call: bool, now: int
    ) -> list[TxAction]:
        """The mempool took a transaction from anyone, or got one back from a block undone."""
        self._fetching.forget(prefix)
        self._announcing.admitted(Pooled(prefix, size, sender, nonce, is_call), now)
        return []

    def gone(self, prefix: bytes) -> list[TxAction]:
        """The mempool has a transaction no more, whatever became of it."""
        self._announcing.gone(prefix)
        return []

    def chain_changed(self, now: int) -> list[TxAction]:
        """The executed tip moved: what depended on it may be taken now."""
        self._fetching.refused.tip_moved()
        return []

    def may_serve(self, number: PeerNumber, prefix: bytes) -> bool:
        """Whether a peer was told of a transaction, and so may have it.

        Who was not told could find out by asking what this node has, and since when.
        """
        return self._announcing.was_told(number, prefix)

    def told(self, number: PeerNumber, prefix: bytes) -> bool:
        """Whether a peer has or may have a transaction: it told us or was told."""
        return self._announcing.knows(number, prefix)

    def on_time(self, now: int) -> list[TxAction]:
        """What is to be said and asked now."""
        return [*self._announcing.on_time(now), *self._fetching.on_time(now)]

    def due(self) -> int | None:
        """When ``on_time`` wants to be called at the earliest, ms."""
        asking = self._fetching.due()
        speaking = self._announcing.due()
        return speaking if asking is None else min(asking, speaking)

    def statistics(self) -> TxRelayStatistics:
        """What is held now."""
        return TxRelayStatistics(
            peers=len(self._peers),
            pooled=self._announcing.pooled,
            wanted=self._fetching.wanted,
            in_flight=self._fetching.in_flight,
            held_bytes=self._fetching.held_bytes,
            judging_bytes=self._fetching.judging_bytes,
            pending=self._announcing.pending,
            known=self._announcing.known,
            refused=len(self._fetching.refused),
            silent=self._fetching.silent,
        )
