"""CreditTransfer: credits from one account to another, with the right to burn them."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import FixedBytes, Unsigned
from esper.primitives.errors.call_errors import CreditDustViolation
from esper.primitives.errors.transaction_errors import AmountViolation
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.credit_rules import check_spending
from esper.vm.credits import given, settled, taken
from esper.vm.ledger import Ledger
from esper.vm.payload import Inclusion, Output, Payload, Schema
from esper.vm.receivers import check_receiver
from esper.vm.records import NO_ACCOUNT


@dataclass(frozen=True, slots=True)
class CreditTransfer(Payload):
    """The payload of a transfer of credits."""

    receiver: bytes
    """33 bytes: an address."""
    amount: int
    """Micro-credits, at least 1."""

    KIND: ClassVar[int] = 4
    NAME: ClassVar[str] = "credit-transfer"
    SCHEMA: ClassVar[Schema] = (
        ("receiver", FixedBytes(ADDRESS_BYTES)),
        ("amount", Unsigned(63)),
    )

    @property
    def credits_needed(self) -> int:
        """The amount."""
        return self.amount

    @property
    def gifts(self) -> tuple[Output, ...]:
        """The amount, to the receiver."""
        return (Output(self.receiver, self.amount),)

    def check_isolated(self) -> None:
        """Raises ReceiverViolation, or AmountViolation for an amount of nothing."""
        check_receiver(self.receiver)
        if self.amount < 1:
            raise AmountViolation("amount")

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """The credits may be used; a new account gets the starting allowance at least.

        Raises CreditDustViolation, CreditsViolation or RateViolation.
        """
        least = context.params.credits.starting_allowance
        if self.amount < least and ledger.account(self.receiver) == NO_ACCOUNT:
            raise CreditDustViolation(self.amount, least)
        check_spending(sender, self.amount, ledger, context)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Move the oldest credits into the receiver's buckets of the same epochs."""
        giver, totals = settled(ledger.account(sender), ledger.totals)
        giver, portions = taken(giver, self.amount)
        ledger.set_account(sender, giver)
        receiver, totals = settled(ledger.account(self.receiver), totals)
        ledger.set_account(self.receiver, given(receiver, portions))
        ledger.set_totals(totals)
        return NO_EFFECT
