"""The model of a tier that is proposed for it again: as another one, by a change of its own."""

from dataclasses import replace

from esper.consensus.tiers import entry_of
from esper.dao.omega import computed_omega
from esper.dao.registry import ONE
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from tests.support.dao_world import (
    RULES,
    TICKET,
    DaoWorld,
    change_body,
    model_body,
    own_entry,
)
from tests.support.vm_world import ALICE, COIN

G, R, L = RULES.grace, RULES.trial, RULES.horizon
V = 26
"""Longer than L, as on mainnet: a vote that is open while a trial is judged closes after it."""
SLOW = replace(
    REGTEST,
    credits=replace(REGTEST.credits, epoch_blocks=20),
    reward=replace(REGTEST.reward, unbonding=40),
    governance=replace(RULES, vote_window=V),
)


def passed(world: DaoWorld, txid: Txid) -> Txid:
    world.vote(txid, ALICE)
    return txid


def test_the_old_model_comes_back_under_another_ticket_while_the_new_one_fails() -> None:
    """Proposed as another model when the new one was the tier's own, it is its own when it passes.

    The rule of one's own model, that ticket and omega stay, was not asked; and headers, which name
    model and bank alone, could not tell the two entries apart: nobody may mine the old ticket.
    """
    world = DaoWorld(SLOW)
    world.stake(600, 300, 100)
    new = passed(world, world.propose(model_body(), bond=3 * COIN))
    opened = world.proposal(new).opened
    while not world.proposal(new).active:
        world.block()
    world.make_ready(new)
    active = world.proposal(new).active
    world.until(active + R - V - 1, fresh=False)
    ticket = replace(TICKET, rows=128)
    again = model_body(
        0,
        entry=REGTEST.model,
        puzzle=ticket,
        omega=computed_omega(ticket, REGTEST.model, TICKET, REGTEST.model),
    )
    old = passed(world, world.propose(again, bond=3 * COIN))
    assert opened < active < world.height < active + R - L
    world.until(active + R + 3, fresh=False)
    (tier,) = world.registry.tiers
    assert (tier.model, tier.puzzle) == (REGTEST.model, TICKET)
    if world.live(old) is None:
        return
    world.make_ready(old)
    world.until(world.proposal(old).active)
    (tier,) = world.registry.tiers
    named = {entry_of(0, one.model.model_id, one.model.bank_root, world.registry).puzzle
             for one in tier.entries}  # fmt: skip
    assert len(named) == len(tier.entries), "of two entries headers can name one alone"


def test_a_longer_bank_brings_back_no_omega_that_was_voted_away() -> None:
    """A change and a longer bank of one model, both by the rules when they were opened."""
    world = DaoWorld()
    world.stake(600, 300, 100)
    longer = model_body(0)
    heavier = passed(world, world.propose(change_body(omegas=[(0, ONE + ONE // 5)]), bond=COIN))
    txid = passed(world, world.propose(longer, bond=3 * COIN))
    while not world.proposal(txid).active:
        world.block()
    world.make_ready(txid)
    active = world.proposal(txid).active
    world.until(active - 2)
    assert world.live(heavier) is None
    assert world.registry.tiers[0].omega == ONE + ONE // 5
    world.until(active)
    (tier,) = world.registry.tiers
    assert tier.model in (longer.entry, REGTEST.model)
    assert tier.omega == ONE + ONE // 5
    assert own_entry(longer).omega == ONE
