"""A round of hidden sets: which sets it takes, what it draws, and what it comes to.

sets    the tokenizer's idle ones, of before the proposal; if these are too few or hold too
        little, those of before its vote closed; if that is too little as well: unjudged
judged  a set that is not all open loses its bond, and ends; of half of the proposal's fee each
        proven item of the others earns an equal part, an indivisible rest burns; the lower
        median of the scores below theta opens a rollback
"""

from dataclasses import replace
from typing import Final

from esper.dao.hidden.hidden_set import HiddenSet, drawn_items
from esper.dao.hidden.rounds import (
    Unjudged,
    auto_rollback_id,
    is_below,
    lower_median,
    score,
    unjudged,
)
from esper.dao.records import Live, Proposal
from esper.dao.steps import Step
from esper.primitives.ids import Txid
from esper.vm.context import ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.hidden.auto_rollback import open_rollback
from esper.vm.governance.hidden.releasing import release_sets, sets_in_round
from esper.vm.governance.hidden.set_rules import end_set, has_rounds
from esper.vm.governance.opening_rules import FEE_DIVISOR
from esper.vm.governance.planned import model_of
from esper.vm.ledger import Ledger
from esper.vm.round_outcome import RoundOutcome, SetOutcome

ROUNDS: Final = 2
"""Of a model: before it is activated, and behind it."""


def round_sets(proposal: Proposal, records: DaoLedger) -> tuple[Txid, ...] | Unjudged:
    """The sets that a round would draw of now, or why it would draw of none."""
    entry = model_of(proposal).entry
    idle = [
        (one, found)
        for one in records.sets_of(entry.tokenizer_id)
        if (found := records.hidden_set(one)).is_idle
    ]
    # A vote that is open has no last height yet: whatever is there is there in time.
    least: Unjudged | None = None
    for before in (proposal.opened, proposal.final):
        early = [(one, found) for one, found in idle if not before or found.since < before]
        least = unjudged([found.count for _, found in early], entry.bank_size)
        if least is None:
            return tuple(one for one, _ in early)
    assert least is not None
    return least


def draw_sets(live: Live, seed: bytes, ledger: Ledger, context: ExecutionContext) -> bool:
    """Draw of the sets that there are; False if the model has no round, or is unjudged."""
    records = DaoLedger(ledger)
    proposal = records.proposal(live.id)
    if not has_rounds(proposal):
        return False
    sets = round_sets(proposal, records)
    if isinstance(sets, Unjudged):
        ledger.rounds.append(_outcome(live, (), sets, context, ()))
        return False
    wanted = context.params.governance.hidden_samples
    for set_id in sets:
        found = records.hidden_set(set_id)
        drawn = drawn_items(set_id, seed, found.count, found.used, wanted)
        used = (*found.used, *drawn)
        records.set_hidden(set_id, replace(found, round=(live.id,), drawn=drawn, used=used))
    return True


def judge_round(live: Live, ledger: Ledger, context: ExecutionContext) -> None:
    """Let a round come to what it does, and make its sets idle."""
    records = DaoLedger(ledger)
    proposal = records.proposal(live.id)
    sets = sets_in_round(live.id, proposal, records)
    for set_id, found in sets:
        if not found.is_complete:
            end_set(set_id, 0, records)
    opened = [(set_id, found) for set_id, found in sets if found.is_complete]
    each = _pay(live, opened, records)
    scored = [(found, value) for _, found in opened if (value := score(found)) is not None]
    release_sets(live.id, records)
    counts = [found.count for found, _ in scored]
    held = Unjudged(len(counts), sum(counts), model_of(proposal).entry.bank_size)
    rollback: tuple[Txid, ...] = ()
    if not held.is_too_little:
        median = lower_median([value for _, value in scored])
        if is_below(median, context.params.governance.hidden_threshold_per_mille):
            auto = auto_rollback_id(live.id, _number(live))
            vote = open_rollback(live, auto, ledger, context)
            rollback = () if vote is None else (vote,)
    told = tuple(_told(set_id, found, each) for set_id, found in sets)
    ledger.rounds.append(_outcome(live, told, held, context, rollback))


def share_of_round(proposal: Proposal) -> int:
    """Units of the fee that a round pays: rounds share alike, whatever the first one came to."""
    return min(proposal.fee, proposal.base // FEE_DIVISOR // ROUNDS)


def _number(live: Live) -> int:
    """Of a model's round: 0 before its activation, 1 behind it."""
    return int(live.step in (Step.DRAW1, Step.ROUND1))


def _told(set_id: Txid, found: HiddenSet, each: int) -> SetOutcome:
    if not found.is_complete:
        return SetOutcome.of(set_id, found, 0, found.bond)
    return SetOutcome.of(set_id, found, each * found.proven.bit_count(), 0)


def _outcome(
    live: Live,
    sets: tuple[SetOutcome, ...],
    held: Unjudged,
    context: ExecutionContext,
    rollback: tuple[Txid, ...],
) -> RoundOutcome:
    """``held``: the sets that count, and what they hold."""
    theta = context.params.governance.hidden_threshold_per_mille
    return RoundOutcome(
        live.id, _number(live), sets, held.sets, held.items, held.bank_size, theta, rollback
    )


def _pay(live: Live, opened: list[tuple[Txid, HiddenSet]], records: DaoLedger) -> int:
    """Units that each proven item has earned."""
    proposal = records.proposal(live.id)
    proven = sum(found.proven.bit_count() for _, found in opened)
    if not proven:
        return 0
    half = share_of_round(proposal)
    records.set_proposal(live.id, replace(proposal, fee=proposal.fee - half))
    each = half // proven
    for set_id, found in opened:
        records.settle(set_id, found.curator, each * found.proven.bit_count(), 0)
    records.settle(live.id, proposal.proposer, 0, half - each * proven)
    return each
