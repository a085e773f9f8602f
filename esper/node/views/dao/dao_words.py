"""Steps and bodies of proposals in words."""

from typing import Final

from esper.dao.bodies import Body, ChangeBody, ModelBody, RollbackBody
from esper.dao.records import Live, Proposal
from esper.dao.schedule import Op
from esper.dao.settings import SETTINGS
from esper.dao.steps import Step, Subject
from esper.primitives.units import FIXED_POINT_ONE
from esper.vm.governance.dao_ledger import DaoLedger

SHOWN_DIGITS: Final = 16
"""Of an id in a line."""
ENDS: Final = {
    Op.SETTLE: "the trial is won: the replaced model goes",
    Op.REVERT: "the replaced model comes back",
}


def subject_word(subject: int) -> str:
    """model, change, rollback."""
    return Subject(subject).name.lower()


def step_word(step: int) -> str:
    """As ``dao.steps`` names it."""
    return Step(step).name.lower()


def then_of(live: Live, proposal: Proposal, records: DaoLedger) -> str:
    """What happens at its next height, as a sentence."""
    is_model = live.subject == Subject.MODEL
    match live.step:
        case Step.TAIL:
            return f"the outcome so far is noted; the vote closes at {proposal.close}"
        case Step.CLOSE if live.subject == Subject.ROLLBACK:
            return "the vote closes"
        case Step.CLOSE:
            return "the vote closes, or is extended if its outcome swung"
        case Step.DRAW:
            return "the activation height is drawn"
        case Step.CHECK if is_model:
            return f"readiness is judged; confirmed, it acts at {proposal.active}"
        case Step.CHECK:
            return f"its rules are judged again; then it acts at {proposal.active}"
        case Step.ACT:
            return "the model becomes active" if is_model else "the change acts"
        case Step.DRAW1:
            return "a seed is drawn for the trial"
        case Step.ROUND0 | Step.ROUND1:
            return "the round of hidden sets is judged"
        case Step.TRIAL:
            return "the trial is judged"
    ops = [due.op for due in records.governance.schedule if due.id == live.id]
    return ENDS.get(Op(ops[-1]), "it ends") if ops else "it ends"


def about(body: Body) -> str:
    """What a body would do, in one line."""
    match body:
        case ModelBody():
            name = body.name.decode("ascii") or body.entry.model_id.hex()[:SHOWN_DIGITS] + "…"
            share = (
                f", new, with {100 * body.share / FIXED_POINT_ONE:.2f} % of all blocks"
                if body.share
                else ""
            )
            return f"model {name} for tier {body.entry.tier}{share}"
        case ChangeBody():
            return _change(body)
        case RollbackBody():
            return f"rollback of {body.proposal.hex()[:SHOWN_DIGITS]}…"


def setting_name(key: int) -> str:
    """A parameter by its name, or its number where it has none."""
    setting = SETTINGS.get(key)
    return str(key) if setting is None else setting.name


def _change(body: ChangeBody) -> str:
    parts = [f"{setting_name(one.of)} to {one.to}" for one in body.settings]
    parts += [f"tier {tier} ends" for tier in body.retire]
    parts += [f"share of tier {one.of} to {one.to}" for one in body.shares]
    parts += [f"omega of tier {one.of} to {one.to}" for one in body.omegas]
    parts += [f"{len(texts)} benchmark texts" for texts in body.texts]
    return ", ".join(parts)
