"""Who gets what of a claim that is settled; see ``market.split`` for the numbers."""

from collections.abc import Sequence
from dataclasses import replace

from esper.market.draws import Draw
from esper.market.parameters import MarketParameters
from esper.market.records.claim import SessionClaim
from esper.market.records.statuses import DrawStatus
from esper.market.split import Split, split
from esper.primitives.ids import Txid
from esper.primitives.units import MAX_AMOUNT
from esper.vm.ledger import Ledger
from esper.vm.market.market_ledger import MarketLedger
from esper.vm.market.records.provider import ProviderTotals


def pay_claim(
    claim: SessionClaim,
    draws: Sequence[Draw],
    statuses: Sequence[DrawStatus],
    rating: int,
    ledger: Ledger,
    params: MarketParameters,
) -> Split:
    """Move the units of a claim out of its session, and count it in its provider's history.

    What the maker would get burns, as long as nobody is said to be one.
    """
    records, session_id = MarketLedger(ledger), Txid(claim.session)
    session = records.find_session(session_id)
    if session is None:
        raise KeyError("a claim is settled whose session is not open")
    counted = [
        (draw, status)
        for draw, status in zip(draws, statuses, strict=True)
        if status != DrawStatus.VOID
    ]
    unanswered = sum(status == DrawStatus.UNANSWERED for _, status in counted)
    parts = split(
        claim.amount,
        session.claim,
        len(counted),
        unanswered,
        params.shares,
        routed=bool(session.router),
        private=session.private,
    )
    paid = session.paid + parts.total - parts.payer
    grown = replace(session, paid=paid, taken=claim.paid_to, turn=claim.turn)
    records.set_session(session_id, grown)
    provider = records.provider(session.provider)
    _give(ledger, provider.owner, parts.provider)
    if session.router:
        _give(ledger, session.router, parts.router)
    burned = parts.burned + parts.maker
    ledger.burned += burned
    totals = counted_claim(provider.totals, claim.amount, burned, len(counted), unanswered, rating)
    records.set_provider(session.provider, replace(provider, totals=totals))
    for draw, status in counted:
        verifier = draw.verifier(status)
        if verifier is not None:
            _audited(records, ledger, verifier.provider, verifier.owner, parts.auditor)
    return parts


def counted_claim(
    totals: ProviderTotals, amount: int, burned: int, draws: int, unanswered: int, rating: int
) -> ProviderTotals:
    """History with one claim more. Nothing is counted as answered where nothing was drawn."""
    lost = amount * unanswered // draws if draws else 0
    return ProviderTotals(
        settled=_added(totals.settled, amount),
        burned=_added(totals.burned, burned),
        answered=_added(totals.answered, amount - lost if draws else 0),
        unanswered=_added(totals.unanswered, lost),
        audited=totals.audited,
        rated=_added(totals.rated, amount * rating),
    )


def _audited(
    records: MarketLedger, ledger: Ledger, address: bytes, owner: bytes, units: int
) -> None:
    _give(ledger, owner, units)
    verifier = records.find_provider(address)
    if verifier is not None:
        totals = replace(verifier.totals, audited=_added(verifier.totals.audited, units))
        records.set_provider(address, replace(verifier, totals=totals))


def _added(total: int, more: int) -> int:
    # A history that has counted all that can exist stays there.
    return min(total + more, MAX_AMOUNT)


def _give(ledger: Ledger, address: bytes, units: int) -> None:
    if units:
        ledger.set_account(address, ledger.account(address).moved(units))
