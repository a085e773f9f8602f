"""What must hold of a claim that is settled, in the order of checking.

1. time                      4. the payer's request
2. under its Beats           5. what the session holds
3. behind what was settled   6. statuses and void draws; openings stand in ``opening_rules``
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from esper.market.draws import Draw
from esper.market.parameters import MarketParameters
from esper.market.records.beat import is_claim
from esper.market.records.claim import SessionClaim
from esper.market.records.opening import ShownClaim
from esper.market.records.request import MarketRequest, requester_of
from esper.market.records.statuses import DrawStatus, read_statuses
from esper.market.slots import is_settle_height, slot_of
from esper.primitives.codec import CodecError
from esper.primitives.errors.market_errors import (
    BeatPathViolation,
    ClaimLimitViolation,
    ClaimOrderViolation,
    ClaimRequestViolation,
    SettleLateViolation,
    StatusesViolation,
    VoidViolation,
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What was settled of a session, and what it holds."""

    turn: int
    """The turn behind the last one that was settled."""
    taken: int
    """Units up to which was settled."""
    paid: int
    """Units that left the deposit."""
    deposit: int
    """Units that were put in."""
    expiry: int
    """Slot after which it ends."""


def check_settle_time(slot: int, height: int, params: MarketParameters) -> None:
    """A claim of ``slot`` may be settled in a block of this height. Raises SettleLateViolation."""
    if not is_settle_height(height, slot, params):
        first, last = slot + params.settle_from, slot + params.settle_until
        raise SettleLateViolation(slot_of(height, params), slot, first, last)


def check_claim_paths(
    shown: ShownClaim,
    about: ShownClaim,
    place: int,
    first_after: int | None,
    root_of: Callable[[int], bytes | None],
) -> None:
    """Both claims are their Beats', at the session's place, and the second is about the first.

    ``first_after`` is the slot of the provider's first Beat in which statuses may stand, None
    without one; ``root_of`` gives the root of its Beat of a slot, None without one. Raises
    BeatPathViolation.
    """
    _check_path("it", shown, place, root_of)
    _check_path("what it says of its draws", about, place, root_of)
    if about.claim.session != shown.claim.session:
        raise BeatPathViolation("the statuses are another session's")
    if about.beat != first_after:
        raise BeatPathViolation("the statuses are not those of the first Beat that may have them")
    if about.claim.told_of(shown.beat) is None:
        raise BeatPathViolation(f"it has no statuses of the claim of slot {shown.beat}")


def check_claim_order(claim: SessionClaim, settled: Settled) -> None:
    """It begins where the last one ended or later, and claims something.

    Raises ClaimOrderViolation. Gaps are the payer's.
    """
    for what, got, least in (
        ("paid_from", claim.paid_from, settled.taken),
        ("first", claim.first, settled.turn),
        ("paid_to", claim.paid_to, claim.paid_from + 1),
        ("turn", claim.turn, claim.first + 1),
    ):
        if got < least:
            raise ClaimOrderViolation(what, got, least)


def check_claim_request(
    claim: SessionClaim,
    request: MarketRequest,
    genesis_hash: bytes,
    signer: bytes,
    key: bytes,
    signature: bytes,
) -> None:
    """The session's signer acknowledged what is claimed. Raises ClaimRequestViolation."""
    if request.genesis_hash != genesis_hash:
        raise ClaimRequestViolation("it is of another network")
    if request.session != claim.session:
        raise ClaimRequestViolation("it is of another session")
    if request.turn != claim.turn:
        raise ClaimRequestViolation(f"it is of turn {request.turn}, not {claim.turn}")
    if request.acks != claim.acks:
        raise ClaimRequestViolation("it acknowledges other replies")
    if request.acked != claim.paid_to:
        raise ClaimRequestViolation(f"it acknowledges {request.acked} units, not {claim.paid_to}")
    if requester_of(request.to_bytes(), key, signature) != signer:
        raise ClaimRequestViolation("the signature is not that of the session's signer")


def check_claim_limit(claim: SessionClaim, slot: int, price: int, settled: Settled) -> None:
    """The session holds what is claimed, and lived when it was. Raises ClaimLimitViolation.

    ``price`` is what the claim costs beside its replies; the Beat of the slot after the session's
    expiry is the last that may claim.
    """
    needed = settled.paid + claim.amount + price
    if needed > settled.deposit:
        raise ClaimLimitViolation(f"{needed} units in all, the session holds {settled.deposit}")
    if slot > settled.expiry + 1:
        raise ClaimLimitViolation(
            f"slot {slot}, must not be after {settled.expiry + 1}: the session ended"
        )


def checked_statuses(
    told: bytes, draws: Sequence[Draw], sent_beat: Callable[[bytes], bool]
) -> tuple[DrawStatus, ...]:
    """What a provider says of its draws, as far as the state can tell.

    ``told`` are the statuses of the claim, see ``SessionClaim.told_of``.
    ``sent_beat`` says whether a verifier sent the second Beat in which reports may stand. Raises
    StatusesViolation for statuses of another number of draws, or a verifier that is not there;
    VoidViolation for a void draw with a verifier that lives.
    """
    try:
        statuses = read_statuses(told, len(draws))
    except CodecError as error:
        raise StatusesViolation(error.what) from error
    for at, (status, draw) in enumerate(zip(statuses, draws, strict=True)):
        if status in (DrawStatus.FIRST, DrawStatus.SECOND) and draw.verifier(status) is None:
            raise StatusesViolation(f"draw {at} has no verifier {int(status)}")
        if status == DrawStatus.VOID and any(
            place is not None and sent_beat(place.provider) for place in draw.verifiers
        ):
            raise VoidViolation(at)
    return statuses


def _check_path(
    what: str, shown: ShownClaim, place: int, root_of: Callable[[int], bytes | None]
) -> None:
    root = root_of(shown.beat)
    if root is None or not is_claim(root, place, shown.claim, shown.path):
        raise BeatPathViolation(f"{what} is not in the Beat of slot {shown.beat}, place {place}")
