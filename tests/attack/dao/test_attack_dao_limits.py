"""Lists at their limits: what votes, each by the rules, may put into the records of the DAO."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from esper.dao.bodies import RollbackBody
from esper.dao.records import MAX_LIVE, MAX_SCHEDULE
from esper.dao.registry import MAX_TIERS
from esper.dao.settings import SETTINGS
from esper.dao.steps import Step
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import Txid
from esper.vm.execute import TransactionRun
from esper.vm.governance.places import under_way
from esper.vm.governance.vote import Vote
from tests.support.dao_world import DaoWorld, change_body, model_body, proposing, proving
from tests.support.vm_world import ALICE, BOB, COIN, MINER, make

BOND = 300 * COIN
KEYS = (1, 2, 3, 4, 11, 12, 13, 14)
"""Parameters that double without a further condition."""


class Majority:
    """Nine tenths of all stake who say yes to everything, and a miner who is always ready."""

    def __init__(self) -> None:
        self.world = DaoWorld()
        self.world.stake(600, 300, 100)
        self.names = count(1)
        self.later: list[Txid] = []

    def new_tiers(self, first: int) -> list[Txid]:
        """Models for seven tiers that are not there, opened and voted for."""
        bodies = [
            model_body(next(self.names), tier=tier, share=1024) for tier in range(first, first + 7)
        ]
        return self.voted(self.world.block(*((ALICE, proposing(one, BOND)) for one in bodies)))

    def changes(self) -> list[Txid]:
        """Eight parameters are doubled."""
        params = self.world.context().params
        doubled = [(key, 2 * SETTINGS[key].of(params)) for key in KEYS]
        bodies = [change_body(settings=[one]) for one in doubled]
        return self.voted(self.world.block(*((ALICE, proposing(one, BOND)) for one in bodies)))

    def rollbacks(self, models: list[Txid]) -> list[Txid]:
        """One for each."""
        return self.world.block(*((ALICE, proposing(RollbackBody(one), BOND)) for one in models))

    def voted(self, txids: list[Txid]) -> list[Txid]:
        self.world.block(*((who, Vote(one, 1)) for one in txids for who in (ALICE, BOB)))
        return txids

    def ready(self, models: list[Txid]) -> None:
        self.past(models, Step.CHECK)
        self.world.block(*((MINER, proving(one, self.world.height)) for one in models))

    def past(self, txids: list[Txid], step: Step) -> None:
        while {self.world.step(txid) for txid in txids} != {step}:
            self.world.block()


@contextmanager
def or_refused_by(rule: str) -> Iterator[None]:
    """Blocks that may be refused, by this rule alone."""
    try:
        yield
    except RejectedTransactionViolation as violation:
        if violation.rule_broken != rule:
            raise


@pytest.fixture(scope="module")
def players() -> Majority:
    """Seven tiers were taken back before they came, and the seven after them have passed.

    Beside them eight changes wait to act, and eight models of tier 0 are open to votes.
    """
    found = Majority()
    world = found.world
    first = found.new_tiers(1)
    found.past(first, Step.DRAW)
    found.changes()
    found.ready(first)
    found.past(first, Step.ACT)
    found.voted(found.rollbacks(first))
    assert {world.step(one) for one in first} == {Step.END}
    with or_refused_by("TierLimitViolation"):
        found.later = found.new_tiers(8)
        found.past(found.later, Step.DRAW)
    bodies = [model_body(next(found.names)) for _ in range(8)]
    world.block(*((ALICE, proposing(one, BOND)) for one in bodies))
    return found


def test_tiers_that_are_about_to_go_count_for_the_limit_of_tiers(players: Majority) -> None:
    assert len(under_way(players.world.records)) <= MAX_TIERS


def test_votes_fill_no_record_beyond_what_it_holds(players: Majority) -> None:
    """A proposal more is refused by a rule, and blocks go on."""
    players.world.block()
    with or_refused_by("OpenLimitViolation"):
        players.rollbacks(players.later)
    governance = players.world.records.governance
    assert len(governance.live) <= MAX_LIVE
    assert len(governance.schedule) <= MAX_SCHEDULE


def test_a_draft_leaves_out_what_the_record_does_not_hold(players: Majority) -> None:
    """Whatever waits, miners go on: one proposal would stop the search of everybody."""
    world = players.world
    world.block()
    run = TransactionRun(world.state, world.context())
    nonce = world.account(ALICE).nonce
    for at, one in enumerate(players.later):
        try:
            run.offer(make(ALICE, proposing(RollbackBody(one), BOND), nonce + at))
        except TransactionViolation:
            break
    run.result()
