"""What the state says of models, and what follows for packages, block by block of a real vote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from esper.node.models.proposals import extended_by, mined, proposed
from esper.node.models.wanted import Note, Notes, Wanted, mined_as, wanted
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from tests.support.dao_world import RULES, DaoWorld, model_body
from tests.support.vm_world import ALICE, COIN

UNDO = REGTEST.limits.undo_depth
GENESIS = mined_as(REGTEST.model)
OLD_PACKAGE, NEW_PACKAGE = b"o" * 64, b"n" * 64
OLD = Note(Txid(b"o" * 64), 1, replace(model_body(), entry=REGTEST.model, package=OLD_PACKAGE))


def begun() -> DaoWorld:
    world = DaoWorld()
    world.stake(600, 300, 100)
    world.until(19)
    return world


def chain_of(world: DaoWorld) -> Any:
    return SimpleNamespace(height=world.height, registry=world.registry)


def followed(
    world: DaoWorld, notes: Notes, until: int, at: Callable[[int, Wanted], None], **how: Any
) -> Notes:
    """Look at every tip to a height, with both packages on the disk."""
    while True:
        found = wanted(
            notes,
            proposed(world.state),
            mined(chain_of(world), world.state),
            (OLD_PACKAGE, NEW_PACKAGE),
            height=world.height,
            undo_depth=UNDO,
            genesis=GENESIS,
        )
        at(world.height, found)
        notes = found.notes
        if world.height == until:
            return notes
        world.block(**how)


def test_a_package_comes_with_the_close_and_the_replaced_one_goes_after_the_trial() -> None:
    world = begun()
    txid = world.propose(model_body(package=NEW_PACKAGE), bond=3 * COIN)
    world.vote(txid, ALICE)
    fetched: list[int] = []
    deleted: dict[bytes, int] = {}

    def at(height: int, found: Wanted) -> None:
        if any(note.root == NEW_PACKAGE for note in found.fetch):
            fetched.append(height)
        for root in found.delete:
            deleted.setdefault(root, height)

    notes = followed(world, {OLD.proposal: OLD}, 34, at)
    world.make_ready(txid)
    active = world.proposal(txid).active
    end = active + RULES.trial + UNDO
    followed(world, notes, end + 3, at)
    # Closed at 32, active at 64, settled at 104: from its close on, without a gap.
    assert fetched == list(range(32, end + 4))
    assert deleted == {OLD_PACKAGE: active + RULES.trial + UNDO}


def test_what_was_voted_down_goes_the_undo_depth_after_its_end() -> None:
    world = begun()
    txid = world.propose(model_body(package=NEW_PACKAGE), bond=3 * COIN)
    world.vote(txid, ALICE, choice=0)
    deleted: list[int] = []

    def at(height: int, found: Wanted) -> None:
        assert found.fetch == ()
        if NEW_PACKAGE in found.delete:
            deleted.append(height)

    followed(world, {}, 32 + UNDO, at)
    assert world.live(txid) is None
    assert deleted == [32 + UNDO]


def test_a_proposal_is_told_as_the_state_keeps_it() -> None:
    world = begun()
    world.propose(model_body(), bond=3 * COIN)
    (found,) = proposed(world.state)
    assert found.body == replace(model_body(), descriptor=b"")
    assert (found.number, found.is_final) == (1, False)


def test_a_longer_bank_extends_its_tier_s_own() -> None:
    chain = chain_of(DaoWorld())
    assert extended_by(model_body(0).entry, chain) == REGTEST.model
    assert extended_by(model_body(1).entry, chain) is None
    assert extended_by(REGTEST.model, chain) is None
    assert extended_by(model_body(1, tier=7).entry, chain) is None
