"""Choosing what goes into the next block, of what waits and of what is answered and proven."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from esper.consensus.call_groups import CallGroup
from esper.consensus.context import ChainContext
from esper.consensus.execution import BlockExecution
from esper.consensus.ports import ChainState
from esper.consensus.template import BlockPlan
from esper.dao.registry import Entry
from esper.node.calls.lanes import RESULT_ROOM, LaneAnswers, payable_results
from esper.node.calls.ready_calls import ReadyCalls, ReadyGroup, ReadyLane
from esper.node.mining.block_draft import BlockDraft
from esper.node.mining.proves.waiting import HandedIn
from esper.node.mining.ready_proofs import ReadyProofs
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import Txid
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay


@dataclass(slots=True)
class Assembled:
    """What goes into a block, and why the rest does not."""

    plan: BlockPlan = field(default_factory=BlockPlan)
    """For the template."""
    execution: BlockExecution | None = None
    """What the plan does to the state that it was made on; None if nothing was executed."""
    left_out: dict[Txid, TransactionViolation] = field(default_factory=dict)
    """By txid: what the state does not allow, now or ever."""


def assemble(
    chain: ChainContext,
    state: ChainState,
    payee: bytes,
    waiting: Iterable[Transaction],
    ready: ReadyCalls,
    lanes: LaneAnswers | None = None,
    *,
    proofs: ReadyProofs | None = None,
    handed: HandedIn | None = None,
    mined: Entry | None = None,
) -> Assembled:
    """The next block for ``payee``, of transactions in the order that they are given in.

    A call is taken if its answer is ready: with its group, or left open if the answer is long.
    ``mined`` is the entry that it will be of, ``proofs`` are this miner's own rehearsals, and
    ``handed`` is what others have proven.
    Signatures have been checked when the transactions were admitted.
    """
    candidates = list(waiting)
    groups = _candidate_groups(chain, ready, {found.txid for found in candidates})
    while True:
        draft = BlockDraft(chain, state, payee, mined)
        returned = _reserve_lanes(chain, state, draft, ready, lanes, shared=bool(groups))
        chosen = _chosen_groups(chain, draft, groups, len(returned))
        left_out = _take(draft, candidates, ready, chosen)
        incomplete = [group for group in chosen if not _is_complete(group, draft)]
        if not incomplete:
            break
        # A group stands or falls as a whole: without it its calls wait.
        groups = [group for group in groups if group not in incomplete]
    lane_groups = _add_results(chain, draft, returned, lanes)
    audits = [] if proofs is None else proofs.take(chain, draft)
    if handed is not None:
        audits += handed.take(chain, state, draft)
    groups_of_all = (*(ready_group.group for ready_group in chosen), *lane_groups, *audits)
    plan = BlockPlan(tuple(draft.transactions), tuple(draft.answers), groups_of_all)
    return Assembled(plan, draft.close(), left_out)


def _candidate_groups(
    chain: ChainContext, ready: ReadyCalls, waiting: set[Txid]
) -> list[ReadyGroup]:
    return [group for group in ready.groups if all(call.call_id in waiting for call in group.calls)]


def _reserve_lanes(
    chain: ChainContext,
    state: ChainState,
    draft: BlockDraft,
    ready: ReadyCalls,
    lanes: LaneAnswers | None,
    *,
    shared: bool,
) -> list[ReadyLane]:
    """Room for answers to lanes: if it is shared, one group less than the block may have."""
    if lanes is None:
        return []
    ledger = Ledger(Overlay(state))
    still = [lane for call_id, lane in ready.lanes.items() if ledger.lane(call_id) is not None]
    limit = draft.params.calls.groups_per_block - shared
    # Those that its sender cannot pay for would keep the room from calls that pay.
    taken = still[: min(limit, payable_results(chain, state, lanes.sender))]
    fits = []
    for lane in taken:
        size = len(lane.group.to_bytes()) + RESULT_ROOM
        if size <= draft.room:
            draft.room -= size
            fits.append(lane)
    return fits


def _chosen_groups(
    chain: ChainContext, draft: BlockDraft, groups: Sequence[ReadyGroup], lanes: int
) -> list[ReadyGroup]:
    chosen = []
    for group in groups[: draft.params.calls.groups_per_block - lanes]:
        if group.size <= draft.room:
            draft.room -= group.size
            chosen.append(group)
    return chosen


def _take(
    draft: BlockDraft,
    candidates: Sequence[Transaction],
    ready: ReadyCalls,
    chosen: Sequence[ReadyGroup],
) -> dict[Txid, TransactionViolation]:
    inline = {call.call_id: call for group in chosen for call in group.calls}
    left_out: dict[Txid, TransactionViolation] = {}
    for transaction in candidates:
        payload, txid = transaction.payload, transaction.txid
        if not payload.RELAYED or not draft.has_room(transaction):
            # The proof of somebody else's result does not travel with transactions.
            continue
        answer = None
        if isinstance(payload, LlmCall):
            if txid not in inline and txid not in ready.long_answers:
                continue
            answer = inline[txid].answer if txid in inline else None
        try:
            draft.add(transaction, answer)
        except TransactionViolation as violation:
            left_out[txid] = violation
    return left_out


def _is_complete(group: ReadyGroup, draft: BlockDraft) -> bool:
    there = {transaction.txid for transaction in draft.transactions}
    return all(call.call_id in there for call in group.calls)


def _add_results(
    chain: ChainContext, draft: BlockDraft, returned: Sequence[ReadyLane], lanes: LaneAnswers | None
) -> list[CallGroup]:
    """After the others, so that the sender's own transactions keep their nonces."""
    groups: list[CallGroup] = []
    if lanes is None:
        return groups
    for lane in returned:
        result = lanes.sign(chain, draft.params.limits, lane.answered, draft.nonce(lanes.sender))
        draft.room += RESULT_ROOM
        try:
            draft.add(result)
        except TransactionViolation:
            # A sender without the fee leaves its lanes to others.
            continue
        groups.append(lane.group)
    return groups
