"""How votes are judged, how proposals end, and what becomes of their coins."""

from dataclasses import replace

from esper.dao.benchmarks.standing import has_gate
from esper.dao.bodies import RollbackBody
from esper.dao.records import Due, Live, Proposal
from esper.dao.schedule import Op
from esper.dao.steps import Step, Subject, tally_of
from esper.dao.tally import bond_lost, change_passes, model_passes, revert_passes
from esper.primitives.params import GovernanceParameters
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.hidden.releasing import release_sets
from esper.vm.governance.planned import body_of

CANCELLED = frozenset({Step.ROUND0, Step.CHECK})
"""Steps of a model at which a rollback keeps it from being confirmed."""
REVERTED = frozenset({Step.ACT, Step.DRAW1, Step.ROUND1, Step.TRIAL})
"""Steps at which a rollback takes it back."""


def target_of(proposal: Proposal, records: DaoLedger) -> Live | None:
    """The model that a rollback is about, None if it has ended."""
    body = body_of(proposal)
    return records.live(body.proposal) if isinstance(body, RollbackBody) else None


def is_cancel(proposal: Proposal, records: DaoLedger) -> bool:
    """Whether a rollback is about a model that is not confirmed yet.

    One opened so closes before its model is checked; every other one takes back what is confirmed.
    """
    target = target_of(proposal, records)
    return target is not None and target.step in CANCELLED


def is_passing(proposal: Proposal, records: DaoLedger, rules: GovernanceParameters) -> bool:
    """Whether the votes so far say yes, by the majority that the proposal needs.

    A model also needs a report that stands on each suite that is asked of all.
    """
    tally = tally_of(proposal)
    if proposal.subject == Subject.CHANGE:
        return change_passes(tally, proposal.quorum, rules)
    if proposal.subject == Subject.ROLLBACK and not is_cancel(proposal, records):
        return revert_passes(tally, proposal.quorum, rules)
    return model_passes(tally, proposal.quorum, rules) and has_gate(proposal)


def settle_bond(
    live: Live, passed: bool, records: DaoLedger, rules: GovernanceParameters
) -> Proposal:
    """Give back what the vote leaves of the bond, burn the rest; the proposal without it."""
    proposal = records.proposal(live.id)
    lost = bond_lost(proposal.bond, tally_of(proposal), proposal.quorum, passed, rules)
    settled = replace(proposal, bond=0)
    records.set_proposal(live.id, settled)
    records.settle(live.id, proposal.proposer, proposal.bond - lost, lost)
    return settled


def close_rollback(live: Live, passed: bool, records: DaoLedger) -> None:
    """A rollback ends; a model that it keeps from being confirmed ends with it.

    One that takes back what is confirmed has ended in the vote that reached it.
    """
    target = target_of(records.proposal(live.id), records)
    end(live, records)
    if passed and target is not None and target.step in CANCELLED:
        end(target, records)


def end(live: Live, records: DaoLedger) -> None:
    """The fee that is left goes to the proposer; the proposal is nowhere any more.

    Hidden sets that a round has drawn of are idle again.
    """
    proposal = records.proposal(live.id)
    release_sets(live.id, records)
    records.set_proposal(live.id, replace(proposal, fee=0))
    records.settle(live.id, proposal.proposer, proposal.fee, 0)
    records.remove(live)


def revert(
    rollback: Live, target: Live, height: int, records: DaoLedger, rules: GovernanceParameters
) -> None:
    """A vote has reached what takes a confirmed model back: it goes L blocks later."""
    records.confirm(Due(height + rules.horizon, Op.REVERT, target.id))
    records.move(target, Step.END, height + rules.horizon)
    settle_bond(rollback, True, records, rules)
    end(rollback, records)
