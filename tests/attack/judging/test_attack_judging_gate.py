"""Ways past the gate: models that a report has to stand for, and none does."""

from dataclasses import replace

from esper.crypto.signing import KeyPair
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from tests.support.bench_suites import item, text_suite
from tests.support.dao_world import RULES, DaoWorld, change_body, model_body
from tests.support.vm_world import ALICE, COIN

TEXT = bytes([1]) * 64
SUITE = text_suite([item()])
V = 26
"""Longer than L, as on mainnet: a vote that is open while a trial is judged closes after it."""
SLOW = replace(
    REGTEST,
    credits=replace(REGTEST.credits, epoch_blocks=20),
    reward=replace(REGTEST.reward, unbonding=40),
    governance=replace(RULES, vote_window=V),
)


def passed(world: DaoWorld, txid: Txid, who: KeyPair = ALICE) -> Txid:
    world.vote(txid, who)
    return txid


def test_a_longer_bank_of_a_model_that_failed_is_no_way_past_the_gate() -> None:
    world = DaoWorld(SLOW)
    world.stake(600, 300, 100)
    # Before any text was registered.
    new = passed(world, world.propose(model_body(), bond=3 * COIN))
    texts = passed(world, world.propose(change_body(texts=((TEXT,),)), bond=9 * COIN))
    while not world.proposal(new).active:
        world.block()
    world.make_ready(new)
    active = world.proposal(new).active
    world.until(active + RULES.trial - V - 1, fresh=False)
    assert world.live(texts) is None
    assert world.records.settings.texts == (TEXT,)
    bank = replace(
        model_body().entry, bank_root=bytes([5]) * 64, bank_size=model_body().entry.bank_size + 1
    )
    longer = passed(world, world.propose(model_body(entry=bank), bond=4 * COIN))
    assert world.proposal(longer).gate == 0
    world.until(active + RULES.trial + 3, fresh=False)
    (tier,) = world.registry.tiers
    assert tier.model == REGTEST.model
    assert world.live(longer) is None
