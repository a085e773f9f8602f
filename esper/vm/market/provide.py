"""Provide: offer a model's answers for money, with or without a bond, or leave.

A provider is an address, whose key a daemon holds; what it earns goes to its owner. Leaving takes
two steps: off at once, and bond and deposit once nothing can be settled or shown any more.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import ClassVar, Final

from esper.dao.registry import Entry
from esper.market.parameters import MarketParameters
from esper.market.records.offer import MARKET_OFFER, MarketOffer
from esper.market.slots import slot_of
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import FixedBytes, Unsigned, VarBytes
from esper.primitives.errors.market_errors import (
    MarketBondViolation,
    MarketEncodingViolation,
    MarketModelViolation,
    ProviderBusyViolation,
    ProviderDepositViolation,
    ProviderOffViolation,
    ProviderOwnerViolation,
    ProviderUnknownViolation,
)
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import ModelId
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.ledger import Ledger
from esper.vm.market.market_ledger import MarketLedger
from esper.vm.market.market_suite import check_market_suite, market_in_force
from esper.vm.market.records.provider import ProviderRecord, ProviderState, ProviderTotals
from esper.vm.market.records.rosters import MarketModel
from esper.vm.payload import Inclusion, Payload, Schema
from esper.vm.receivers import check_receiver

MAX_EXTRA: Final = 49152
NO_OFFER: Final = MarketOffer(0, 0, 0, 0, 0, 0, 0, (), b"")
NOBODY: Final = bytes(ADDRESS_BYTES)
NO_MODEL: Final = ModelId(bytes(HASH_BYTES))


class ProvideAction(IntEnum):
    """What a provider says."""

    OFFER = 0
    LEAVE = 1


@dataclass(frozen=True, slots=True)
class Provide(Payload):
    """The payload of an offer, or of leaving: then all but the action is zeros and empty."""

    action: int
    """See ``ProvideAction``."""
    owner: bytes
    """33 bytes: who earns, fixed by the first offer."""
    model_id: ModelId
    """64 bytes: what it serves, fixed by the first offer."""
    offer: MarketOffer
    bond: int
    """Units added to the bond."""
    extra: bytes
    """Empty: its place is kept."""

    KIND: ClassVar[int] = 12
    NAME: ClassVar[str] = "provide"
    SCHEMA: ClassVar[Schema] = (
        ("action", Unsigned(2)),
        ("owner", FixedBytes(ADDRESS_BYTES)),
        ("model_id", FixedBytes(HASH_BYTES)),
        ("offer", MARKET_OFFER),
        ("bond", Unsigned(63)),
        ("extra", VarBytes(MAX_EXTRA)),
    )

    @property
    def outlay(self) -> int:
        """The bond. The deposit depends on the network: ``check_in_context`` asks for it."""
        return self.bond

    @classmethod
    def leaving(cls) -> "Provide":
        """The payload of leaving."""
        return cls(ProvideAction.LEAVE, NOBODY, NO_MODEL, NO_OFFER, 0, b"")

    def check_isolated(self) -> None:
        """Raises MarketEncodingViolation, or ReceiverViolation for an owner that is no address."""
        if self.action not in tuple(ProvideAction):
            raise MarketEncodingViolation(f"action {self.action}, must be 0 or 1")
        if self.extra:
            raise MarketEncodingViolation(f"extra of {len(self.extra)} bytes, must be empty")
        if self.action == ProvideAction.LEAVE:
            if self != Provide.leaving():
                raise MarketEncodingViolation("leaving has no owner, model, offer or bond")
        else:
            check_receiver(self.owner)

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """The offer is new or goes with the first one; or it may leave now.

        Raises MarketNotTakenViolation, MarketSuiteViolation, ProviderOffViolation,
        MarketModelViolation, ProviderOwnerViolation, ProviderDepositViolation,
        MarketBondViolation, ProviderUnknownViolation or ProviderBusyViolation.
        """
        params = market_in_force(context.genesis)
        check_market_suite("sender", sender)
        found = MarketLedger(ledger).find_provider(sender)
        if self.action == ProvideAction.LEAVE:
            _check_leaving(sender, found, slot_of(context.height, params), params)
        elif found is None:
            self._check_first(sender, ledger, context, params)
        else:
            self._check_again(found, params)

    def _check_first(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, params: MarketParameters
    ) -> None:
        _offered(self.model_id, context)
        _check_bond(self.bond, params)
        # The fee was looked at with the outlay; what is left has to hold the deposit too.
        needed = self.bond + params.deposit
        balance = ledger.account(sender).balance
        if balance < needed:
            raise ProviderDepositViolation(balance, needed)

    def _check_again(self, found: ProviderRecord, params: MarketParameters) -> None:
        if found.off:
            raise ProviderOffViolation("it leaves or was expelled, and offers nothing any more")
        if self.model_id != found.model_id:
            raise MarketModelViolation(self.model_id, "the provider serves another one for good")
        if self.owner != found.owner:
            raise ProviderOwnerViolation(self.owner, found.owner)
        _check_bond(found.bond + self.bond, params)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Take the offer, hold bond and deposit; or go off; or pay both to the owner."""
        params = market_in_force(context.genesis)
        records, slot = MarketLedger(ledger), slot_of(context.height, params)
        found = records.find_provider(sender)
        if self.action == ProvideAction.LEAVE:
            if found is None:
                raise KeyError("a provider that leaves is one, as the rules say")
            _leave(sender, found, slot, records, ledger)
        elif found is None:
            self._begin(sender, slot, ledger, context, params)
        else:
            ledger.set_account(sender, ledger.account(sender).moved(-self.bond))
            grown = replace(found, offer=self.offer, bond=found.bond + self.bond)
            records.set_provider(sender, grown)
        return NO_EFFECT

    def _begin(
        self,
        sender: bytes,
        slot: int,
        ledger: Ledger,
        context: ExecutionContext,
        params: MarketParameters,
    ) -> None:
        entry = _offered(self.model_id, context)
        balance = ledger.account(sender).balance
        if balance < self.bond + params.deposit:
            # The fee is gone by now.
            raise ProviderDepositViolation(balance, self.bond + params.deposit)
        ledger.set_account(sender, ledger.account(sender).moved(-self.bond - params.deposit))
        records = MarketLedger(ledger)
        served = records.find_model(self.model_id)
        if served is None:
            served = MarketModel(entry.model, entry.puzzle, 0, ())
        records.set_model(replace(served, providers=served.providers + 1))
        records.set_provider(
            sender,
            ProviderRecord(
                owner=self.owner,
                model_id=self.model_id,
                state=ProviderState.STARTED,
                offer=self.offer,
                bond=self.bond,
                deposit=params.deposit,
                open=0,
                since=slot,
                left=0,
                slots=0,
                beats=(),
                totals=ProviderTotals(),
                fault=b"",
            ),
        )


def _offered(model_id: ModelId, context: ExecutionContext) -> Entry:
    entries = (*context.entries, *context.previous)
    found = next((one for one in entries if one.model.model_id == model_id), None)
    if found is None:
        raise MarketModelViolation(model_id, "no tier has it or had it last")
    return found


def _check_bond(bond: int, params: MarketParameters) -> None:
    if bond and bond < params.bond:
        raise MarketBondViolation(bond, params.bond)


def _check_leaving(
    sender: bytes, found: ProviderRecord | None, slot: int, params: MarketParameters
) -> None:
    if found is None:
        raise ProviderUnknownViolation(sender)
    if not found.off:
        return
    if slot < found.left + params.leave_after:
        raise ProviderBusyViolation(
            f"it left in slot {found.left}, which lets it go from slot "
            f"{found.left + params.leave_after} on"
        )
    if found.open:
        raise ProviderBusyViolation(f"{found.open} of its sessions are open")


def _leave(
    sender: bytes, found: ProviderRecord, slot: int, records: MarketLedger, ledger: Ledger
) -> None:
    if not found.off:
        records.set_provider(sender, replace(found, state=ProviderState.OFF, left=slot))
        return
    records.set_provider(sender, None)
    owner = ledger.account(found.owner)
    ledger.set_account(found.owner, owner.moved(found.bond + found.deposit))
    served = records.model(found.model_id)
    records.set_model(replace(served, providers=served.providers - 1))
