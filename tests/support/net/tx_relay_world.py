"""Transaction relay with its requests, a mempool that says what it is told, and peers that act."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from random import Random

from esper.p2p.actions import Ask, Blame, Cancel, Send
from esper.p2p.faults import Fault
from esper.p2p.flow.open_requests import Owner
from esper.p2p.flow.requests import Delivered, Ended, Requests
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.relay.known import prefix_of
from esper.p2p.relay.tx_jobs import Admit, Pooled, SelectNext, Verdict
from esper.p2p.relay.tx_relay import TxAction, TxRelay
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import Txs
from esper.p2p.wire.talk_messages import Announced, GetTxs, HaveTxs, Refuse

Answering = Callable[[GetTxs], Txs | Refuse | None]


def peer(number: int, outbound: bool = False, relays: bool = True) -> Peer:
    """A peer of a number."""
    return Peer(
        PeerNumber(number), b"%38d" % number, outbound, b"g%d" % number, relays_transactions=relays
    )


def transactions(count: int, salt: int = 0, size: int = 200) -> list[bytes]:
    """Different bytes, which no rule looks at here."""
    return [b"%09d%09d" % (salt, number) + bytes(size - 18) for number in range(count)]


def having(data: Iterable[bytes]) -> Answering:
    """A peer that gives what it has of these."""
    held = {prefix_of(one): one for one in data}

    def answer(request: GetTxs) -> Txs:
        return Txs(request.number, tuple(held[one] for one in request.prefixes if one in held))

    return answer


def silent(request: GetTxs) -> None:
    """A peer that never answers."""


@dataclass
class TxWorld:
    """A node's transaction relay among peers."""

    judge: Callable[[bytes], Verdict | Failure] = lambda data: Verdict.ACCEPTED
    """The mempool."""
    latency: int = 50
    """From a question to its answer, ms."""
    judging_ms: int = 1
    """Until a verdict."""
    now: int = 0
    relay: TxRelay = field(default_factory=lambda: TxRelay(Random(1), 0))
    requests: Requests = field(default_factory=Requests)
    answering: dict[PeerNumber, Answering] = field(default_factory=dict)
    asked: list[tuple[int, int, tuple[bytes, ...]]] = field(default_factory=list)
    """When, whom, for what."""
    told: list[tuple[int, int, tuple[bytes, ...]]] = field(default_factory=list)
    """When, whom, of what."""
    blames: list[Blame] = field(default_factory=list)
    pool: dict[bytes, bytes] = field(default_factory=dict)
    judged: list[bytes] = field(default_factory=list)
    selected: tuple[Pooled, ...] = ()
    leave_on_blame: bool = True
    later: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    order: int = 0

    def join(
        self,
        number: int,
        outbound: bool = False,
        answering: Answering = silent,
        relays: bool = True,
    ) -> PeerNumber:
        """Another peer."""
        joined = peer(number, outbound, relays)
        self.answering[joined.number] = answering
        self.act(self.relay.joined(joined, self.now))
        return joined.number

    def leave(self, number: PeerNumber) -> None:
        """A peer goes."""
        if self.answering.pop(number, None) is not None:
            self._outcomes(self.requests.left(number))
            self.act(self.relay.left(number, self.now))

    def have(self, number: PeerNumber, data: Iterable[bytes], size: int | None = None) -> None:
        """A peer announces transactions, in messages as long as may be."""
        announced = [Announced(prefix_of(one), len(one) if size is None else size) for one in data]
        for start in range(0, len(announced), 256):
            if number in self.answering:
                message = HaveTxs(tuple(announced[start : start + 256]))
                self.act(self.relay.have(number, message, self.now))

    def admit(self, data: bytes, sender: bytes = b"s", nonce: int = 0) -> bytes:
        """The mempool takes a transaction from its owner. Its prefix."""
        prefix = prefix_of(data)
        self.pool[prefix] = data
        self.act(self.relay.admitted(prefix, len(data), sender, nonce, False, self.now))
        return prefix

    def act(self, actions: Iterable[TxAction]) -> None:
        """What the service does with actions."""
        for action in actions:
            match action:
                case Ask(to, key, request) if isinstance(request, GetTxs):
                    self.asked.append((self.now, to, request.prefixes))
                    sent = self.requests.ask(to, Owner.TRANSACTIONS, key, request, self.now)
                    assert isinstance(sent, GetTxs)
                    self._after(self.latency, partial(self._answer, to, sent))
                case Send(to, HaveTxs(many)):
                    self.told.append((self.now, to, tuple(one.prefix for one in many)))
                case Admit():
                    self._after(self.judging_ms, partial(self._judge, action))
                case SelectNext(key):
                    self.act(self.relay.done(key, self.selected, self.now))
                case Blame():
                    self.blames.append(action)
                    if self.leave_on_blame:
                        self.leave(action.peer)
                case Send() | Cancel() | Ask():
                    pass

    def run(self, until: int) -> None:
        """Lets time pass until a moment, ms."""
        rounds = 0
        while True:
            times = [
                self.relay.due(),
                self.requests.due(),
                self.later[0][0] if self.later else None,
            ]
            at = min(time for time in times if time is not None)
            if at > until:
                self.now = until
                return
            rounds = rounds + 1 if at <= self.now else 0
            assert rounds < 100_000, "time stands still"
            self.now = max(self.now, at)
            while self.later and self.later[0][0] <= self.now:
                heappop(self.later)[2]()
            self._outcomes(self.requests.on_time(self.now))
            self.act(self.relay.on_time(self.now))

    def _after(self, ms: int, act: Callable[[], None]) -> None:
        self.order += 1
        heappush(self.later, (self.now + ms, self.order, act))

    def _answer(self, number: PeerNumber, request: GetTxs) -> None:
        answering = self.answering.get(number)
        answer = answering(request) if answering is not None else None
        if answer is None:
            return
        try:
            outcomes = self.requests.answer(number, answer, self.now)
        except Fault as fault:
            self.act([Blame(number, fault.offence, fault.reason)])
            return
        self._outcomes(outcomes)

    def _judge(self, job: Admit) -> None:
        self.judged.append(job.data)
        verdict = self.judge(job.data)
        if verdict is Verdict.ACCEPTED:
            self.admit(job.data)
        self.act(self.relay.done(job.key, verdict, self.now))

    def _outcomes(self, outcomes: Iterable[Delivered | Ended | Blame | Send]) -> None:
        for one in outcomes:
            match one:
                case Delivered(number, _, int(key), answer):
                    assert isinstance(answer, Txs | Refuse)
                    self.act(self.relay.answered(number, key, answer, self.now))
                case Ended(number, _, int(key), end):
                    self.act(self.relay.ended(number, key, end, self.now))
                case Blame():
                    self.act([one])
