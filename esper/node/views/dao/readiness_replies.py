"""Counts of blocks before something acts, or while it is on trial, as the RPC shows them."""

from esper.dao.bodies import ChangeBody
from esper.dao.records import Live, Proposal
from esper.dao.steps import COUNTED, POSTPONED_PART, READY_PART, Step, Subject
from esper.node.mining.ready_desk import ReadyOffer
from esper.node.views.dao.dao_words import subject_word
from esper.node.views.dao.sight import Sight
from esper.primitives.units import FIXED_POINT_ONE
from esper.rpc import schema as s
from esper.vm.governance.planned import body_of, change_of, model_of


def dao_readiness(sight: Sight) -> s.DaoReadiness:
    """One for each proposal that is counted, or will be at its present step."""
    lives = [one for one in sight.records.governance.live if _is_counted(one, sight)]
    return s.DaoReadiness(proposals=[_reply(one, sight) for one in lives], as_of=sight.as_of)


def needed(proposal: Proposal, live: Live, sight: Sight) -> int:
    """Least ready blocks of those that were seen, by ``dao.steps`` and ``vm.governance``."""
    if live.step == Step.TRIAL or live.subject == Subject.CHANGE:
        return -(-proposal.seen // READY_PART)
    part = POSTPONED_PART if proposal.postponed else READY_PART
    if proposal.seen:
        return -(-proposal.seen // part)
    tier = sight.records.tier(live.tier)
    share = model_of(proposal).share if tier is None else tier.share
    return max(1, -(-share * sight.rules.count_window // (FIXED_POINT_ONE * part)))


def rehearsal_reply(offer: ReadyOffer, live: Live, sight: Sight) -> s.RehearsalReply:
    """What a payee has to sign, or has signed."""
    return s.RehearsalReply(
        number=live.number,
        id=live.id.hex(),
        room=offer.prove.room,
        body=offer.prove.body.hex(),
        nonce=offer.nonce,
        reward_height=offer.reward_height,
        last_height=offer.last_height,
        signed=None if offer.signed is None else offer.signed.hex(),
        lapsed=offer.lapsed,
        as_of=sight.as_of,
    )


def _is_counted(live: Live, sight: Sight) -> bool:
    if live.step not in COUNTED:
        return False
    body = body_of(sight.records.proposal(live.id))
    # Of the changes, those that end a tier alone: its miners have to be elsewhere.
    return not isinstance(body, ChangeBody) or bool(body.retire)


def _reply(live: Live, sight: Sight) -> s.ReadinessReply:
    proposal = sight.records.proposal(live.id)
    is_change = live.subject == Subject.CHANGE
    return s.ReadinessReply(
        number=live.number,
        id=live.id.hex(),
        subject=subject_word(live.subject),
        tier=change_of(proposal).retire[0] if is_change else live.tier,
        phase="trial" if live.step == Step.TRIAL else "check",
        begins=max(live.next - sight.rules.count_window, 0),
        ends=live.next,
        seen=proposal.seen,
        ready=proposal.ready,
        needed=needed(proposal, live, sight),
        postponed=bool(proposal.postponed),
    )
