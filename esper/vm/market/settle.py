"""Settle: a provider is paid for a claim, once it has shown what the beacons drew of it.

The claim stands in a Beat, what became of its draws in a later one, and two of those that were
answered are opened. The whole claim is at stake for them.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from esper.crypto.signatures import MAX_KEY_BYTES, MAX_SIGNATURE_BYTES
from esper.market.draws import Draw, draw_count, drawn, picked
from esper.market.parameters import REPORT_SLOTS, MarketParameters
from esper.market.records.opening import DRAW_OPENING, SHOWN_CLAIM, DrawOpening, ShownClaim
from esper.market.records.request import MARKET_REQUEST, MarketRequest
from esper.market.records.statuses import DrawStatus
from esper.market.rules.claim_rules import (
    Settled,
    check_claim_limit,
    check_claim_order,
    check_claim_paths,
    check_claim_request,
    check_settle_time,
    checked_statuses,
)
from esper.market.rules.opening_rules import OpenedClaim, check_opening
from esper.primitives.codec import Array, Unsigned, VarBytes
from esper.primitives.errors.market_errors import (
    ClaimRequestViolation,
    MarketEncodingViolation,
    OpeningCountViolation,
    PicksViolation,
    ProviderOffViolation,
    ProviderUnknownViolation,
    SettleSessionViolation,
)
from esper.primitives.ids import Txid
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.ledger import Ledger
from esper.vm.market.market_ledger import MarketLedger
from esper.vm.market.market_session import close_session
from esper.vm.market.market_suite import MARKET_SUITE, check_market_suite, market_in_force
from esper.vm.market.records.provider import ProviderRecord, ProviderState, SentBeat
from esper.vm.market.records.session import SessionRecord
from esper.vm.market.settle_payment import pay_claim
from esper.vm.payload import Inclusion, Payload, Schema
from esper.vm.records import KnownKey

MAX_OPENINGS: Final = 2


@dataclass(frozen=True, slots=True)
class Settle(Payload):
    """The payload of settling one claim."""

    shown: ShownClaim
    """The claim, under the Beat that claims."""
    about: ShownClaim
    """The session's claim in the Beat that says what became of the draws."""
    request: MarketRequest
    """In it the payer acknowledges what is claimed."""
    key: bytes
    """The signer's key; empty if the chain knows it."""
    signature: bytes
    """The signer's, of the request."""
    openings: tuple[DrawOpening, ...]
    """One for each pick, in their order."""
    last: int
    """1 closes the session with it, if the payer's request is its last."""

    KIND: ClassVar[int] = 14
    NAME: ClassVar[str] = "settle"
    SCHEMA: ClassVar[Schema] = (
        ("shown", SHOWN_CLAIM),
        ("about", SHOWN_CLAIM),
        ("request", MARKET_REQUEST),
        ("key", VarBytes(MAX_KEY_BYTES)),
        ("signature", VarBytes(MAX_SIGNATURE_BYTES)),
        ("openings", Array(DRAW_OPENING, MAX_OPENINGS)),
        ("last", Unsigned(1)),
    )

    @property
    def session(self) -> Txid:
        """64 bytes: the session that is settled."""
        return Txid(self.shown.claim.session)

    def check_isolated(self) -> None:
        """Raises MarketEncodingViolation for an end that the payer has not signed."""
        if self.last and not self.request.is_last:
            raise MarketEncodingViolation("last, though the payer's request is not its last")

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """Every rule of a claim.

        Raises MarketNotTakenViolation, MarketSuiteViolation, ProviderUnknownViolation,
        ProviderOffViolation, SettleSessionViolation, PicksViolation, OpeningCountViolation or what
        ``market.rules.claim_rules`` and ``market.rules.opening_rules`` raise.
        """
        judged_claim(self, sender, ledger, context)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Pay everyone, and go on behind the claim; or close the session."""
        params = market_in_force(context.genesis)
        records = MarketLedger(ledger)
        found = judged_claim(self, sender, ledger, context, proven=True)
        pay_claim(
            self.shown.claim, found.draws, found.statuses, self.request.rating, ledger, params
        )
        if self.key:
            session = found.session
            ledger.set_known_key(session.signer, KnownKey(MARKET_SUITE, self.key))
        if self.last:
            session = records.find_session(self.session) or found.session
            close_session(self.session, session, records, ledger)
        return NO_EFFECT


@dataclass(frozen=True, slots=True)
class JudgedClaim:
    """A claim whose rules hold."""

    session: SessionRecord
    draws: tuple[Draw, ...]
    statuses: tuple[DrawStatus, ...]


def judged_claim(
    settle: Settle,
    sender: bytes,
    ledger: Ledger,
    context: ExecutionContext,
    *,
    proven: bool = False,
) -> JudgedClaim:
    """The rules, in their order; see ``Settle.check_in_context``.

    ``proven``: the rules were looked at on this very state, and only draws and statuses are wanted.
    """
    params = market_in_force(context.genesis)
    records = MarketLedger(ledger)
    if not proven:
        check_market_suite("sender", sender)
    provider = records.find_provider(sender)
    if provider is None:
        raise ProviderUnknownViolation(sender)
    if provider.state == ProviderState.EXPELLED:
        raise ProviderOffViolation("it was expelled, and settles nothing any more")
    session = records.find_session(settle.session)
    if session is None or session.provider != sender:
        raise SettleSessionViolation(settle.session)
    if not proven:
        _check_claim(settle, session, provider, ledger, context, params)
    beat, told_in = provider.beat(settle.shown.beat), provider.beat(settle.about.beat)
    if beat is None or told_in is None:
        raise KeyError("a claim whose Beats are not there was let through")
    draws = _draws(settle, session, provider, beat, records, params)
    told = settle.about.claim.told_of(settle.shown.beat)
    statuses = checked_statuses(
        told or b"", draws, lambda address: _sent_second(records, address, settle.shown.beat)
    )
    if not proven:
        _check_openings(
            settle, provider, sender, session, draws, statuses, records, context, params
        )
    return JudgedClaim(session, draws, statuses)


def _check_claim(
    settle: Settle,
    session: SessionRecord,
    provider: ProviderRecord,
    ledger: Ledger,
    context: ExecutionContext,
    params: MarketParameters,
) -> None:
    shown, claim = settle.shown, settle.shown.claim
    check_settle_time(shown.beat, context.height, params)
    first = provider.first_beat_from(shown.beat + params.settle_from)
    check_claim_paths(
        shown,
        settle.about,
        session.place,
        None if first is None else first.slot,
        lambda slot: _root(provider, slot),
    )
    settled = Settled(session.turn, session.taken, session.paid, session.deposit, session.expiry)
    check_claim_order(claim, settled)
    check_claim_request(
        claim,
        settle.request,
        context.genesis_hash,
        session.signer,
        _signer_key(settle, session, ledger),
        settle.signature,
    )
    check_claim_limit(claim, shown.beat, session.claim, settled)


def _signer_key(settle: Settle, session: SessionRecord, ledger: Ledger) -> bytes:
    if settle.key:
        return settle.key
    known = ledger.known_key(session.signer)
    if known is None:
        raise ClaimRequestViolation("the chain does not know the signer's key; it must come along")
    return known.key


def _draws(
    settle: Settle,
    session: SessionRecord,
    provider: ProviderRecord,
    beat: SentBeat,
    records: MarketLedger,
    params: MarketParameters,
) -> tuple[Draw, ...]:
    if session.private:
        return ()
    claim = settle.shown.claim
    count = draw_count(claim, params, bonded=bool(beat.bonded))
    beacon = _beacon(records, beat.height + params.draw_blocks)
    roster = records.roster(provider.model_id, beat.slot)
    return drawn(claim, beat.slot, beacon, count, roster, provider.owner)


def _check_openings(
    settle: Settle,
    provider: ProviderRecord,
    sender: bytes,
    session: SessionRecord,
    draws: tuple[Draw, ...],
    statuses: tuple[DrawStatus, ...],
    records: MarketLedger,
    context: ExecutionContext,
    params: MarketParameters,
) -> None:
    told_in, slot = provider.beat(settle.about.beat), settle.shown.beat
    if told_in is None:
        raise KeyError("a claim whose Beats are not there was let through")
    picked_at = told_in.height + params.draw_blocks
    if context.height < picked_at:
        raise PicksViolation(context.height, picked_at)
    beacon = _beacon(records, picked_at)
    picks = picked(settle.session, slot, beacon, statuses, params.openings)
    if len(settle.openings) != len(picks):
        raise OpeningCountViolation(len(settle.openings), len(picks))
    opened = OpenedClaim(
        context.genesis_hash,
        settle.shown.claim,
        sender,
        provider.model_id,
        slot,
        provider.slot_before(slot),
        session.price_in,
        session.price_out,
    )
    for at, opening in zip(picks, settle.openings, strict=True):
        check_opening(
            opened,
            at,
            draws[at],
            statuses[at],
            opening,
            lambda one, beat: _their(records, one, beat),
        )


def _beacon(records: MarketLedger, height: int) -> bytes:
    beacon = records.beacon(height)
    if beacon is None:
        raise KeyError(f"the state lacks the beacon of height {height}")
    return beacon


def _root(provider: ProviderRecord, slot: int) -> bytes | None:
    beat = provider.beat(slot)
    return None if beat is None else beat.root


def _their(records: MarketLedger, address: bytes, slot: int) -> bytes | None:
    provider = records.find_provider(address)
    return None if provider is None else _root(provider, slot)


def _sent_second(records: MarketLedger, address: bytes, slot: int) -> bool:
    provider = records.find_provider(address)
    return provider is not None and provider.beat(slot + REPORT_SLOTS) is not None
