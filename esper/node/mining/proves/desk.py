"""Where a Prove is handed in with its groups: everything that a block would ask of it is asked.

What costs nothing comes first; the proof is verified last, in a thread, one at a time. A few may
wait for that, of each sender one.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

import trio

from esper.consensus.audit_rules import AuditSight, check_prove_groups
from esper.consensus.audits.groups import groups_by_transaction
from esper.consensus.block import MAX_ITEM_BYTES
from esper.consensus.call_groups import CallGroup, decode_call_group
from esper.consensus.ports import WorkClaim, WorkVerifier
from esper.mempool.errors import NonceWaitsError
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.events import Events, ProveHandedIn
from esper.node.mempool.mempool_service import MempoolService
from esper.node.mining.block_draft import BlockDraft
from esper.node.mining.proves.errors import (
    CheckRunsError,
    ChecksWaitError,
    GroupFormError,
    ProveDeskError,
)
from esper.node.mining.proves.files import KeptProve, ProveFiles
from esper.node.mining.proves.waiting import Handed, HandedIn, may_come
from esper.primitives.codec import CodecError
from esper.primitives.errors.audit_errors import (
    AuditGroupViolation,
    AuditRoomViolation,
    AuditViolation,
)
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import Txid
from esper.saying import say
from esper.vm.envelope_rules import check_signature
from esper.vm.governance.prove import Prove
from esper.vm.transaction import Transaction, decode_transaction

LOG: Final = logging.getLogger("esper.mining")
CHECKS: Final = 4
"""Of proofs that run or wait."""


class ProveDesk:
    """Between whoever proves something and this node's own blocks."""

    def __init__(
        self,
        handed: HandedIn,
        chain: ChainService,
        mempool: MempoolService,
        verifier: WorkVerifier,
        events: Events,
        files: ProveFiles | None = None,
    ) -> None:
        """``files`` keep what waits over a restart; None: nothing does."""
        self._handed = handed
        self._files = files
        if files is not None:
            handed.on_gone = files.remove
        self._chain = chain
        self._mempool = mempool
        self._verifier = verifier
        self._events = events
        self._checked: set[bytes] = set()
        self._one = trio.Lock()

    async def take(
        self,
        transaction: Transaction,
        prove: Prove,
        groups: Sequence[bytes],
        replaces: Collection[Txid] | None = None,
    ) -> Txid | None:
        """Keep a Prove and its groups for an own block; the id of what it replaces.

        ``replaces`` are the only ones whose place it may take, None: whatever of this sender waits
        here with its nonce. Raises a ProveDeskError, NonceWaitsError, a TransactionViolation, or an
        AuditViolation.
        """
        if transaction.txid in self._handed:
            return None
        self._check_nonce_free(transaction, replaces)
        size = _size_within(prove, groups)
        sender = transaction.sender
        with self._place(sender):
            async with self._one:
                before = [
                    *self._mempool.pool.pending_of(sender),
                    *self._handed.waiting_of(sender),
                ]
                check = partial(self._check, transaction, groups, before)
                new = await self._chain.in_thread(check)
            self._check_nonce_free(transaction, replaces)
            if self._files is not None:
                kept = KeptProve(transaction.to_bytes(), tuple(groups))
                await trio.to_thread.run_sync(self._files.write, transaction.txid, kept)
            try:
                self._check_nonce_free(transaction, replaces)
                replaced = self._handed.keep(new)
            except (ProveDeskError, NonceWaitsError):
                if self._files is not None:
                    self._files.remove(transaction.txid)
                raise
        say(
            LOG,
            "prove_waits",
            "prove {short} waits for an own block with {proofs} proofs of {bytes} bytes",
            short=transaction.txid.hex()[:16],
            txid=transaction.txid.hex(),
            proofs=len(new.groups),
            bytes=size,
        )
        self._events.publish(ProveHandedIn(transaction.txid))
        return replaced

    def take_up(self) -> int:
        """Keep again what waited when the node ended; how many.

        Each is checked as if it were handed in now. What can be in no block any more goes; what a
        later block could take stays on disk, for the next start.
        """
        if self._files is None:
            return 0
        view, taken = self._chain.view, 0
        for transaction, groups in sorted(self._files_of(view), key=_by_nonce):
            sender = transaction.sender
            before = [*self._mempool.pool.pending_of(sender), *self._handed.waiting_of(sender)]
            try:
                self._check_nonce_free(transaction, ())
                self._handed.keep(self._check(transaction, groups, before, view))
            except (ProveDeskError, NonceWaitsError) as refusal:
                self._left_out(transaction.txid, refusal, stays=refusal.retry)
            except (TransactionViolation, AuditViolation) as violation:
                self._left_out(transaction.txid, violation, stays=may_come(violation))
            else:
                taken += 1
        return taken

    def _files_of(self, view: ChainView) -> Iterator[tuple[Transaction, tuple[bytes, ...]]]:
        for txid, kept in self._files.load() if self._files is not None else ():
            try:
                transaction = decode_transaction(
                    kept.transaction, view.params.limits.transaction_bytes
                )
            except TransactionViolation as violation:
                # A program of other rules may have written it.
                self._left_out(txid, violation, stays=True)
                continue
            if transaction.txid == txid and isinstance(transaction.payload, Prove):
                yield transaction, kept.groups

    def _left_out(
        self,
        txid: Txid,
        why: ProveDeskError | NonceWaitsError | TransactionViolation | AuditViolation,
        *,
        stays: bool,
    ) -> None:
        if not stays and self._files is not None:
            self._files.remove(txid)
        say(
            LOG,
            "prove_left_out",
            "prove {short} of before waits no longer: {reason}",
            short=txid.hex()[:16],
            txid=txid.hex(),
            reason=f"{why} ({why.rule})",
        )

    @contextmanager
    def _place(self, sender: bytes) -> Iterator[None]:
        """One check of each sender, and few in all. Raises CheckRunsError or ChecksWaitError."""
        if sender in self._checked:
            raise CheckRunsError
        if len(self._checked) >= CHECKS:
            raise ChecksWaitError(CHECKS)
        self._checked.add(sender)
        try:
            yield
        finally:
            self._checked.discard(sender)

    def _check_nonce_free(
        self, transaction: Transaction, replaces: Collection[Txid] | None
    ) -> None:
        """What waits in the mempool would be in a block first, whoever else it is sent to."""
        sender, nonce = transaction.sender, transaction.nonce
        for one in self._mempool.pool.pending_of(sender):
            if one.nonce == nonce:
                raise NonceWaitsError(nonce, one.txid)
        for one in self._handed.waiting_of(sender):
            if one.nonce == nonce and replaces is not None and one.txid not in replaces:
                raise NonceWaitsError(nonce, one.txid)

    def _check(
        self,
        transaction: Transaction,
        groups: Sequence[bytes],
        before: Sequence[Transaction],
        view: ChainView,
    ) -> Handed:
        """Every rule of the next block, behind what waits of the sender with lower nonces."""
        draft = BlockDraft(view.context, view.state, transaction.sender)
        for other in sorted(before, key=lambda one: one.nonce):
            if other.nonce < transaction.nonce:
                try:
                    draft.add(other)
                except TransactionViolation:
                    break
        claim = draft.add(transaction)
        check_signature(transaction, claim)
        decoded = _decoded(groups)
        found = groups_by_transaction(decoded)
        if not found.keys() <= {transaction.txid}:
            raise AuditGroupViolation("one is for another transaction")
        verifier = _Noting(self._verifier)
        sight = AuditSight(view.state, draft.transactions, draft.view, draft.context)
        check_prove_groups(transaction, found.get(transaction.txid, {}), sight, verifier)
        size = len(transaction.to_bytes()) + sum(map(len, groups))
        return Handed(transaction, tuple(decoded), tuple(verifier.shown), size)


class _Noting:
    """A verifier that notes what was verified."""

    def __init__(self, verifier: WorkVerifier) -> None:
        self._verifier = verifier
        self.shown: list[tuple[WorkClaim, bytes]] = []
        """Claims, and proofs that show them."""

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        """Raises ProofMalformedError or ProofRejectedError."""
        self._verifier.verify(claim, proof)
        self.shown.append((claim, proof))


def _by_nonce(one: tuple[Transaction, tuple[bytes, ...]]) -> tuple[bytes, int]:
    return one[0].sender, one[0].nonce


def _size_within(prove: Prove, groups: Sequence[bytes]) -> int:
    """Bytes of the groups, before any is read. Raises AuditRoomViolation."""
    size = sum(map(len, groups))
    if size > prove.room:
        raise AuditRoomViolation(size, prove.room)
    return size


def _decoded(groups: Sequence[bytes]) -> list[CallGroup]:
    """Raises GroupFormError."""
    found: list[CallGroup] = []
    for index, data in enumerate(groups):
        try:
            found.append(decode_call_group(data, MAX_ITEM_BYTES))
        except CodecError as error:
            raise GroupFormError(index, str(error)) from error
    return found
