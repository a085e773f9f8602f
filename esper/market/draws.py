"""What is drawn of a claim, by whom it is replayed, and which answered draws are shown.

    stream = XOF(esper/market/draw/v1, beacon || session || u32 slot)
    each draw: x below the claimed amount, then two verifiers
    a verifier: weights below the roster's, at most 8, until one is of another owner

The beacon comes after the Beat, so what is claimed is fixed before it is drawn; and each claim is
drawn by itself, so a provider's own sessions dilute nothing. An amount hits the reply whose cost it
lies in: dear replies are likelier. An empty roster reads no words.

    picks = XOF(esper/market/pick/v1, beacon || session || u32 slot): of the answered draws that are
    left, one at a time

Their beacon comes after the Beat that says which draws were answered.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from esper.market.parameters import MarketParameters
from esper.market.records.claim import SessionClaim
from esper.market.records.statuses import DrawStatus
from esper.market.roster import Roster, RosterPlace, place_at
from esper.primitives.errors.market_errors import ClaimLimitViolation
from esper.primitives.hashing import Xof, make_tag, u32

TAG_DRAW: Final = make_tag("esper/market/draw/v1")
TAG_PICK: Final = make_tag("esper/market/pick/v1")

TRIES: Final = 8
"""Words that are drawn for one verifier before its place stays empty."""
VERIFIERS: Final = 2
"""Of each draw."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One reply that has to be replayed."""

    amount: int
    """x: hits the record with before <= x < spent."""
    verifiers: tuple[RosterPlace | None, ...]
    """VERIFIERS places; None where all tries met owners that may not."""

    def verifier(self, status: DrawStatus) -> RosterPlace | None:
        """Who a status says has answered; None if that is nobody."""
        if status in (DrawStatus.FIRST, DrawStatus.SECOND):
            return self.verifiers[status - DrawStatus.FIRST]
        return None


def draw_count(claim: SessionClaim, params: MarketParameters, *, bonded: bool) -> int:
    """K: how many draws a claim has; ``bonded`` as its provider was when it sent the Beat.

    Without a bond every reply is drawn. Raises ClaimLimitViolation for more replies than that.
    """
    if bonded:
        return min(params.most_draws, -(-claim.replies // params.replies_a_draw))
    if claim.replies > params.most_draws:
        raise ClaimLimitViolation(
            f"{claim.replies} replies, {params.most_draws} at most without a bond"
        )
    return claim.replies


def drawn(
    claim: SessionClaim, slot: int, beacon: bytes, count: int, roster: Roster, owner: bytes
) -> tuple[Draw, ...]:
    """The ``count`` draws of a claim whose amount is at least 1.

    ``beacon``: 64 bytes, of the block so many after its Beat; ``owner``: 33 bytes, of its provider.
    """
    stream = Xof(TAG_DRAW, beacon, claim.session, u32(slot))
    found = []
    for _ in range(count):
        amount = claim.paid_from + stream.below(claim.amount)
        first = _verifier(stream, roster, (owner,))
        taken = (owner,) if first is None else (owner, first.owner)
        found.append(Draw(amount, (first, _verifier(stream, roster, taken))))
    return tuple(found)


def picked(
    session: bytes, slot: int, beacon: bytes, statuses: Sequence[DrawStatus], openings: int
) -> tuple[int, ...]:
    """Which draws are shown, in the order of picking: ``openings`` answered ones, or all of fewer.

    ``slot`` is the claim's; ``beacon``: 64 bytes, of the block so many after the Beat with the
    statuses.
    """
    left = [
        place
        for place, status in enumerate(statuses)
        if status in (DrawStatus.FIRST, DrawStatus.SECOND)
    ]
    stream = Xof(TAG_PICK, beacon, session, u32(slot))
    return tuple(left.pop(stream.below(len(left))) for _ in range(min(openings, len(left))))


def _verifier(stream: Xof, roster: Roster, owners: Collection[bytes]) -> RosterPlace | None:
    if not roster.weight:
        return None
    for _ in range(TRIES):
        place = place_at(roster, stream.below(roster.weight))
        if place.owner not in owners:
            return place
    return None
