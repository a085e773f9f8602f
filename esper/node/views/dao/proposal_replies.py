"""Live proposals as the RPC shows them."""

from esper.dao.bodies import ChangeBody, ModelBody, Moved, RollbackBody
from esper.dao.records import Live, Proposal
from esper.dao.schedule import Op
from esper.dao.steps import OPEN, Step, Subject, check_height, tally_of
from esper.dao.tally import bond_lost, has_quorum
from esper.node.views.dao.dao_words import about, setting_name, step_word, subject_word, then_of
from esper.node.views.dao.sight import Sight
from esper.node.views.id_names import only_one
from esper.node.views.rpc_formats import address_text
from esper.rpc import schema as s
from esper.rpc.errors import NOT_FOUND, RpcError
from esper.vm.governance.closing import CANCELLED, REVERTED, is_passing
from esper.vm.governance.electorate import bond_unit
from esper.vm.governance.planned import body_of


def dao_list(sight: Sight) -> s.DaoList:
    """All that is under way."""
    governance = sight.records.governance
    return s.DaoList(
        proposals=[live_reply(live, sight) for live in governance.live],
        schedule=[
            s.DueAct(height=due.height, act=Op(due.op).name.lower(), id=due.id.hex())
            for due in governance.schedule
        ],
        stake=str(governance.stake),
        bond_unit=str(bond_unit(governance.stake, sight.rules)),
        as_of=sight.as_of,
    )


def proposal_named(beginning: str, sight: Sight) -> Live:
    """The live proposal whose id begins so. Raises RpcError for none and for several."""
    lives = {one.id: one for one in sight.records.governance.live}
    found = [txid for txid in lives if txid.hex().startswith(beginning)]
    if not found:
        raise RpcError(
            NOT_FOUND,
            f"no proposal {beginning[:16]}… is under way: it is in no block yet, has ended, or is "
            "no proposal; `esper tx` says which",
        )
    return lives[only_one(beginning, found, "proposals", "id")]


def live_reply(live: Live, sight: Sight) -> s.LiveProposal:
    """How a proposal stands."""
    records, rules = sight.records, sight.rules
    proposal = records.proposal(live.id)
    tally = tally_of(proposal)
    return s.LiveProposal(
        number=live.number,
        id=live.id.hex(),
        subject=subject_word(live.subject),
        tier=None if live.subject == Subject.CHANGE else live.tier,
        about=about(body_of(proposal)),
        step=step_word(live.step),
        open=live.step in OPEN,
        next=live.next,
        then=then_of(live, proposal, records),
        yes=str(tally.yes),
        no=str(tally.no),
        abstain=str(tally.abstain),
        quorum=str(proposal.quorum),
        quorum_reached=has_quorum(tally, proposal.quorum, rules),
        passing=is_passing(proposal, records, rules),
        bond=str(proposal.bond),
        proposer=address_text(proposal.proposer, sight.genesis),
    )


def proposal_reply(live: Live, sight: Sight) -> s.ProposalReply:
    """Everything about a proposal."""
    records, rules = sight.records, sight.rules
    proposal = records.proposal(live.id)
    body = body_of(proposal)
    passing = is_passing(proposal, records, rules)
    lost = bond_lost(proposal.bond, tally_of(proposal), proposal.quorum, passing, rules)
    active = proposal.active or None
    word, until = rollback_of(live, proposal, sight)
    return s.ProposalReply(
        live=live_reply(live, sight),
        fee=str(proposal.fee),
        base=str(proposal.base),
        opened=proposal.opened,
        epoch=proposal.epoch,
        stake=str(proposal.stake),
        closes=proposal.close,
        extensions=proposal.extensions,
        ahead=bool(proposal.ahead),
        seed=proposal.seed.hex(),
        final=proposal.final or None,
        check=None if active is None else check_height(proposal, rules),
        active=active,
        trial_ends=_trial_end(live, active, rules.trial),
        postponed=bool(proposal.postponed),
        seen=proposal.seen,
        ready=proposal.ready,
        burns=str(lost if live.step in OPEN else 0),
        rollback=word,
        rollback_until=until,
        as_of=sight.as_of,
        model=_model(body) if isinstance(body, ModelBody) else None,
        change=_change(body) if isinstance(body, ChangeBody) else None,
        target=body.proposal.hex() if isinstance(body, RollbackBody) else "",
    )


def rollback_of(live: Live, proposal: Proposal, sight: Sight) -> tuple[str, int | None]:
    """How a rollback would end a model now, and the last height of a block that may open one.

    Nothing and None for what cannot be taken back, or not any more.
    """
    rules = sight.rules
    if live.subject != Subject.MODEL:
        return "", None
    # As ``rollback_rules`` has it: the vote ends before the model is judged.
    if live.step in CANCELLED:
        word, latest = "cancel", proposal.active - rules.horizon - 1
    elif live.step in REVERTED:
        word, latest = "revert", proposal.active + rules.trial - rules.horizon
    else:
        return "", None
    until = latest - rules.rollback_window
    return (word, until) if sight.as_of.height < until else ("", None)


def _trial_end(live: Live, active: int | None, trial: int) -> int | None:
    if live.subject != Subject.MODEL or active is None:
        return None
    # A model that was taken back by vote goes earlier.
    return live.next if live.step == Step.END else active + trial


def _model(body: ModelBody) -> s.ProposedModel:
    entry, puzzle = body.entry, body.puzzle
    return s.ProposedModel(
        model_id=entry.model_id.hex(),
        tier=entry.tier,
        share=body.share,
        omega=str(body.omega),
        sequences=puzzle.sequences,
        rows=puzzle.rows,
        input_tokens=puzzle.input_tokens,
        max_answer=puzzle.max_answer,
        vocab=entry.shape.vocab,
        max_seq=entry.shape.max_seq,
        bank_size=entry.bank_size,
        bank_root=entry.bank_root.hex(),
        package=body.package.hex(),
        bank_text=body.bank_text.hex(),
        name=body.name.decode("ascii"),
        licence=body.licence.decode("ascii"),
        link=body.link.decode("ascii"),
    )


def _change(body: ChangeBody) -> s.ProposedChange:
    return s.ProposedChange(
        settings=[s.KeyValue(setting_name(one.of), str(one.to)) for one in body.settings],
        shares=[_number(one) for one in body.shares],
        omegas=[_number(one) for one in body.omegas],
        retire=body.retire[0] if body.retire else None,
        texts=[text.hex() for text in body.texts[0]] if body.texts else None,
        link=body.link.decode("ascii"),
    )


def _number(one: Moved) -> s.TierNumber:
    return s.TierNumber(tier=one.of, value=str(one.to))
