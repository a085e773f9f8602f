"""A model from its proposal to its trial, and what may keep it from there, block by block."""

from esper.dao.bodies import RollbackBody
from esper.dao.steps import Step
from esper.primitives.ids import Txid
from tests.support.dao_world import RULES, DaoWorld, change_body, model_body, own_entry
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, MINER

V, TAIL, VR = RULES.vote_window, RULES.vote_tail, RULES.rollback_window
D, L, W = RULES.draw_depth, RULES.horizon, RULES.count_window
P, G, R = RULES.postponement, RULES.grace, RULES.trial


def begun() -> DaoWorld:
    """Height 19, as the page's table of regtest begins: 600, 300 and 100 coins are staked."""
    world = DaoWorld()
    world.stake(600, 300, 100)
    world.until(19)
    return world


def test_a_model_is_proposed_voted_rehearsed_activated_and_settled() -> None:
    world = begun()
    genesis, body = world.registry, model_body()
    balance = world.account(ALICE).balance
    txid = world.propose(body, bond=3 * COIN)
    assert world.height == 20
    held = world.proposal(txid)
    assert (held.bond, held.fee) == (3 * COIN - COIN // 4, COIN // 4)
    assert (held.close, held.epoch, held.stake) == (32, 2, 1000 * COIN)
    world.vote(txid, BOB)
    world.vote(txid, CAROL, choice=0)
    world.until(29)
    assert world.step(txid) is Step.TAIL
    world.until(31)
    assert (world.step(txid), world.proposal(txid).ahead) == (Step.CLOSE, 1)
    world.until(32)
    assert (world.step(txid), world.proposal(txid).bond) == (Step.DRAW, 0)
    world.until(34)
    drawn = world.proposal(txid)
    assert (world.step(txid), drawn.active, len(drawn.seed)) == (Step.CHECK, 64, 64)
    world.make_ready(txid)
    world.until(43)
    assert (world.proposal(txid).seen, world.proposal(txid).ready) == (5, 5)
    world.until(44)
    assert world.step(txid) is Step.ACT
    assert [one.height for one in world.schedule] == [64]
    world.until(62)
    assert world.registry == genesis
    world.until(63)
    (tier,) = world.registry.tiers
    assert (tier.own, tier.previous, tier.since) == (own_entry(body), (genesis.tiers[0].own,), 64)
    world.until(83)
    assert (world.proposal(txid).seen, world.proposal(txid).ready) == (5, 5)
    world.until(84)
    assert world.step(txid) is Step.END
    world.until(103)
    (tier,) = world.registry.tiers
    assert (tier.own, tier.previous) == (own_entry(body), ())
    world.until(104)
    assert world.live(txid) is None
    # The bond is back whole, the fee too: nothing but the fee of the transaction is gone.
    fee = balance - world.account(ALICE).balance
    assert 0 < fee < COIN // 100


def to_check(world: DaoWorld, *, ready: bool = True, **fields: int) -> Txid:
    """A passed model that waits to be checked at 44."""
    txid = world.propose(model_body(**fields), bond=3 * COIN)
    world.vote(txid, ALICE)
    world.until(34)
    if ready:
        world.make_ready(txid)
    return txid


def test_who_is_not_ready_in_time_gets_a_second_time_that_asks_for_less() -> None:
    world = begun()
    txid = to_check(world)
    world.until(40, payee=BOB)
    world.until(41, payee=MINER)
    world.until(44, payee=BOB)
    held = world.proposal(txid)
    assert (world.step(txid), held.postponed, held.active) == (Step.CHECK, 1, 64 + P)
    assert (held.seen, held.ready) == (0, 0)
    # A quarter of five blocks is two.
    world.until(48, payee=BOB)
    world.until(50, payee=MINER)
    world.until(52, payee=BOB)
    assert (world.step(txid), world.height) == (Step.ACT, 44 + P)
    assert [one.height for one in world.schedule] == [64 + P]


def test_who_is_never_ready_ends_it() -> None:
    world = begun()
    txid = to_check(world, ready=False)
    world.until(44 + P)
    assert world.live(txid) is None
    assert world.schedule == ()


def test_a_cancelled_model_ends() -> None:
    world = begun()
    txid = to_check(world)
    rollback = world.propose(RollbackBody(txid), sender=BOB)
    assert world.step(rollback) is Step.CLOSE
    world.vote(rollback, ALICE)
    world.until(world.proposal(rollback).close)
    assert world.live(rollback) is None
    assert world.live(txid) is None
    assert world.records.governance.live == ()


def test_a_cancel_without_a_majority_changes_nothing() -> None:
    world = begun()
    txid = to_check(world)
    rollback = world.propose(RollbackBody(txid), sender=BOB)
    world.vote(rollback, ALICE, choice=0)
    world.vote(rollback, BOB)
    world.until(44)
    assert world.live(rollback) is None
    assert world.step(txid) is Step.ACT


def test_two_thirds_take_a_confirmed_model_back() -> None:
    world = begun()
    genesis = world.registry
    txid = to_check(world)
    world.until(69)
    rollback = world.propose(RollbackBody(txid), sender=CAROL)
    world.vote(rollback, ALICE)
    assert world.step(rollback) is Step.CLOSE
    world.vote(rollback, CAROL)
    # 700 of 1,000 are two thirds: it acts at once, L later, and the bond is back.
    assert world.live(rollback) is None
    assert [one.height for one in world.schedule] == [72 + L]
    assert world.step(txid) is Step.END
    world.until(72 + L - 1)
    assert world.registry.tiers[0].own == genesis.tiers[0].own
    world.until(72 + L)
    assert world.records.governance.live == ()
    assert world.registry.tiers[0].previous == ()


def test_a_majority_that_is_less_than_two_thirds_takes_nothing_back() -> None:
    world = begun()
    txid = to_check(world)
    # It closes in the very block in which the trial is judged, behind it.
    world.until(84 - VR - 1)
    rollback = world.propose(RollbackBody(txid), sender=BOB)
    assert world.proposal(rollback).close == 84
    world.vote(rollback, ALICE)
    world.until(84)
    assert world.live(rollback) is None
    assert world.step(txid) is Step.END
    world.until(104)
    assert world.registry.tiers[0].model == model_body().entry


def test_a_model_that_few_mine_is_taken_back_by_itself() -> None:
    world = begun()
    genesis = world.registry
    txid = to_check(world)
    # Two of five are mined with the new model.
    world.until(80)
    world.until(84, fresh=False)
    assert world.step(txid) is Step.END
    world.until(103)
    assert world.registry.tiers[0].own == genesis.tiers[0].own
    world.until(104)
    assert world.records.governance.live == ()


def test_a_new_tier_comes_and_stays_though_idle() -> None:
    world = begun()
    txid = to_check(world, tier=3, share=8192)
    world.until(64)
    assert [(one.id, one.share) for one in world.registry.tiers] == [(0, 57_344), (3, 8192)]
    world.until(104)
    assert world.live(txid) is None
    assert world.records.governance.tiers == (0, 3)


def test_a_new_tier_is_taken_back_as_a_whole() -> None:
    world = begun()
    txid = to_check(world, tier=3, share=8192)
    world.until(66)
    rollback = world.propose(RollbackBody(txid), sender=ALICE)
    world.vote(rollback, ALICE, CAROL)
    world.until(68 + L)
    assert world.records.governance.tiers == (0,)
    assert world.registry.tiers[0].share == 65_536


def test_a_change_acts_after_its_grace_and_holds_from_the_block_after() -> None:
    world = begun()
    old = world.params.limits.fee_per_byte
    txid = world.propose(change_body(settings=[(12, 2 * old)]), bond=2 * COIN)
    world.vote(txid, ALICE)
    world.until(32 + G - L)
    assert world.step(txid) is Step.ACT
    world.until(32 + G - 1)
    assert world.context().params.limits.fee_per_byte == old
    world.until(32 + G)
    assert world.live(txid) is None
    assert world.context().params.limits.fee_per_byte == 2 * old
    assert world.records.settings.values[0].changed == 32 + G


def test_a_tier_ends_once_its_miners_have_gone() -> None:
    for tier, ends in ((0, True), (3, False)):
        world = begun()
        to_check(world, tier=3, share=8192)
        world.until(105)
        txid = world.propose(change_body(retire=(3,)), bond=2 * COIN)
        world.vote(txid, ALICE)
        closed = 106 + V
        world.until(closed + G - L, tier=tier)
        assert (world.step(txid) is Step.ACT) == ends
        world.until(closed + G)
        assert (world.records.governance.tiers == (0,)) == ends


def test_a_swing_at_the_last_moment_gives_the_others_time() -> None:
    world = begun()
    txid = world.propose(model_body(), bond=3 * COIN)
    world.vote(txid, CAROL)
    world.vote(txid, BOB, choice=0)
    world.until(31)
    assert world.proposal(txid).ahead == 0
    # Nobody was ahead, and the last block before closing turns it.
    world.height, world.state = 30, world.trail[30][0]
    world.vote(txid, ALICE)
    world.until(32)
    assert (world.step(txid), world.proposal(txid).close) == (Step.CLOSE, 32 + TAIL)
    world.until(32 + TAIL)
    assert (world.step(txid), world.proposal(txid).final) == (Step.DRAW, 32 + TAIL)
