"""Lists at their limits: what votes, each by the rules, may put into the records of the DAO."""

from itertools import count

import pytest

from esper.dao.bodies import RollbackBody
from esper.dao.records import MAX_LIVE, MAX_SCHEDULE
from esper.dao.settings import SETTINGS
from esper.dao.steps import Step
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.ids import Txid
from esper.primitives.networks import NETWORKS
from esper.primitives.params import NetworkParameters
from esper.vm.governance.places import under_way
from esper.vm.governance.vote import Vote
from tests.support.dao_world import DaoWorld, change_body, model_body, proposing, proving
from tests.support.vm_world import ALICE, BOB, COIN, MINER

BOND = 300 * COIN
KEYS = (1, 2, 3, 4, 11, 12, 13, 14)
"""Parameters that double without a further condition."""


class Majority:
    """Nine tenths of all stake who say yes to everything, and a miner who is always ready."""

    def __init__(self) -> None:
        self.world = DaoWorld()
        self.world.stake(600, 300, 100)
        self.names = count(1)

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


def taken_back() -> tuple[Majority, list[Txid]]:
    """Seven models of tiers that they came with, taken back before they acted; and changes."""
    players = Majority()
    models = players.new_tiers(1)
    players.past(models, Step.DRAW)
    players.changes()
    players.ready(models)
    players.past(models, Step.ACT)
    players.voted(players.rollbacks(models))
    assert {players.world.step(one) for one in models} == {Step.END}
    return players, models


def test_tiers_that_are_about_to_go_still_count_for_the_limit_of_tiers() -> None:
    players, _ = taken_back()
    world = players.world
    try:
        later = players.new_tiers(8)
        players.past(later, Step.CHECK)
    except RejectedTransactionViolation as violation:
        assert violation.rule == "TierLimitViolation"
    assert len(under_way(world.records)) <= 8


def test_no_votes_fill_the_record_beyond_what_it_holds() -> None:
    """Whatever passed, a proposal more is refused by a rule, and blocks go on."""
    players, gone = taken_back()
    world = players.world
    try:
        later = players.new_tiers(8)
        while world.records.governance.live[-1].step != Step.CHECK:
            world.block()
            if world.step(later[0]) == Step.DRAW and len(world.records.governance.live) < 25:
                open_ones = [model_body(next(players.names)) for _ in range(8)]
                world.block(*((ALICE, proposing(one, BOND)) for one in open_ones))
            if world.step(later[0]) == Step.CHECK:
                break
        assert world.live(gone[0]) is not None
        players.rollbacks(later)
    except RejectedTransactionViolation as violation:
        assert violation.rule in ("TierLimitViolation", "OpenLimitViolation")
    world.block()
    assert len(world.records.governance.live) <= MAX_LIVE
    assert len(world.records.governance.schedule) <= MAX_SCHEDULE
