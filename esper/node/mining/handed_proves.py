"""Proves that a wallet has signed elsewhere, kept until a block of this miner has them.

One for each proposal. What can never be in a block again is dropped, and why is told to whoever
asks what is to be signed.
"""

from collections.abc import Collection
from typing import Final

from esper.consensus.context import ChainContext
from esper.primitives.errors.transaction_errors import (
    ExpiredViolation,
    FeeViolation,
    KeyUnknownViolation,
    NonceUsedViolation,
    TransactionViolation,
)
from esper.primitives.ids import Txid
from esper.primitives.params import LimitParameters
from esper.vm.governance.prove import Prove
from esper.vm.transaction import Transaction

FINAL: Final = (ExpiredViolation, FeeViolation, KeyUnknownViolation, NonceUsedViolation)
"""What waiting does not mend: the same has to be signed again."""


class HandedProves:
    """Signed Proves by the proposals that they are for. Whoever adds one has checked it."""

    def __init__(self) -> None:
        self._kept: dict[Txid, Transaction] = {}
        self._lapsed: dict[Txid, str] = {}

    def keep(self, transaction: Transaction, prove: Prove) -> Txid | None:
        """Take one in the place of the last for its proposal; that one's id."""
        old = self._kept.get(prove.target)
        self._kept[prove.target] = transaction
        self._lapsed.pop(prove.target, None)
        return None if old is None or old.txid == transaction.txid else old.txid

    def of(self, prove: Prove) -> Transaction | None:
        """What was signed of exactly this, whatever its nonce."""
        found = self._kept.get(prove.target)
        return None if found is None or found.payload != prove else found

    def others(self, proposal: Txid) -> list[Transaction]:
        """What was signed for other proposals, by nonce."""
        # A template may be made meanwhile, in a thread.
        found = [one for target, one in tuple(self._kept.items()) if target != proposal]
        return sorted(found, key=lambda one: one.nonce)

    def lapsed(self, proposal: Txid) -> str:
        """Why the last that was signed for a proposal is of no use any more; empty if it is."""
        return self._lapsed.get(proposal, "")

    def sign(
        self, chain: ChainContext, limits: LimitParameters, prove: Prove, nonce: int
    ) -> Transaction | None:
        """What ``of`` finds; a ``ProveSigner``."""
        return self.of(prove)

    def refused(self, proposal: Txid, violation: TransactionViolation) -> None:
        """A block could not take it: forget it, unless a later one can."""
        if isinstance(violation, FINAL):
            self.drop(proposal, str(violation))

    def forget_all_but(self, live: Collection[Txid]) -> None:
        """Nothing is kept for a proposal that has ended."""
        for proposal in {*self._kept, *self._lapsed} - set(live):
            self.drop(proposal, "")

    def drop(self, proposal: Txid, why: str) -> None:
        """Forget what was signed for a proposal; without a reason also that there was one."""
        had = self._kept.pop(proposal, None)
        if not why:
            self._lapsed.pop(proposal, None)
        elif had is not None:
            self._lapsed[proposal] = why
