"""Delegate: let another address vote with one's stake, unless one votes."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import VarBytes
from esper.primitives.errors.dao_errors import DaoEncodingViolation, DelegateViolation
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.governance.dao_suite import check_suite
from esper.vm.governance.stake_moves import note_delegate
from esper.vm.ledger import Ledger
from esper.vm.payload import Inclusion, Payload, Schema


@dataclass(frozen=True, slots=True)
class Delegate(Payload):
    """The payload of a delegation. It counts for proposals of epochs to come."""

    to: bytes
    """33 bytes: an address; empty for nobody."""

    KIND: ClassVar[int] = 9
    NAME: ClassVar[str] = "delegate"
    SCHEMA: ClassVar[Schema] = (("to", VarBytes(ADDRESS_BYTES)),)

    def check_isolated(self) -> None:
        """Raises DaoEncodingViolation."""
        if len(self.to) not in (0, ADDRESS_BYTES):
            reason = f"delegate of {len(self.to)} bytes, must have {ADDRESS_BYTES} or none"
            raise DaoEncodingViolation(reason)

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """Another address that has a stake, so that nobody delegates to a typing error.

        Raises DaoSuiteViolation or DelegateViolation.
        """
        check_suite(sender)
        if self.to == sender:
            raise DelegateViolation("it is the sender, who votes with its own stake anyway")
        if self.to and ledger.account(self.to).stake < 1:
            raise DelegateViolation("that address has no stake")

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Move the sender's stake from one pot to the other."""
        note_delegate(sender, self.to, ledger)
        return NO_EFFECT
