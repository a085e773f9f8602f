"""What a payee has to sign to show that this miner runs a model, and what comes back signed.

Everything that a block would ask of it is asked before it is kept: whoever signs elsewhere hears
at once what is wrong, and not from blocks that never hold it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from esper.consensus.audit_rules import check_ready
from esper.consensus.ports import WorkVerifier
from esper.dao.records import Live
from esper.dao.steps import Step, Subject
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.events import Events, ProveHandedIn
from esper.node.mempool.mempool_service import MempoolService
from esper.node.mining.block_draft import BlockDraft
from esper.node.mining.handed_proves import HandedProves
from esper.node.mining.ready_errors import (
    AlreadyReadyError,
    NotRehearsedError,
    NotYetAwaitedError,
    OtherPayeeError,
    OtherRehearsalError,
    SignsItselfError,
    WindowClosedError,
)
from esper.node.mining.ready_proofs import ReadyProofs, prove_of
from esper.node.workers.rehearsal import Rehearsal
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import Txid
from esper.vm.envelope_rules import check_signature
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.prove import Prove
from esper.vm.ledger import Ledger
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay

BEFORE: Final = frozenset({Step.TAIL, Step.CLOSE, Step.DRAW, Step.ROUND0})
"""Steps of a model before its miners are asked."""


@dataclass(frozen=True, slots=True)
class ReadyOffer:
    """A rehearsal that waits for its payee's signature, or for a block once it has that."""

    prove: Prove
    """What is to be signed."""
    nonce: int
    """The payee's next, behind what waits of it."""
    reward_height: int
    """Height of the block whose pending reward it names."""
    last_height: int
    """Height of the last block that may have it."""
    signed: Txid | None
    """What was handed in of exactly this."""
    lapsed: str
    """Why what was handed in before is of no use any more; empty without such."""


class ReadyDesk:
    """Between the miner and a wallet elsewhere."""

    def __init__(
        self,
        proofs: ReadyProofs,
        chain: ChainService,
        mempool: MempoolService,
        verifier: WorkVerifier,
        events: Events,
    ) -> None:
        self._proofs = proofs
        self._chain = chain
        self._mempool = mempool
        self._verifier = verifier
        self._events = events

    def offer(self, proposal: Live, signer: bytes) -> ReadyOffer:
        """What ``signer``, 33 bytes, has to sign for a live proposal, as of the tip.

        Raises ReadyDeskError.
        """
        handed = self._handed_of(signer)
        view, proofs = self._chain.view, self._proofs
        ledger = Ledger(Overlay(view.state))
        proofs.drop_void(view.context, view.state)
        _check_awaited(proposal)
        if proposal.number in DaoLedger(ledger).voter(signer).ready:
            raise AlreadyReadyError(proposal.number)
        rehearsal, lapsed = proofs.waiting.get(proposal.id), handed.lapsed(proposal.id)
        if rehearsal is None:
            raise NotRehearsedError(proposal.number, lapsed)
        prove = prove_of(proposal.id, rehearsal)
        nonce = self._mempool.pool.next_nonce(signer, ledger.account(signer).nonce)
        for other in handed.others(proposal.id):
            nonce += other.nonce == nonce
        found = handed.of(prove)
        return ReadyOffer(
            prove=prove,
            nonce=nonce,
            reward_height=rehearsal.reward_height,
            last_height=proofs.last_height(rehearsal, view.context),
            signed=None if found is None else found.txid,
            lapsed=lapsed,
        )

    async def take(self, transaction: Transaction, prove: Prove) -> Txid | None:
        """Keep a signed Prove, ``prove``, for the next own block; the id of what it replaces.

        Raises ReadyDeskError, a TransactionViolation, or an AuditViolation.
        """
        handed = self._handed_of(transaction.sender)
        before = [
            *self._mempool.pool.pending_of(transaction.sender),
            *handed.others(prove.target),
        ]
        rehearsal = self._proofs.waiting.get(prove.target)
        await self._chain.in_thread(
            lambda view: self._check(transaction, prove, before, rehearsal, view)
        )
        if self._proofs.waiting.get(prove.target) is not rehearsal:
            raise OtherRehearsalError
        replaced = handed.keep(transaction, prove)
        self._events.publish(ProveHandedIn(transaction.txid))
        return replaced

    def _handed_of(self, signer: bytes) -> HandedProves:
        if signer != self._proofs.sender:
            raise OtherPayeeError
        if self._proofs.handed is None:
            raise SignsItselfError
        return self._proofs.handed

    def _check(
        self,
        transaction: Transaction,
        prove: Prove,
        before: Sequence[Transaction],
        rehearsal: Rehearsal | None,
        view: ChainView,
    ) -> None:
        """Every rule of the next block, behind what waits with lower nonces."""
        draft = BlockDraft(view.context, view.state, transaction.sender)
        for other in sorted(before, key=lambda one: one.nonce):
            if other.nonce < transaction.nonce:
                try:
                    draft.add(other)
                except TransactionViolation:
                    break
        claim = draft.add(transaction)
        context = view.context.execution_context(view.state, transaction.sender)
        check_signature(transaction, claim)
        records = DaoLedger(Ledger(Overlay(draft.view)))
        if rehearsal is None:
            raise NotRehearsedError(records.place(prove.target).number)
        if prove != prove_of(prove.target, rehearsal):
            raise OtherRehearsalError
        group = rehearsal.group(transaction.txid)
        check_ready(transaction, group, records, context, self._verifier)


def _check_awaited(proposal: Live) -> None:
    """Miners may show themselves now. Raises NotYetAwaitedError or WindowClosedError."""
    if proposal.subject == Subject.MODEL and proposal.step in BEFORE:
        raise NotYetAwaitedError(proposal.number)
    if proposal.subject != Subject.MODEL or proposal.step != Step.CHECK:
        raise WindowClosedError(proposal.number)
