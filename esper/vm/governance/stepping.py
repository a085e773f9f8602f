"""What happens to live proposals at the start of a block, before its transactions.

1. a new credit epoch notes how much is staked
2. what was confirmed for this height acts
3. proposals go on whose next height this is, in the order in which they were opened
"""

from dataclasses import replace

from esper.dao.benchmarks.standing import open_next, own_next
from esper.dao.change_rules import check_change
from esper.dao.model_rules import check_still_extends
from esper.dao.records import Due, Live, Proposal
from esper.dao.registry import TierRegistry
from esper.dao.schedule import Op
from esper.dao.setting_values import in_force, moved_at
from esper.dao.steps import (
    OPEN,
    READY_PART,
    Step,
    Subject,
    Verdict,
    check_height,
    drawn,
    drawn_seed,
    extended,
    postponed,
    readiness,
    trial_won,
)
from esper.primitives.errors.dao_errors import DaoViolation, ProposalViolation
from esper.vm.context import ExecutionContext
from esper.vm.governance.closing import close_rollback, end, is_passing, settle_bond
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.hidden.rounds import draw_sets, judge_round
from esper.vm.governance.places import (
    check_not_elsewhere,
    check_tier_limit,
    is_tier_free,
)
from esper.vm.governance.planned import (
    act_due,
    change_of,
    model_of,
    settings_by,
    tiers_by,
)
from esper.vm.governance.reports.report_steps import settle_reports, step_reports
from esper.vm.ledger import Ledger


def begin_block(ledger: Ledger, context: ExecutionContext) -> None:
    """All three; credits have accrued, and no transaction was executed."""
    records = DaoLedger(ledger)
    totals = ledger.totals
    if records.governance.epoch != totals.epoch:
        noted = replace(records.governance, epoch=totals.epoch, stake=totals.total_stake)
        records.set_governance(noted)
    act_due(records, context.height)
    for live in records.governance.live:
        if live.next == context.height:
            _Stepping(ledger, context).go_on(live.number)


class _Stepping:
    def __init__(self, ledger: Ledger, context: ExecutionContext) -> None:
        self._ledger = ledger
        self._records = DaoLedger(ledger)
        self._context = context
        self._rules = context.genesis.governance

    def go_on(self, number: int) -> None:
        # One before it in the list may have ended it, or moved it.
        live = self._records.numbered(number)
        if live is None or live.next != self._context.height:
            return
        if live.subject == Subject.MODEL and live.step in OPEN:
            step_reports(live, self._records, self._context)
        proposal = self._records.proposal(live.id)
        if live.step in OPEN and own_next(proposal, Step(live.step), self._rules) != live.next:
            return
        match live.step:
            case Step.TAIL:
                self._note_tail(live, proposal)
            case Step.CLOSE:
                self._close(live, proposal)
            case Step.DRAW:
                self._draw(live, proposal)
            case Step.ROUND0:
                judge_round(live, self._ledger, self._context)
                self._records.move(live, Step.CHECK, check_height(proposal, self._rules))
            case Step.CHECK if live.subject == Subject.CHANGE:
                self._check_change(live, proposal)
            case Step.CHECK:
                self._check_model(live, proposal)
            case Step.ACT if live.subject == Subject.MODEL:
                after = proposal.active + self._rules.draw_depth + 1
                self._records.move(live, Step.DRAW1, after)
            case Step.DRAW1:
                self._draw_again(live, proposal)
            case Step.ROUND1:
                judge_round(live, self._ledger, self._context)
                self._await_trial(live, proposal)
            case Step.TRIAL:
                self._judge_trial(live, proposal)
            case _:
                end(live, self._records)

    def _note_tail(self, live: Live, proposal: Proposal) -> None:
        ahead = is_passing(proposal, self._records, self._rules)
        self._records.set_proposal(live.id, replace(proposal, ahead=int(ahead)))
        self._records.move(live, Step.CLOSE, open_next(proposal, Step.CLOSE, self._rules))

    def _close(self, live: Live, proposal: Proposal) -> None:
        passed = is_passing(proposal, self._records, self._rules)
        if proposal.subject != Subject.ROLLBACK:
            later = extended(proposal, passed, self._rules)
            if later is not None:
                self._records.set_proposal(live.id, later)
                self._records.move(live, Step.CLOSE, open_next(later, Step.CLOSE, self._rules))
                return
        settle_bond(live, passed, self._records, self._rules)
        settle_reports(live, self._records)
        proposal = self._records.proposal(live.id)
        match proposal.subject:
            case Subject.MODEL if passed and self._has_place(live, proposal):
                self._records.set_proposal(live.id, replace(proposal, final=proposal.close))
                after = proposal.close + self._rules.draw_depth + 1
                self._records.move(live, Step.DRAW, after)
            case Subject.CHANGE if passed:
                active = proposal.close + self._rules.grace
                proposal = replace(proposal, final=proposal.close, active=active)
                self._records.set_proposal(live.id, proposal)
                self._records.move(live, Step.CHECK, check_height(proposal, self._rules))
            case Subject.ROLLBACK:
                close_rollback(live, passed, self._records)
            case _:
                end(live, self._records)

    def _has_place(self, live: Live, proposal: Proposal) -> bool:
        tiers, body = tiers_by(self._records), model_of(proposal)
        try:
            check_tier_limit(live.tier, tiers, self._records)
            check_not_elsewhere(body, tiers, self._records)
            tier = tiers.find(live.tier)
            if tier is not None and tier.model.model_id == body.entry.model_id:
                check_still_extends(body, tier)
            elif not proposal.fee:
                # A longer bank when it was opened, which brings no fee and needs no report. Its
                # model was taken back meanwhile, and does not return by that door.
                return False
        except (DaoViolation, ProposalViolation):
            return False
        return is_tier_free(live.tier, self._records) and (tier is None) == (body.share != 0)

    def _draw(self, live: Live, proposal: Proposal) -> None:
        seed = drawn_seed(self._context.beacon, live.id)
        proposal = drawn(proposal, seed, self._rules)
        self._records.set_proposal(live.id, proposal)
        if draw_sets(live, seed, self._ledger, self._context):
            self._move_to_round(live, Step.ROUND0)
        else:
            self._records.move(live, Step.CHECK, check_height(proposal, self._rules))

    def _draw_again(self, live: Live, proposal: Proposal) -> None:
        seed = drawn_seed(self._context.beacon, live.id)
        self._records.set_proposal(live.id, replace(proposal, seed=seed))
        if draw_sets(live, seed, self._ledger, self._context):
            self._move_to_round(live, Step.ROUND1)
        else:
            self._await_trial(live, proposal)

    def _move_to_round(self, live: Live, step: Step) -> None:
        self._records.move(live, step, self._context.height + self._rules.round_window)

    def _await_trial(self, live: Live, proposal: Proposal) -> None:
        judged = proposal.active + self._rules.trial - self._rules.horizon
        self._records.move(live, Step.TRIAL, judged)

    def _check_model(self, live: Live, proposal: Proposal) -> None:
        tier = self._records.tier(live.tier)
        share = model_of(proposal).share if tier is None else tier.share
        match readiness(proposal, share, self._rules):
            case Verdict.CONFIRMED:
                self._records.confirm(Due(proposal.active, Op.ACTIVATE, live.id))
                self._records.set_proposal(live.id, replace(proposal, seen=0, ready=0))
                self._records.move(live, Step.ACT, proposal.active)
            case Verdict.POSTPONED:
                proposal = postponed(proposal, self._rules)
                self._records.set_proposal(live.id, proposal)
                self._records.move(live, Step.CHECK, check_height(proposal, self._rules))
            case Verdict.ENDED:
                end(live, self._records)

    def _check_change(self, live: Live, proposal: Proposal) -> None:
        tiers = tiers_by(self._records, proposal.active)
        if not self._change_holds(proposal, tiers):
            end(live, self._records)
            return
        self._records.confirm(Due(proposal.active, Op.CHANGE, live.id))
        self._records.move(live, Step.ACT, proposal.active)

    def _change_holds(self, proposal: Proposal, tiers: TierRegistry) -> bool:
        body = change_of(proposal)
        genesis = self._context.genesis
        values = settings_by(self._records, proposal.active)
        try:
            check_change(
                body, tiers, genesis, in_force(genesis, values), moved_at(values), proposal.active
            )
        except ProposalViolation:
            return False
        if not body.retire:
            return True
        # Its miners have gone elsewhere, and nothing of the tier is under way or on trial.
        found = tiers.tier(body.retire[0])
        idle = READY_PART * proposal.ready >= proposal.seen
        return is_tier_free(found.id, self._records) and not found.previous and idle

    def _judge_trial(self, live: Live, proposal: Proposal) -> None:
        tier = self._records.tier(live.tier)
        won = trial_won(proposal, tier is not None and bool(tier.previous))
        ends = proposal.active + self._rules.trial
        self._records.confirm(Due(ends, Op.SETTLE if won else Op.REVERT, live.id))
        self._records.move(live, Step.END, ends)
