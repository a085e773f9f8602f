"""A market on a chain of blocks: a provider with a session, two verifiers, slot after slot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha512

import pytest

from esper.crypto.signing import KeyPair, key_from_seed
from esper.dao.benchmarks.answers import SHOWN_ANSWER, ShownAnswer
from esper.market import taken
from esper.market.draws import Draw, drawn, picked
from esper.market.load import LOAD_OPENING, TAG_LOADS, LoadOpening
from esper.market.parameters import REGTEST_MARKET
from esper.market.records.acks import TAG_ACKS
from esper.market.records.beat import BeatPath, beat_tree, claim_index
from esper.market.records.claim import SessionClaim, ToldStatuses
from esper.market.records.offer import MarketOffer, reply_cost
from esper.market.records.opening import DrawOpening, ShownClaim
from esper.market.records.record import Finish, MarketRecord
from esper.market.records.report import ReplayReport
from esper.market.records.request import MarketRequest, request_digest
from esper.market.records.statuses import DrawStatus, statuses_bytes
from esper.market.records.windows import seal
from esper.primitives.codec import encode
from esper.primitives.ids import Txid
from esper.primitives.merkle import MerkleTree
from esper.vm.context import Answer, ExecutionContext
from esper.vm.execute import ExecutedTransactions
from esper.vm.market.beat_transaction import Beat
from esper.vm.market.market_ledger import MarketLedger
from esper.vm.market.market_session import MarketSession, SessionAction
from esper.vm.market.provide import Provide, ProvideAction
from esper.vm.market.records.provider import ProviderRecord
from esper.vm.market.records.session import SessionRecord
from esper.vm.market.settle import Settle
from esper.vm.transaction import Transaction
from tests.support.market_world import ack_path, grown, pattern
from tests.support.vm_world import COIN, GENESIS, MODEL, World, address, funded, make

RULES = REGTEST_MARKET
PROVIDER, OWNER, PAYER, SIGNER, FIRST, SECOND, OTHER = (
    key_from_seed(1, bytes([number]) * 32) for number in range(21, 28)
)
PARTIES = (PROVIDER, FIRST, SECOND)
OFFER = MarketOffer(200_000, 800_000, 60_000, 56_000, 100_000, 12, 0, (), b"/ip4/127.0.0.1")
COST = reply_cost(OFFER.price_in, OFFER.price_out, 40, 60)
"""Of each reply here."""
DEPOSIT = 10 * COIN
LOAD = 6
"""Units: one load answer of the genesis model."""
LOADS = MerkleTree.build(TAG_LOADS, [encode(SHOWN_ANSWER, ShownAnswer((5,), ((),)))])


@contextmanager
def market_taken() -> Iterator[None]:
    """Regtest as a network that takes the market."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taken, "TAKEN_BY", frozenset({"regtest"}))
        yield


def beacon_of(height: int) -> bytes:
    """What stands for a height's randomness."""
    return sha512(b"beacon" + height.to_bytes(4, "big")).digest()


def offering(bond: int = COIN, owner: KeyPair = OWNER, offer: MarketOffer = OFFER) -> Provide:
    """An offer of the genesis model."""
    return Provide(ProvideAction.OFFER, address(owner), MODEL.model_id, offer, bond, b"")


def opening(**changed: object) -> MarketSession:
    """A session of ten slots with the provider."""
    payload = MarketSession(
        SessionAction.OPEN,
        Txid(b""),
        address(PROVIDER),
        OFFER.digest,
        address(SIGNER),
        b"",
        0,
        DEPOSIT,
        10,
        b"",
    )
    return replace(payload, **changed)  # type: ignore[arg-type]


@dataclass
class SentTree:
    """A Beat as its sender keeps it."""

    slot: int
    tree: MerkleTree


@dataclass
class MarketChain(World):
    """Blocks of the market."""

    sent: dict[bytes, list[SentTree]] = field(default_factory=dict)
    """Of each address, the Beats that it sent."""

    def context(self, answers: Sequence[Answer | None] = ()) -> ExecutionContext:
        return replace(super().context(answers), beacon=beacon_of(self.height + 1))

    @property
    def records(self) -> MarketLedger:
        return MarketLedger(self.ledger)

    @property
    def slot(self) -> int:
        """Of the next block."""
        return (self.height + 1) // RULES.slot_blocks

    def provider(self, key: KeyPair = PROVIDER) -> ProviderRecord:
        return self.records.provider(address(key))

    def session(self, session_id: Txid) -> SessionRecord:
        found = self.records.find_session(session_id)
        assert found is not None
        return found

    def to_slot(self, slot: int) -> None:
        """Until the next block is the first one of a slot, or a later one."""
        self.until(slot * RULES.slot_blocks - 1)

    def to_window(self, slot: int) -> None:
        """Until the next block may hold Beats of a slot."""
        self.to_slot(slot)
        self.block()
        while self.records.clock.slot != slot or not self.records.clock.drawn:
            self.block()

    def beat(
        self,
        key: KeyPair,
        slot: int,
        claims: dict[int, SessionClaim] | None = None,
        reports: Sequence[bytes] = (),
    ) -> Transaction:
        """A Beat of somebody for the running window, which opens what the last one answered."""
        tree = beat_tree(LOADS.root, claims or {}, reports)
        before = self.sent.setdefault(address(key), [])
        opened = b""
        if before:
            last = before[-1].tree
            path = BeatPath(last.count, last.path(0))
            shown = LoadOpening(ShownAnswer((5,), ((),)), LOADS.path(0), LOADS.root, path)
            opened = encode(LOAD_OPENING, shown)
        before.append(SentTree(slot, tree))
        beacon = beacon_of(self.records.clock.drawn)[:32]
        amount = sum(one.amount for one in (claims or {}).values())
        payload = Beat(slot, beacon, tree.root, amount, LOAD, opened)
        return make(key, payload, self.account(key).nonce)

    def beats(
        self,
        slot: int,
        claims: dict[int, SessionClaim] | None = None,
        reports: dict[bytes, list[bytes]] | None = None,
        silent: Sequence[KeyPair] = (),
    ) -> ExecutedTransactions:
        """Go to a slot's window; everybody but the silent sends a Beat, the provider's claims."""
        self.to_window(slot)
        sent = [
            self.beat(
                key,
                slot,
                claims if key is PROVIDER else None,
                (reports or {}).get(address(key), ()),
            )
            for key in PARTIES
            if key not in silent
        ]
        return self.block(*sent)

    def shown(self, key: KeyPair, slot: int, claim: SessionClaim, place: int) -> ShownClaim:
        """A claim with its path under somebody's Beat of a slot."""
        tree = next(one.tree for one in self.sent[address(key)] if one.slot == slot)
        return ShownClaim(claim, slot, BeatPath(tree.count, tree.path(claim_index(place))))


def begun(bonds: Sequence[int] = (COIN, COIN, COIN), **session: object) -> tuple[MarketChain, Txid]:
    """Three providers that have sent two Beats each, and a session in slot 2."""
    keys = (*PARTIES, OWNER, PAYER, SIGNER, OTHER)
    world = MarketChain(funded((key, 1000 * COIN) for key in keys))
    owners = (OWNER, FIRST, SECOND)
    offers = [
        make(key, offering(bond, owner), 0)
        for key, bond, owner in zip(PARTIES, bonds, owners, strict=True)
    ]
    world.block(*offers)
    for slot in (1, 2):
        world.beats(slot)
    made = make(PAYER, opening(**session), world.account(PAYER).nonce)
    world.block(made)
    return world, made.txid


@dataclass
class Replies:
    """Replies of a session that its payer acknowledged."""

    session: Txid
    slot: int
    count: int = 4
    start: int = 0
    """Turns before them."""

    @property
    def records(self) -> list[MarketRecord]:
        return [self.record(turn) for turn in range(self.start + self.count)]

    def record(self, turn: int) -> MarketRecord:
        return MarketRecord(
            genesis_hash=GENESIS,
            provider=address(PROVIDER),
            model_id=MODEL.model_id,
            prompt_root=pattern(64, turn),
            max_tokens=128,
            answer_root=pattern(64, turn + 1),
            request=pattern(64, turn + 2),
            height=16,
            session=self.session,
            turn=turn,
            slot=self.slot,
            prompt_tokens=40,
            answer_tokens=60,
            finish=Finish.ENDED,
            seal=seal(pattern(32, turn), pattern(64, 80 + turn)),
            before=COST * turn,
            spent=COST * (turn + 1),
            t0=1,
            t1=2,
        )

    @property
    def acks(self) -> bytes:
        return grown([one.digest for one in self.records])[0].root(TAG_ACKS)

    @property
    def claim(self) -> SessionClaim:
        end = self.start + self.count
        units = COST * self.start, COST * end
        return SessionClaim(self.session, self.start, end, *units, self.acks)

    def request(self, rating: int = 10, expiry: int = 1) -> MarketRequest:
        end = self.start + self.count
        return MarketRequest(
            GENESIS, self.session, end, COST * end, self.acks, bytes(64), 0, 0, expiry, rating
        )

    def draws(self, world: MarketChain) -> tuple[Draw, ...]:
        """What the chain draws of the claim in the provider's Beat of the slot."""
        beat = world.provider().beat(self.slot)
        assert beat is not None
        beacon = beacon_of(beat.height + RULES.draw_blocks)
        roster = world.records.roster(MODEL.model_id, self.slot)
        count = min(RULES.most_draws, -(-self.count // RULES.replies_a_draw))
        if not beat.bonded:
            count = self.count
        return drawn(self.claim, self.slot, beacon, count, roster, address(OWNER))

    def reports(self, draws: Sequence[Draw]) -> dict[bytes, list[bytes]]:
        """What both verifiers of each draw report."""
        found: dict[bytes, list[bytes]] = {}
        for draw in draws:
            for place in draw.verifiers:
                if place is not None:
                    turn = draw.amount // COST
                    report = ReplayReport(
                        GENESIS, place.provider, self.record(turn).digest, pattern(64, 80 + turn)
                    )
                    found.setdefault(place.provider, []).append(report.digest)
        return found

    def told(self, statuses: Sequence[DrawStatus]) -> SessionClaim:
        """A claim of nothing that says what became of the draws."""
        told = (ToldStatuses(self.slot, statuses_bytes(statuses)),)
        end = self.claim.turn, self.claim.paid_to
        return SessionClaim(self.session, end[0], end[0], end[1], end[1], self.acks, told)

    def opened(
        self, world: MarketChain, draw: Draw, status: DrawStatus, reports: dict[bytes, list[bytes]]
    ) -> DrawOpening:
        verifier, turn = draw.verifier(status), draw.amount // COST
        assert verifier is not None
        record = self.record(turn)
        report = ReplayReport(GENESIS, verifier.provider, record.digest, pattern(64, 80 + turn))
        tree = next(one.tree for one in world.sent[verifier.provider] if one.slot == self.slot + 1)
        index = 1 + reports[verifier.provider].index(report.digest)
        digests = [one.digest for one in self.records]
        return DrawOpening(
            record,
            ack_path(digests, turn),
            pattern(32, turn),
            pattern(64, 80 + turn),
            self.slot + 1,
            index,
            BeatPath(tree.count, tree.path(index)),
        )

    def settle(
        self,
        world: MarketChain,
        statuses: Sequence[DrawStatus],
        reports: dict[bytes, list[bytes]],
        draws: Sequence[Draw],
        *,
        last: bool = False,
    ) -> Settle:
        """What settles the claim, statuses having been told three slots behind it."""
        place = world.session(self.session).place
        told_in = world.provider().beat(self.slot + RULES.settle_from)
        assert told_in is not None
        beacon = beacon_of(told_in.height + RULES.draw_blocks)
        picks = picked(self.session, self.slot, beacon, statuses, RULES.openings)
        request = self.request(expiry=0 if last else 1)
        return Settle(
            world.shown(PROVIDER, self.slot, self.claim, place),
            world.shown(PROVIDER, told_in.slot, self.told(statuses), place),
            request,
            SIGNER.public,
            SIGNER.sign(request_digest(request.to_bytes())),
            tuple(self.opened(world, draws[at], statuses[at], reports) for at in picks),
            int(last),
        )


@dataclass
class Ready:
    """A claim that may be settled in the next block."""

    world: MarketChain
    replies: Replies
    draws: tuple[Draw, ...]
    statuses: tuple[DrawStatus, ...]
    reports: dict[bytes, list[bytes]]

    def settle(self, *, last: bool = False) -> Settle:
        return self.replies.settle(self.world, self.statuses, self.reports, self.draws, last=last)


def ready(
    statuses: Sequence[DrawStatus] | None = None,
    count: int = 4,
    bonds: Sequence[int] = (COIN, COIN, COIN),
    **session: object,
) -> Ready:
    """Claimed in slot 3, reported in 4, told in 6, picked: every draw answered by its first."""
    world, session_id = begun(bonds, **session)
    replies = Replies(session_id, 3, count)
    place = world.session(session_id).place
    world.beats(3, {place: replies.claim})
    world.block()
    draws = () if world.session(session_id).private else replies.draws(world)
    reports = replies.reports(draws)
    world.beats(4, reports=reports)
    world.beats(5)
    told = tuple(DrawStatus.FIRST for _ in draws) if statuses is None else tuple(statuses)
    world.beats(6, {place: replies.told(told)})
    world.block()
    return Ready(world, replies, draws, told, reports)
