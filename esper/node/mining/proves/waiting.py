"""Proven claims that wait for a block of this miner, each transaction with its groups.

They are told to no other node. What an own or another's block holds is kept for as long as that
block may leave the chain, while nothing else needs the place. A block has first what pays most a
byte, and so has whoever needs a place here: nobody keeps others out for the least fee.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from math import ceil
from typing import Final

from esper.consensus.audit_rules import AuditSight, check_prove_groups
from esper.consensus.call_groups import CallGroup
from esper.consensus.context import ChainContext
from esper.consensus.ports import ProofRejectedError, WorkClaim
from esper.node.chain.changes.followers import ChainChange, Commit
from esper.node.mining.block_draft import BlockDraft
from esper.node.mining.proves.errors import NoPlaceError, TooManyOfSenderError
from esper.primitives.errors.audit_errors import AuditViolation
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.rule_violation import Consequence, RuleViolation
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import BlockId, Txid
from esper.saying import say
from esper.storage.errors import StorageError
from esper.vm.governance.prove import Prove
from esper.vm.transaction import Transaction
from esper.vm.view import StateView

LOG: Final = logging.getLogger("esper.mining")
MOST: Final = 32
"""Transactions that are kept."""
MOST_OF_SENDER: Final = 8
"""That wait, of one sender: nobody fills the place of all others."""
MORE: Final = Fraction(11, 10)
"""Times what another pays a byte, and its place may be taken."""
MOST_BYTES: Final = 16 << 20
"""Bytes of them and of their groups: of the largest groups, those of eight."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A transaction whose proofs have been checked."""

    transaction: Transaction
    """A Prove."""
    groups: tuple[CallGroup, ...]
    """Its groups."""
    shown: tuple[tuple[WorkClaim, bytes], ...]
    """What was verified: claims, and the proofs of them."""
    size: int
    """Bytes of the transaction and its groups."""
    height: int | None = None
    """Height of the block that has it; None: it waits."""

    @property
    def rate(self) -> Fraction:
        """Units of fee a byte."""
        return Fraction(self.transaction.fee, self.size)


class HandedIn:
    """What was handed in, the oldest first. Whoever adds one has checked it.

    Changed on the event loop, and by the one thread that makes a template; any thread may read.
    """

    def __init__(self) -> None:
        self._kept: dict[Txid, Handed] = {}
        self.on_gone: Callable[[Txid], None] = _told_nobody
        """Called for each that is kept no more, on whichever thread found it so."""

    def __contains__(self, txid: Txid) -> bool:
        return txid in self._kept

    def waiting(self) -> list[Handed]:
        """What is in no block."""
        return [one for one in tuple(self._kept.values()) if one.height is None]

    def waiting_of(self, sender: bytes) -> list[Transaction]:
        """Transactions of a sender that are in no block."""
        found = (one.transaction for one in self.waiting())
        return [one for one in found if one.sender == sender]

    def keep(self, new: Handed) -> Txid | None:
        """Take one in the place of the sender's with its nonce; that one's id.

        Raises TooManyOfSenderError or NoPlaceError.
        """
        transaction = new.transaction
        old = next(
            (
                one.txid
                for one in self.waiting_of(transaction.sender)
                if one.nonce == transaction.nonce
            ),
            None,
        )
        if len(self.waiting_of(transaction.sender)) - (old is not None) >= MOST_OF_SENDER:
            raise TooManyOfSenderError(MOST_OF_SENDER)
        kept = {txid: one for txid, one in self._kept.items() if txid != old}
        gone = [] if old is None else [old]
        in_blocks = iter([txid for txid, one in kept.items() if one.height is not None])
        while not _fits([*kept.values(), new]):
            # What is in a block is needed again only if that leaves the chain.
            least = next(in_blocks, None) or _gives_way(kept.values(), new)
            gone.append(least)
            del kept[least]
        self._kept = {**kept, transaction.txid: new}
        for txid in gone:
            self.on_gone(txid)
        return old

    def refused(self, transactions: Iterable[Transaction]) -> None:
        """An own block of these was refused for a proof in it: forget them, mining must go on."""
        for one in transactions:
            self._drop(one.txid, "an own block that held it was refused")

    def take(self, chain: ChainContext, state: StateView, draft: BlockDraft) -> list[CallGroup]:
        """Add to a block on ``state`` what waits and fits, what pays most first; the groups of it.

        What no block can have any more is forgotten.
        """
        groups: list[CallGroup] = []
        most = chain.params.governance.audits_per_block
        for one in _by_rate(self.waiting()):
            if sum(isinstance(other.payload, Prove) for other in draft.transactions) >= most:
                break
            if one.size > draft.room:
                continue
            if self._added(one, state, draft):
                draft.room -= sum(len(group.to_bytes()) for group in one.groups)
                groups += one.groups
        return groups

    def _added(self, one: Handed, state: StateView, draft: BlockDraft) -> bool:
        try:
            draft.add(one.transaction, judge=partial(_judge, one, state, draft))
        except (TransactionViolation, AuditViolation) as violation:
            if not may_come(violation):
                self._drop(one.transaction.txid, f"{violation} ({violation.rule})")
            return False
        return True

    def prepare(self, change: ChainChange) -> Commit:
        """What blocks have, and what they had and have no more."""
        if not self._kept:
            return _nothing
        height = change.view.context.height
        arrival = change.arrival
        found = dict(self._kept)
        for block_id in arrival.undone:
            for txid in _proves_of(change, block_id):
                if txid in found:
                    found[txid] = replace(found[txid], height=None)
        for block_id in arrival.applied:
            for txid in _proves_of(change, block_id):
                if txid in found:
                    found[txid] = replace(found[txid], height=height)
        final = height - change.view.params.limits.undo_depth
        gone = {
            txid for txid, one in found.items() if one.height is not None and one.height < final
        }
        places = {txid: one.height for txid, one in found.items()}
        return partial(self._put_in_place, places, gone)

    def _put_in_place(self, places: dict[Txid, int | None], gone: set[Txid]) -> None:
        # What came or went since it was prepared stays so.
        self._kept = {
            txid: replace(one, height=places.get(txid, one.height))
            for txid, one in self._kept.items()
            if txid not in gone
        }
        for txid in gone:
            self.on_gone(txid)

    def _drop(self, txid: Txid, why: str) -> None:
        if self._kept.pop(txid, None) is not None:
            self.on_gone(txid)
            say(
                LOG,
                "prove_dropped",
                "prove {short} waits no longer: {reason}",
                short=txid.hex()[:16],
                txid=txid.hex(),
                reason=why,
            )


class Shown:
    """A verifier that knows what was verified before, and takes nothing else."""

    def __init__(self, shown: Iterable[tuple[WorkClaim, bytes]]) -> None:
        self._shown = tuple(shown)

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        """Raises ProofRejectedError."""
        if (claim, proof) not in self._shown:
            raise ProofRejectedError("it was verified for another claim")


def _judge(one: Handed, state: StateView, draft: BlockDraft, after: StateView) -> None:
    sight = AuditSight(state, draft.transactions, after, draft.context)
    groups = {group.kind: group for group in one.groups}
    check_prove_groups(one.transaction, groups, sight, Shown(one.shown))


def may_come(violation: RuleViolation) -> bool:
    """Whether a later block could take a transaction."""
    if not isinstance(violation, TransactionViolation):
        return False
    return consequence_of(violation, Stage.ADMISSION) is Consequence.RETRY


def _by_rate(waiting: list[Handed]) -> Iterator[Handed]:
    """What pays most a byte first, of each sender by nonce; of equals what came first."""
    lines: dict[bytes, list[Handed]] = {}
    for one in waiting:
        lines.setdefault(one.transaction.sender, []).append(one)
    for line in lines.values():
        line.sort(key=_nonce, reverse=True)
    while lines:
        sender = max(lines, key=lambda each: lines[each][-1].rate)
        yield lines[sender].pop()
        if not lines[sender]:
            del lines[sender]


def _gives_way(kept: Iterable[Handed], new: Handed) -> Txid:
    """What makes place for one that pays a tenth more a byte; of a sender the last goes first.

    What stands behind others of its sender is worth what the least of them pays, so none takes the
    place of one that it stands behind. Raises NoPlaceError.
    """
    ends: dict[bytes, tuple[Fraction, Handed]] = {}
    worth = new.rate
    waiting = [one for one in kept if one.height is None]
    for one in sorted(waiting, key=_nonce):
        sender = one.transaction.sender
        if sender == new.transaction.sender and one.transaction.nonce < new.transaction.nonce:
            worth = min(worth, one.rate)
        before = ends.get(sender)
        ends[sender] = (one.rate if before is None else min(before[0], one.rate)), one
    size = sum(one.size for one in waiting)
    if not ends:
        raise NoPlaceError(len(waiting), size, None)
    least, last = min(ends.values(), key=lambda end: end[0])
    needed = least * MORE
    if worth < needed:
        raise NoPlaceError(len(waiting), size, ceil(needed * new.size))
    return last.transaction.txid


def _nonce(one: Handed) -> int:
    return one.transaction.nonce


def _fits(kept: list[Handed]) -> bool:
    return len(kept) <= MOST and sum(one.size for one in kept) <= MOST_BYTES


def _proves_of(change: ChainChange, block_id: BlockId) -> list[Txid]:
    try:
        held = change.content(block_id).content.transactions
    except StorageError:
        # A chain that could not move for this would be worse; the mempool says so.
        return []
    return [one.txid for one in held if isinstance(one.payload, Prove)]


def _nothing() -> None:
    """Nothing is kept."""


def _told_nobody(txid: Txid) -> None:
    """Nobody keeps what waits elsewhere."""
