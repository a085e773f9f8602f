"""What waits when a node starts: what its journal kept, and what blocks beside the chain hold.

A change of chain keeps the blocks that it takes off beside the chain before it takes off the first,
and gives their transactions back to the mempool, and so to the journal, after its last step. A node
that is killed in between finds them in those blocks. It cannot tell them from those that it had
given back in time: all are offered, and the mempool's rules know which have their place.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from esper.consensus.block_isolation import read_content
from esper.consensus.chain import read_block
from esper.mempool.journal import MempoolJournal
from esper.mempool.pool import Mempool
from esper.node.chain.chain_manager import ChainManager
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.errors.transaction_errors import NonceUsedViolation, TransactionViolation
from esper.primitives.ids import BlockId, Txid
from esper.primitives.params import LimitParameters
from esper.saying import say
from esper.storage.side_blocks import SideBlockError, SideBlocks
from esper.vm.transaction import Transaction, decode_transaction

LOG: Final = logging.getLogger("esper.mempool")
TOGETHER_BYTES: Final = 16 << 20
"""Transactions of blocks that are held at once: of very many branches not all fit into memory."""

IN_CHAIN: Final = "in the chain"
USED: Final = NonceUsedViolation.__name__
MEANINGS: Final = {
    USED: "another of the same sender took their place in the chain",
    "ExpiredViolation": "their last height has passed",
    "NonceGapViolation": "what they follow is missing",
    "ReplacementFeeError": "another took their place",
    "MempoolFullError": "no room",
    "UnreadableTransactionViolation": "no transactions of this program",
}
"""Of rules that are met when nothing is wrong."""

InChain = Callable[[Txid], bool]
"""Whether a transaction is in a block of the chain."""

Arrived = tuple[Transaction, int, int]
"""A transaction, the height of the tip when it came, and when that was, in ms since 1970."""


def nothing_known(txid: Txid) -> bool:
    """Where there is no history to ask."""
    del txid
    return False


def take_up(
    pool: Mempool,
    journal: MempoolJournal,
    manager: ChainManager,
    *,
    now_ms: int,
    in_chain: InChain = nothing_known,
) -> None:
    """Offer an empty mempool what waited before; what is left out is told in a line each.

    ``now_ms`` is when transactions of blocks count as arrived; ``in_chain`` tells what came into a
    block from what cannot come into one any more. Neither a damaged journal nor a damaged block is
    a reason not to start.
    """
    height, limits = manager.context.height, manager.params.limits
    kept, journal_left_out = _journaled(journal, limits)
    known = {transaction.txid for transaction, _, _ in kept}
    found = (
        transaction
        for transaction in transactions_beside(SideBlocks(manager.store.datadir), limits)
        if transaction.txid not in known
    )
    taken, beside_left_out = 0, Counter[str]()
    # The journal's come with the first of the blocks': they may continue each other's nonces.
    for batch in batches(found, TOGETHER_BYTES):
        offered = [*kept, *((one, height, now_ms) for one in batch)]
        left_out = pool.restore(offered, manager.state, manager.context, now_ms=now_ms)
        for txid, rule in left_out.items():
            why = IN_CHAIN if rule == USED and in_chain(txid) else rule
            (journal_left_out if txid in known else beside_left_out)[why] += 1
        taken += sum(one.txid in pool for one in batch)
        kept = []
    if journal_left_out:
        _tell_left_out("of those that waited before, {outcome}", journal_left_out)
    if taken or beside_left_out:
        _tell_left_out(
            "of blocks beside the chain, {waiting} transactions wait, {outcome}",
            beside_left_out,
            waiting=taken,
        )


def transactions_beside(side: SideBlocks, limits: LimitParameters) -> Iterator[Transaction]:
    """All transactions but coinbases of the blocks beside a chain, the lowest blocks first.

    One block at a time is in memory. Blocks that cannot be read are passed over: whoever opens the
    chain says what is to be done about them.
    """
    heights: list[tuple[int, BlockId]] = []
    for block_id in side:
        try:
            block = read_block(side.get(block_id), limits)
        except (SideBlockError, RuleViolation):
            continue
        heights.append((block.header.pre.height, block_id))
    for _, block_id in sorted(heights):
        try:
            block = read_block(side.get(block_id), limits)
            yield from read_content(block.body, block.header.pre, limits).transactions
        except (SideBlockError, RuleViolation):
            continue


def _journaled(
    journal: MempoolJournal, limits: LimitParameters
) -> tuple[list[Arrived], Counter[str]]:
    """What the journal holds, and by rule how much of it is no transaction any more."""
    kept: list[Arrived] = []
    unreadable = Counter[str]()
    for entry in journal.load():
        # What a program of other rules wrote is no reason not to start.
        try:
            transaction = decode_transaction(entry.data, limits.transaction_bytes)
        except TransactionViolation as violation:
            unreadable[violation.rule] += 1
            continue
        kept.append((transaction, entry.arrival_height, entry.arrived_ms))
    return kept, unreadable


def batches(found: Iterable[Transaction], limit: int) -> Iterator[list[Transaction]]:
    """Lists that end where they reach ``limit`` wire bytes; the last one, maybe empty, does not."""
    batch: list[Transaction] = []
    size = 0
    for transaction in found:
        batch.append(transaction)
        size += len(transaction.to_bytes())
        if size >= limit:
            yield batch
            batch, size = [], 0
    yield batch


def _tell_left_out(sentence: str, found: Counter[str], **values: int) -> None:
    """What does not wait any more; that it came into a block is no loss, and told first."""
    arrived = found.pop(IN_CHAIN, 0)
    left_out = dict(found.most_common())
    parts = [f"{arrived} are in the chain already"] if arrived else []
    parts += [f"{count} left out: {_words(rule)}" for rule, count in left_out.items()]
    say(
        LOG,
        "mempool_left_out",
        sentence,
        outcome=", ".join(parts) or "none is left out",
        in_chain=arrived,
        left_out=left_out,
        **values,
    )


def _words(rule: str) -> str:
    """Such as ``expired (ExpiredViolation)``."""
    return f"{MEANINGS[rule]} ({rule})" if rule in MEANINGS else rule
