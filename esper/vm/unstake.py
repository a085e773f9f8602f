"""Unstake: units leave an account's stake and reach its balance after the unbonding period."""

from dataclasses import dataclass, replace
from typing import ClassVar

from esper.primitives.codec import Unsigned
from esper.primitives.errors.transaction_errors import AmountViolation, StakeViolation
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.credits import settled
from esper.vm.governance.stake_moves import note_stake
from esper.vm.ledger import Ledger
from esper.vm.payload import Inclusion, Payload, Schema
from esper.vm.records import Unbonding


@dataclass(frozen=True, slots=True)
class Unstake(Payload):
    """The payload of an unstake."""

    amount: int
    """Units, at least 1."""

    KIND: ClassVar[int] = 3
    NAME: ClassVar[str] = "unstake"
    SCHEMA: ClassVar[Schema] = (("amount", Unsigned(63)),)

    def check_isolated(self) -> None:
        """Raises AmountViolation for an amount of nothing."""
        if self.amount < 1:
            raise AmountViolation("amount")

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """Raises StakeViolation if less is staked."""
        staked = ledger.account(sender).stake
        if self.amount > staked:
            raise StakeViolation(staked, self.amount)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Settle what the old stake has earned, then let the units unbond.

        They are spendable from the start of the block ``unbonding`` blocks later.
        """
        note_stake(sender, -self.amount, ledger)
        account, totals = settled(ledger.account(sender), ledger.totals)
        ledger.set_totals(replace(totals, total_stake=totals.total_stake - self.amount))
        ledger.set_account(sender, replace(account, stake=account.stake - self.amount))
        release = context.height + context.params.reward.unbonding
        ledger.add_unbonding(release, Unbonding(sender, self.amount))
        return NO_EFFECT
