"""Transfer: units from one address to others."""

from dataclasses import dataclass
from typing import ClassVar, Final

from esper.primitives.codec import Array
from esper.primitives.errors.transaction_errors import AmountViolation, DustViolation
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.ledger import Ledger
from esper.vm.payload import OUTPUT, Inclusion, Output, Payload, Schema
from esper.vm.receivers import check_receiver
from esper.vm.records import NO_ACCOUNT

MAX_OUTPUTS: Final = 256
"""Limit of the wire: a pool pays its miners in one transaction."""


@dataclass(frozen=True, slots=True)
class Transfer(Payload):
    """The payload of a transfer."""

    outputs: tuple[Output, ...]
    """At least one, paid in this order."""

    KIND: ClassVar[int] = 1
    NAME: ClassVar[str] = "transfer"
    SCHEMA: ClassVar[Schema] = (("outputs", Array(OUTPUT, MAX_OUTPUTS)),)

    @property
    def outlay(self) -> int:
        """Units that the sender needs beside the fee."""
        return sum(output.amount for output in self.outputs)

    @property
    def payments(self) -> tuple[Output, ...]:
        """The outputs."""
        return self.outputs

    def check_isolated(self) -> None:
        """At least one output, each of something to an address.

        Raises AmountViolation or ReceiverViolation.
        """
        if not self.outputs:
            raise AmountViolation("number of outputs")
        for output in self.outputs:
            check_receiver(output.receiver)
            if output.amount < 1:
                raise AmountViolation("amount")

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """No account is made of dust: every single output to a new one reaches the limit.

        Raises DustViolation.
        """
        dust = context.params.limits.dust
        for output in self.outputs:
            if output.amount < dust and ledger.account(output.receiver) == NO_ACCOUNT:
                raise DustViolation(output.amount, dust)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Move the units. A sender may be its own receiver."""
        for output in self.outputs:
            payer = ledger.account(sender)
            ledger.set_account(sender, payer.moved(-output.amount))
            payee = ledger.account(output.receiver)
            ledger.set_account(output.receiver, payee.moved(output.amount))
        return NO_EFFECT
