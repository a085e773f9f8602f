"""Session: a payer's money for one provider, put in, extended, and taken back.

While it is open, its deposit pays for the replies that the payer's signer has acknowledged, and for
nothing else. Prices are copied from the offer. Nothing is stuck: whoever is gone, somebody may
close it after a while.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import ClassVar, Final

from esper.market.parameters import MarketParameters
from esper.market.slots import slot_of
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import Unsigned, VarBytes
from esper.primitives.errors.market_errors import (
    MarketEncodingViolation,
    OfferChangedViolation,
    ProviderOffViolation,
    ProviderUnknownViolation,
    SessionDepositViolation,
    SessionExpiryViolation,
    SessionLimitViolation,
    SessionOpenViolation,
    SessionPayerViolation,
    SessionUnknownViolation,
)
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid
from esper.primitives.units import MAX_AMOUNT
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.ledger import Ledger
from esper.vm.market.market_ledger import MarketLedger, closed, opened
from esper.vm.market.market_suite import check_market_suite, market_in_force
from esper.vm.market.records.provider import ProviderRecord, ProviderState
from esper.vm.market.records.session import MAX_PLACES, PRIVATE, SessionRecord
from esper.vm.payload import Inclusion, Payload, Schema
from esper.vm.receivers import check_receiver

MAX_EXTRA: Final = 512
ALIVE_SLOTS: Final = 1
"""Slots before the running one in which a Beat or a first offer shows that a provider lives."""


class SessionAction(IntEnum):
    """What is done with a session."""

    OPEN = 0
    EXTEND = 1
    CLOSE = 2


@dataclass(frozen=True, slots=True)
class MarketSession(Payload):
    """The payload. Its txid is the id of the session that it opens."""

    action: int
    """See ``SessionAction``. What an action does not need is zero or empty."""
    id: Txid
    """64 bytes: the session that is extended or closed; empty for opening."""
    provider: bytes
    """33 bytes: for opening."""
    offer: bytes
    """64 bytes, for opening: the digest of the offer that the payer agrees to."""
    signer: bytes
    """33 bytes, for opening: whose requests count."""
    router: bytes
    """33 bytes or none, for opening: who brought it and gets a part."""
    flags: int
    """For opening: ``PRIVATE`` or 0."""
    deposit: int
    """Units put in, the entry with them; or added."""
    expiry: int
    """For opening and extending: slot after which it takes no replies."""
    extra: bytes
    """Empty: its place is kept."""

    KIND: ClassVar[int] = 13
    NAME: ClassVar[str] = "session"
    SCHEMA: ClassVar[Schema] = (
        ("action", Unsigned(2)),
        ("id", VarBytes(HASH_BYTES)),
        ("provider", VarBytes(ADDRESS_BYTES)),
        ("offer", VarBytes(HASH_BYTES)),
        ("signer", VarBytes(ADDRESS_BYTES)),
        ("router", VarBytes(ADDRESS_BYTES)),
        ("flags", Unsigned(8)),
        ("deposit", Unsigned(63)),
        ("expiry", Unsigned(32)),
        ("extra", VarBytes(MAX_EXTRA)),
    )

    @property
    def outlay(self) -> int:
        """The deposit."""
        return self.deposit

    @classmethod
    def extending(cls, session_id: Txid, deposit: int, expiry: int) -> "MarketSession":
        """The payload of extending a session, by its payer."""
        return cls(SessionAction.EXTEND, session_id, b"", b"", b"", b"", 0, deposit, expiry, b"")

    @classmethod
    def closing(cls, session_id: Txid) -> "MarketSession":
        """The payload of closing a session."""
        return cls(SessionAction.CLOSE, session_id, b"", b"", b"", b"", 0, 0, 0, b"")

    def check_isolated(self) -> None:
        """Raises MarketEncodingViolation, MarketSuiteViolation or ReceiverViolation."""
        match self.action:
            case SessionAction.OPEN:
                self._check_opening()
            case SessionAction.EXTEND:
                if self != MarketSession.extending(self.id, self.deposit, self.expiry):
                    raise MarketEncodingViolation("extending has id, deposit and expiry alone")
            case SessionAction.CLOSE:
                if self != MarketSession.closing(self.id):
                    raise MarketEncodingViolation("closing has an id alone")
            case _:
                raise MarketEncodingViolation(f"action {self.action}, must be 0, 1 or 2")
        if self.action != SessionAction.OPEN and len(self.id) != HASH_BYTES:
            raise MarketEncodingViolation(f"id of {len(self.id)} bytes, must be {HASH_BYTES}")

    def _check_opening(self) -> None:
        if self.id or self.extra:
            raise MarketEncodingViolation("opening has no id and no extra")
        if len(self.offer) != HASH_BYTES:
            raise MarketEncodingViolation(f"offer of {len(self.offer)} bytes, must be {HASH_BYTES}")
        if self.flags not in (0, PRIVATE):
            raise MarketEncodingViolation(f"flags {self.flags}, must be 0 or {PRIVATE}")
        check_receiver(self.provider)
        check_receiver(self.signer)
        check_market_suite("provider", self.provider)
        check_market_suite("signer", self.signer)
        if self.router:
            check_receiver(self.router)

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """The provider lives and offers what the payer agreed to; or the session may end.

        Raises MarketNotTakenViolation, MarketSuiteViolation, ProviderUnknownViolation,
        ProviderOffViolation, SessionLimitViolation, OfferChangedViolation,
        SessionDepositViolation, SessionExpiryViolation, SessionUnknownViolation,
        SessionPayerViolation or SessionOpenViolation.
        """
        params = market_in_force(context.genesis)
        check_market_suite("sender", sender)
        records, slot = MarketLedger(ledger), slot_of(context.height, params)
        if self.action == SessionAction.OPEN:
            self._check_open(records, slot, params)
            return
        found = records.find_session(self.id)
        if found is None:
            raise SessionUnknownViolation(self.id)
        provider = records.provider(found.provider)
        if self.action == SessionAction.EXTEND:
            self._check_extend(sender, found, provider, slot, params)
        elif not is_closable(found, provider, slot, params):
            _check_early(sender, found, slot, params)

    def _check_open(self, records: MarketLedger, slot: int, params: MarketParameters) -> None:
        provider = records.find_provider(self.provider)
        if provider is None:
            raise ProviderUnknownViolation(self.provider)
        _check_on(provider)
        if last_sign(provider) + ALIVE_SLOTS < slot:
            raise ProviderOffViolation(
                f"its last Beat stands in slot {last_sign(provider)}, must be in "
                f"{slot - ALIVE_SLOTS} or {slot}"
            )
        if provider.open >= MAX_PLACES:
            raise SessionLimitViolation(MAX_PLACES)
        if self.offer != provider.offer.digest:
            raise OfferChangedViolation(self.offer, provider.offer.digest)
        least = provider.offer.entry + max(provider.offer.least, params.deposit)
        if self.deposit < least:
            raise SessionDepositViolation(self.deposit, least, MAX_AMOUNT)
        _check_expiry(self.expiry, slot, slot, params)

    def _check_extend(
        self,
        sender: bytes,
        found: SessionRecord,
        provider: ProviderRecord,
        slot: int,
        params: MarketParameters,
    ) -> None:
        if sender != found.payer:
            raise SessionPayerViolation(sender, found.payer)
        _check_on(provider)
        most = MAX_AMOUNT - found.deposit
        if self.deposit > most:
            raise SessionDepositViolation(self.deposit, 0, most)
        _check_expiry(self.expiry, found.expiry, slot, params)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Hold the deposit, the entry to the provider's owner; hold more; or give the rest back."""
        params = market_in_force(context.genesis)
        records, slot = MarketLedger(ledger), slot_of(context.height, params)
        ledger.set_account(sender, ledger.account(sender).moved(-self.deposit))
        if self.action == SessionAction.OPEN:
            self._open(sender, inclusion.txid, records, ledger, slot)
            return NO_EFFECT
        found = records.find_session(self.id)
        if found is None:
            raise KeyError("a session that ends is open, as the rules say")
        if self.action == SessionAction.EXTEND:
            grown = replace(found, deposit=found.deposit + self.deposit, expiry=self.expiry)
            records.set_session(self.id, grown)
        elif is_closable(found, records.provider(found.provider), slot, params):
            close_session(self.id, found, records, ledger)
        else:
            early = slot + params.early_close
            records.set_session(self.id, replace(found, expiry=early))
        return NO_EFFECT

    def _open(
        self, sender: bytes, txid: Txid, records: MarketLedger, ledger: Ledger, slot: int
    ) -> None:
        provider = records.provider(self.provider)
        place = opened(records, self.provider, provider)
        offer = provider.offer
        owner = ledger.account(provider.owner)
        ledger.set_account(provider.owner, owner.moved(offer.entry))
        session = SessionRecord(
            payer=sender,
            provider=self.provider,
            signer=self.signer,
            router=self.router,
            place=place,
            flags=self.flags,
            deposit=self.deposit - offer.entry,
            taken=0,
            turn=0,
            paid=0,
            price_in=offer.price_in,
            price_out=offer.price_out,
            claim=offer.claim,
            opened=slot,
            expiry=self.expiry,
        )
        records.set_session(txid, session)


def last_sign(provider: ProviderRecord) -> int:
    """The last slot in which a provider showed that it lives: by a Beat, or its first offer."""
    last = provider.last_beat
    return provider.since if last is None else last.slot


def is_closable(
    session: SessionRecord, provider: ProviderRecord, slot: int, params: MarketParameters
) -> bool:
    """Whether anybody may close a session in this slot: nothing can be settled any more."""
    return (
        slot >= session.expiry + params.close_after
        or provider.state == ProviderState.EXPELLED
        or slot >= last_sign(provider) + params.close_after
    )


def close_session(
    session_id: Txid, session: SessionRecord, records: MarketLedger, ledger: Ledger
) -> None:
    """The rest goes back to the payer, and the place is free."""
    records.set_session(session_id, None)
    payer = ledger.account(session.payer)
    ledger.set_account(session.payer, payer.moved(session.held))
    provider = records.provider(session.provider)
    closed(records, session.provider, provider, session.place)


def _check_on(provider: ProviderRecord) -> None:
    if provider.off:
        raise ProviderOffViolation("it leaves or was expelled, and takes no sessions any more")


def _check_expiry(expiry: int, first: int, slot: int, params: MarketParameters) -> None:
    last = slot + params.longest_session
    if not first <= expiry <= last:
        raise SessionExpiryViolation(expiry, first, last)


def _check_early(
    sender: bytes, session: SessionRecord, slot: int, params: MarketParameters
) -> None:
    if sender != session.payer:
        raise SessionOpenViolation(
            f"only its payer closes it before slot {session.expiry + params.close_after}"
        )
    if session.expiry <= slot + params.early_close:
        raise SessionOpenViolation(
            f"it expires in slot {session.expiry}, which no closing makes earlier"
        )
