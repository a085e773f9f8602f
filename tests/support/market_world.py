"""A session of the market as its parties see it: records, acks, Beats, a roster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from esper.crypto.signing import KeyPair, key_from_seed
from esper.market.draws import Draw
from esper.market.records.acks import TAG_ACKS
from esper.market.records.beat import BeatPath, beat_tree, claim_index
from esper.market.records.claim import SessionClaim, ToldStatuses
from esper.market.records.opening import DrawOpening, ShownClaim
from esper.market.records.record import Finish, MarketRecord
from esper.market.records.report import ReplayReport
from esper.market.records.request import MarketRequest, request_digest
from esper.market.records.statuses import DrawStatus, statuses_bytes
from esper.market.records.windows import seal
from esper.market.roster import RosterPlace, place_behind
from esper.market.rules.opening_rules import OpenedClaim
from esper.primitives.address import SUITE_ML_DSA_65, Address
from esper.primitives.ids import ModelId
from esper.primitives.merkle import MerkleTree
from esper.primitives.mmr import Mmr, MmrProof, peak_places, sibling_places


def pattern(size: int, start: int) -> bytes:
    """Bytes that count."""
    return bytes((start + at) & 0xFF for at in range(size))


def party(number: int) -> bytes:
    """An address."""
    return bytes((1,)) + pattern(32, 3 * number)


GENESIS = pattern(64, 1)
MODEL = ModelId(pattern(64, 2))
SESSION = pattern(64, 3)
PROVIDER, OWNER = party(20), party(21)
LOAD_ROOT = pattern(64, 9)
KEY = key_from_seed(SUITE_ML_DSA_65, pattern(32, 11))
SIGNER = Address.of_key(SUITE_ML_DSA_65, KEY.public).to_bytes()

PRICE_IN, PRICE_OUT = 200_000, 800_000
COST = 56_000
"""Of a reply of 40 + 60 tokens."""
SLOT = 900
PLACE = 5


@dataclass(frozen=True)
class ListedRoster:
    """A roster whose places lie in a list."""

    places: tuple[RosterPlace, ...] = ()

    @property
    def count(self) -> int:
        return len(self.places)

    @property
    def weight(self) -> int:
        return self.places[-1].cumulative if self.places else 0

    def place(self, index: int) -> RosterPlace:
        return self.places[index]


def roster_of(*parts: tuple[bytes, bytes, int]) -> ListedRoster:
    """Providers with their owners and weights."""
    places: list[RosterPlace] = []
    for provider, owner, weight in parts:
        behind = places[-1].cumulative if places else 0
        places.append(place_behind(behind, provider, owner, weight))
    return ListedRoster(tuple(places))


def record_of(turn: int, slot: int = SLOT) -> MarketRecord:
    """The reply of a turn, each of which costs the same."""
    return MarketRecord(
        genesis_hash=GENESIS,
        provider=PROVIDER,
        model_id=MODEL,
        prompt_root=pattern(64, turn),
        max_tokens=128,
        answer_root=pattern(64, turn + 1),
        request=pattern(64, turn + 2),
        height=216_000 + turn,
        session=SESSION,
        turn=turn,
        slot=slot,
        prompt_tokens=40,
        answer_tokens=60,
        finish=Finish.ENDED,
        seal=seal(salt_of(turn), trace_of(turn)),
        before=COST * turn,
        spent=COST * (turn + 1),
        t0=1_800_000_000_000,
        t1=1_800_000_001_500,
    )


def salt_of(turn: int) -> bytes:
    """The salt of a reply's seal."""
    return pattern(32, 40 + turn)


def trace_of(turn: int) -> bytes:
    """The root of a reply's trace."""
    return pattern(64, 80 + turn)


def grown(digests: Sequence[bytes]) -> tuple[Mmr, dict[tuple[int, int], bytes]]:
    """Acks of so many records, with all their nodes."""
    acked, nodes = Mmr().extended(digests)
    return acked, dict(nodes)


def ack_path(digests: Sequence[bytes], turn: int) -> tuple[bytes, ...]:
    """The way from a record to the acks: siblings, then the other peaks."""
    count = len(digests)
    _, nodes = grown(digests)
    siblings = tuple(nodes[place] for place in sibling_places(turn, count))
    tops = [(level, at) for level, at in peak_places(count) if turn >> level != at]
    return (*siblings, *(nodes[place] for place in tops))


def proof_of(digests: Sequence[bytes], turn: int) -> MmrProof:
    """The same path, as primitives have it."""
    path, siblings = ack_path(digests, turn), len(sibling_places(turn, len(digests)))
    return MmrProof(turn, path[:siblings], path[siblings:])


@dataclass(frozen=True)
class SettledSession:
    """Forty replies in slot 900, claimed at once and replayed as drawn."""

    records: tuple[MarketRecord, ...]
    claim: SessionClaim
    request: MarketRequest
    signature: bytes
    beat: MerkleTree

    @property
    def shown(self) -> ShownClaim:
        return shown(self.claim, SLOT, self.beat)

    @property
    def opened(self) -> OpenedClaim:
        return OpenedClaim(
            GENESIS, self.claim, PROVIDER, MODEL, SLOT, SLOT - 1, PRICE_IN, PRICE_OUT
        )

    @property
    def digests(self) -> list[bytes]:
        return [one.digest for one in self.records]

    def about(self, *statuses: DrawStatus) -> SessionClaim:
        """What a later Beat says of the draws."""
        return replace(
            self.claim,
            first=self.claim.turn,
            paid_from=self.claim.paid_to,
            told=(ToldStatuses(SLOT, statuses_bytes(statuses)),),
        )


def shown(claim: SessionClaim, beat: int, tree: MerkleTree) -> ShownClaim:
    """A claim of the session's place, with its path."""
    return ShownClaim(claim, beat, BeatPath(tree.count, tree.path(claim_index(PLACE))))


def beat_of(claim: SessionClaim, reports: Sequence[bytes] = ()) -> MerkleTree:
    """A Beat with a claim at the session's place."""
    return beat_tree(LOAD_ROOT, {PLACE: claim}, reports)


def settled_session(count: int = 40, slot: int = SLOT, key: KeyPair = KEY) -> SettledSession:
    """See there."""
    records = tuple(record_of(turn, slot) for turn in range(count))
    acks = grown([one.digest for one in records])[0].root(TAG_ACKS)
    claim = SessionClaim(SESSION, 0, count, 0, COST * count, acks)
    request = MarketRequest(GENESIS, SESSION, count, COST * count, acks, bytes(64), 0, 0, 0, 4)
    signature = key.sign(request_digest(request.to_bytes()))
    return SettledSession(records, claim, request, signature, beat_of(claim))


def verifier_beat(verifier: bytes, record: MarketRecord) -> tuple[MerkleTree, int]:
    """A verifier's Beat with its report of a record, and which leaf that is."""
    report = ReplayReport(GENESIS, verifier, record.digest, trace_of(record.turn))
    others = [pattern(64, 200 + at) for at in range(3)]
    return beat_tree(LOAD_ROOT, {}, [*others, report.digest]), 4


def opening_of(
    session: SettledSession, draw: Draw, status: DrawStatus
) -> tuple[DrawOpening, bytes]:
    """What shows an answered draw, and the root of its verifier's Beat."""
    turn = draw.amount // COST
    record, verifier = session.records[turn], draw.verifier(status)
    assert verifier is not None
    tree, index = verifier_beat(verifier.provider, record)
    opening = DrawOpening(
        record,
        ack_path(session.digests, turn),
        salt_of(turn),
        trace_of(turn),
        SLOT + 1,
        index,
        BeatPath(tree.count, tree.path(index)),
    )
    return opening, tree.root
