"""Subject 1: who mined of late shows that it runs a model that is about to be activated."""

from dataclasses import replace

from esper.dao.ready import ReadyBody
from esper.dao.steps import Subject
from esper.primitives.errors.dao_errors import (
    ProveTargetViolation,
    ReadinessViolation,
    ReadyTwiceViolation,
    RewardMissingViolation,
)
from esper.primitives.ids import Txid
from esper.vm.governance.dao_ledger import AWAITED, DaoLedger
from esper.vm.ledger import Ledger


def check_readiness(sender: bytes, target: Txid, body: ReadyBody, ledger: Ledger) -> None:
    """A model waits for it, for the first time of this sender, who has mined.

    Raises ProveTargetViolation, ReadinessViolation, ReadyTwiceViolation or RewardMissingViolation.
    """
    records = DaoLedger(ledger)
    live = records.live(target)
    if live is None or live.subject != Subject.MODEL:
        raise ProveTargetViolation(target)
    if live.step not in AWAITED:
        raise ReadinessViolation(live.number)
    if live.number in records.voter(sender).ready:
        raise ReadyTwiceViolation(live.number)
    reward = ledger.reward(body.reward_height)
    if reward is None or reward.payee != sender:
        raise RewardMissingViolation(body.reward_height)


def note_ready(sender: bytes, target: Txid, ledger: Ledger) -> None:
    """The sender's blocks count for the model from now on."""
    records = DaoLedger(ledger)
    live = records.place(target)
    voter = records.voter(sender)
    ready = tuple(sorted({*voter.ready, live.number}))
    records.set_voter(sender, replace(voter, ready=ready))
