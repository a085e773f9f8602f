"""Stake: units from an account's balance to its stake, which earns credits."""

from dataclasses import dataclass, replace
from typing import ClassVar

from esper.primitives.codec import Unsigned
from esper.primitives.errors.transaction_errors import AmountViolation
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.credits import settled
from esper.vm.governance.stake_moves import note_stake
from esper.vm.ledger import Ledger
from esper.vm.payload import Inclusion, Payload, Schema


@dataclass(frozen=True, slots=True)
class Stake(Payload):
    """The payload of a stake."""

    amount: int
    """Units, at least 1."""

    KIND: ClassVar[int] = 2
    NAME: ClassVar[str] = "stake"
    SCHEMA: ClassVar[Schema] = (("amount", Unsigned(63)),)

    @property
    def outlay(self) -> int:
        """Units that the sender needs beside the fee."""
        return self.amount

    def check_isolated(self) -> None:
        """Raises AmountViolation for an amount of nothing."""
        if self.amount < 1:
            raise AmountViolation("amount")

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """The funds are all it needs, and every transaction's are checked."""

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Settle what the old stake has earned, then move the units."""
        note_stake(sender, self.amount, ledger)
        account, totals = settled(ledger.account(sender), ledger.totals)
        ledger.set_totals(replace(totals, total_stake=totals.total_stake + self.amount))
        ledger.set_account(
            sender,
            replace(
                account,
                balance=account.balance - self.amount,
                stake=account.stake + self.amount,
            ),
        )
        return NO_EFFECT
