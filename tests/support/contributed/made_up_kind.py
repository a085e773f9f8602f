"""A kind of transaction that is on no network: one payload class, and its line in the registry."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from esper.primitives.codec import FixedBytes, Unsigned, VarBytes
from esper.primitives.errors.transaction_errors import AmountViolation, StakeViolation
from esper.vm import kinds, transaction
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.ledger import Ledger
from esper.vm.payload import Inclusion, Output, Payload, Schema
from esper.vm.records import Unbonding

APPLIED: list[Inclusion] = []
"""What ``Pledge.apply`` was given."""


@dataclass(frozen=True, slots=True)
class Pledge(Payload):
    """A gift with a word, and a bond that comes back after the unbonding period."""

    word: bytes
    """At most 8 bytes."""
    receiver: bytes
    """33 bytes: an address."""
    gift: int
    """Units for the receiver, at least 1."""
    bond: int
    """Units that are away for a while."""

    KIND: ClassVar[int] = 200
    NAME: ClassVar[str] = "pledge"
    SCHEMA: ClassVar[Schema] = (
        ("word", VarBytes(8)),
        ("receiver", FixedBytes(33)),
        ("gift", Unsigned(63)),
        ("bond", Unsigned(63)),
    )

    @property
    def outlay(self) -> int:
        return self.gift + self.bond

    @property
    def payments(self) -> tuple[Output, ...]:
        return (Output(self.receiver, self.gift),)

    def check_isolated(self) -> None:
        if self.gift < 1:
            raise AmountViolation("gift")

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """Who pledges has staked as much."""
        staked = ledger.account(sender).stake
        if self.bond > staked:
            raise StakeViolation(staked, self.bond)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        APPLIED.append(inclusion)
        payer = ledger.account(sender)
        ledger.set_account(sender, replace(payer, balance=payer.balance - self.outlay))
        payee = ledger.account(self.receiver)
        ledger.set_account(self.receiver, replace(payee, balance=payee.balance + self.gift))
        release = context.height + context.params.reward.unbonding
        ledger.add_unbonding(release, Unbonding(sender, self.bond))
        return NO_EFFECT


@contextmanager
def pledges() -> Iterator[None]:
    """The registry with one line more."""
    APPLIED.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "KINDS", (*kinds.KINDS, Pledge))
        patch.setattr(transaction, "_FORMS", {})
        yield
