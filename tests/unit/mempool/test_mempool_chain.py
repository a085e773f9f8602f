"""What a new tip does to what waits, and that it costs no more than what it concerns."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from esper.crypto.signing import key_from_seed
from esper.mempool.pool import Mempool
from esper.primitives.errors.call_errors import CreditsViolation
from esper.primitives.ids import BlockId, ModelId, Txid
from esper.vm.llm_result import LlmResult
from esper.vm.records import NO_ACCOUNT, Account
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from esper.vm.view import StateView
from tests.support.mempool_world import EOS, PARAMS, PoolWorld, call, fee_order, move, pay
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, MINER, World, address, make, sign


def test_what_a_block_includes_waits_no_longer() -> None:
    world = PoolWorld()
    sent = [world.send(ALICE, pay(BOB), nonce) for nonce in range(3)]
    assert world.block(*sent[:2]) == ()
    assert world.pool.pending_of(address(ALICE)) == (sent[2],)
    # It is in the chain: nobody dropped it.
    assert world.pool.dropped_reason(sent[0].txid) is None


def test_what_another_of_the_same_nonce_displaced_is_dropped() -> None:
    world = PoolWorld()
    mine = world.send(ALICE, pay(BOB), 0)
    assert world.block(make(ALICE, pay(CAROL), 0)) == (mine.txid,)
    assert world.pool.dropped_reason(mine.txid) == "nonce 0 was used, the next is 1"


def test_what_expires_is_dropped_without_being_touched() -> None:
    world = PoolWorld()
    brief = world.send(ALICE, pay(BOB), 0, expiry=2)
    after = world.send(ALICE, pay(BOB), 1)
    assert world.block() == ()
    assert world.block() == (brief.txid,)
    assert world.pool.dropped_reason(brief.txid) == "height 3, valid until 2"
    # What followed it waits for another in its place.
    assert world.pool.pending_of(address(ALICE)) == ()
    assert after.txid in world.pool
    again = world.send(ALICE, pay(CAROL), 0)
    assert world.pool.pending_of(address(ALICE)) == (again, after)


def test_what_is_held_aside_expires_too() -> None:
    world = PoolWorld()
    brief = world.send(ALICE, pay(BOB), 1, expiry=2)
    assert world.block() == ()
    assert world.block() == (brief.txid,)
    assert len(world.pool) == 0


def test_what_cannot_be_paid_any_more_is_dropped_tail_first() -> None:
    world = PoolWorld()
    lines = [world.send(ALICE, pay(BOB, 300 * COIN), nonce) for nonce in (1, 2, 3)]
    dropped = world.block(make(ALICE, pay(CAROL, 200 * COIN), 0))
    assert dropped == (lines[2].txid,)
    assert world.pool.pending_of(address(ALICE)) == tuple(lines[:2])


def test_credits_that_lapse_take_calls_with_them_though_nobody_touched_them() -> None:
    world = PoolWorld()
    world.world.state = world.world.state.with_account(
        address(BOB), Account(balance=COIN, newer_credits=5_000, stake=COIN, epoch_stake=COIN)
    )
    sent = world.send(BOB, call(10), 0)
    paid = world.send(BOB, pay(ALICE, 10**6), 1)
    for _ in range(18):
        assert world.block() == ()
    # Credits of epoch 0 lapse when epoch 2 begins, at height 20.
    assert world.block() == (sent.txid,)
    assert "credits available" in (world.pool.dropped_reason(sent.txid) or "")
    assert paid.txid in world.pool


def test_a_model_that_goes_takes_its_calls_with_it() -> None:
    world = PoolWorld()
    sent = world.send(ALICE, call(), 0)
    tier = world.chain.registry.tiers[0]
    other = replace(tier, model=replace(tier.model, model_id=ModelId(bytes(64))))
    chain = replace(
        world.chain,
        tip_id=BlockId(bytes(64)),
        tip_registry=replace(world.chain.registry, tiers=(other,)),
    )
    world.block()
    dropped = move(world.pool, world.world.state, chain, touched=[], now_ms=world.now_ms)
    assert [one.txid for one in dropped] == [sent.txid]


def test_too_little_for_a_new_account_is_dropped_when_the_account_goes() -> None:
    world = PoolWorld()
    poor = key_from_seed(1, bytes(32))
    state = world.world.state
    world.world.state = state.with_account(address(poor), Account(balance=1))
    sent = world.send(ALICE, pay(poor, 5), 0)
    kept = world.send(BOB, pay(CAROL, 5), 0)
    world.world.state = state.with_account(address(poor), NO_ACCOUNT)
    move(
        world.pool,
        world.world.state,
        replace(world.chain, tip_id=BlockId(bytes(64))),
        touched=[address(poor), address(CAROL)],
        now_ms=world.now_ms,
    )
    # It was the sender that had to be looked at, though only the receiver changed.
    assert sent.txid not in world.pool
    assert kept.txid in world.pool


def undone(
    world: PoolWorld, before: World, *returned: Transaction, included: Sequence[Txid] = ()
) -> list[bytes]:
    world.world = before
    dropped = move(
        world.pool,
        before.state,
        world.chain,
        included=included,
        returned=returned,
        now_ms=world.now_ms,
    )
    return [one.txid for one in dropped]


def test_what_undone_blocks_held_comes_back_before_what_waits() -> None:
    world = PoolWorld()
    before = replace(world.world)
    sent = [world.send(ALICE, pay(BOB), nonce) for nonce in range(8)]
    world.block(*sent[:2])
    world.block(sent[2])
    assert undone(world, before, sent[2], *sent[:2]) == []
    assert world.pool.pending_of(address(ALICE)) == tuple(sent)


def test_what_came_back_and_is_in_the_new_branch_does_not_wait() -> None:
    world = PoolWorld()
    sent = [sign(ALICE, make(ALICE, pay(BOB), nonce)) for nonce in (0, 1)]
    branch = replace(world.world)
    world.block(*sent)
    branch.block(sent[0])
    assert undone(world, branch, *sent, included=[sent[0].txid]) == []
    assert world.pool.pending_of(address(ALICE)) == (sent[1],)


def test_a_returned_one_yields_to_a_better_rival_and_outbids_a_worse() -> None:
    for rival_fee, wins in ((50_000, False), (500_000, True)):
        world = PoolWorld()
        before = replace(world.world)
        sent = sign(ALICE, make(ALICE, pay(BOB), 0, fee=200_000))
        world.block(sent)
        undone(world, before)
        rival = world.send(ALICE, pay(CAROL), 0, fee=rival_fee)
        undone(world, world.world, sent)
        assert world.pool.pending_of(address(ALICE)) == ((rival,) if wins else (sent,))


def test_returned_results_and_invalid_ones_stay_outside() -> None:
    world = PoolWorld()
    result = make(ALICE, LlmResult(Txid(bytes(64)), (EOS,)), 0)
    dear = make(BOB, pay(CAROL, 2000 * COIN), 0)
    assert undone(world, world.world, result, dear) == [dear.txid]
    assert len(world.pool) == 0


def test_returned_ones_keep_to_the_limits() -> None:
    world = PoolWorld()
    before = replace(world.world)
    early = [sign(ALICE, make(ALICE, pay(BOB, 1), nonce)) for nonce in range(10)]
    world.block(*early)
    late = [world.send(ALICE, pay(BOB, 1), nonce) for nonce in range(10, 42)]
    dropped = undone(world, before, *early)
    assert world.pool.pending_of(address(ALICE)) == (*early, *late[:22])
    assert dropped == [one.txid for one in late[26:]]
    assert world.pool.statistics().aside == 4


@pytest.mark.parametrize("parted", [1, 11])
def test_another_branch_with_fewer_credits_is_noticed(parted: int) -> None:
    world = PoolWorld(world=World(params=PARAMS))
    world.block(make(ALICE, Stake(100 * COIN), 0))
    lonely, crowded = replace(world.world), replace(world.world)
    crowded.until(parted)
    crowded.block(make(BOB, Stake(900 * COIN), 0))
    # In the epoch after the stake the rate allows it.
    lonely.until(15)
    crowded.until(15)
    world.world = lonely
    move(world.pool, lonely.state, world.chain, now_ms=0)
    reserve = 13 * PARAMS.credits.per_block
    sent = world.send(ALICE, call(reserve // 14), 1)
    world.world = crowded
    # Nobody says that Alice was touched: her account is the same on both branches.
    dropped = move(world.pool, crowded.state, world.chain, touched=[address(BOB)], now_ms=0)
    assert [one.txid for one in dropped] == [sent.txid]


class CountingView:
    """Counts reads."""

    def __init__(self, below: StateView) -> None:
        self._below = below
        self.reads = 0

    def get(self, path: bytes) -> bytes | None:
        self.reads += 1
        return self._below.get(path)


def test_a_block_costs_what_it_concerns_and_not_what_waits() -> None:
    keys = [key_from_seed(1, bytes([number, 9]) * 16) for number in range(40)]
    reads = []
    for count in (4, 40):
        world = PoolWorld()
        for key in keys[:count]:
            world.world.state = world.world.state.with_account(address(key), Account(balance=COIN))
        for key in keys[:count]:
            world.send(key, pay(BOB, 10**6), 0)
        world.world.block(world.pool.pending_of(address(keys[0]))[0])
        view = CountingView(world.world.state)
        move(
            world.pool,
            view,
            world.chain,
            included=[world.pool.pending_of(address(keys[0]))[0].txid],
            touched=[address(keys[0]), address(BOB), address(MINER)],
            now_ms=0,
        )
        assert len(world.pool) == count - 1
        reads.append(view.reads)
    assert reads[0] == reads[1] <= 10


def test_a_tip_that_nobody_told_of_is_noticed_by_the_next_to_come() -> None:
    world = PoolWorld()
    sent = world.send(ALICE, pay(BOB), 0)
    world.world.block(make(ALICE, pay(CAROL), 0))
    admission = world.add(world.signed(ALICE, pay(BOB), 1))
    assert admission.evicted == (sent.txid,)


def test_stake_that_waits_earns_nothing() -> None:
    world = PoolWorld(world=World(params=PARAMS))
    state = world.world.state
    world.world.state = state.with_account(
        address(ALICE), Account(balance=1000 * COIN, allowance=10**12)
    )
    world.block(make(BOB, Stake(COIN), 0))
    world.send(ALICE, Stake(900 * COIN), 0)
    for _ in range(5):
        world.block()
    with pytest.raises(CreditsViolation):
        world.send(ALICE, call(10), 1)


def test_a_fresh_pool_knows_nothing() -> None:
    pool = Mempool(PARAMS)
    assert fee_order(pool) == []
    assert pool.pending_of(address(ALICE)) == ()
    assert (pool.spent_by(address(ALICE)).units, pool.received_by(address(ALICE))) == (0, 0)


def told(world: PoolWorld, included: Sequence[Txid] = ()) -> list[bytes]:
    """A new tip with the same accounts; who left."""
    world.world.height += 1
    dropped = move(
        world.pool,
        world.world.state,
        world.chain,
        included=included,
        touched=[],
        now_ms=world.now_ms,
    )
    return [one.txid for one in dropped]


def test_what_is_included_goes_whatever_is_said_of_its_sender() -> None:
    world = PoolWorld()
    sent = world.send(ALICE, pay(BOB), 0)
    told(world)
    world.world.state = world.world.state.with_account(
        address(ALICE), replace(world.world.account(ALICE), nonce=1)
    )
    assert told(world, included=[sent.txid]) == []
    assert len(world.pool) == 0


def test_equal_histories_drop_in_the_same_order() -> None:
    keys = [key_from_seed(1, bytes([number, 5]) * 16) for number in range(8)]
    world = PoolWorld()
    for key in keys:
        world.world.state = world.world.state.with_account(
            address(key), Account(balance=1000 * COIN)
        )
    first = {key: world.send(key, pay(BOB), 0) for key in keys}
    second = {key: world.send(key, pay(BOB, 900 * COIN), 1) for key in keys}
    told(world)
    for key in keys:
        # The first is in the chain, and so is something that took what the second needs.
        world.world.state = world.world.state.with_account(
            address(key), Account(balance=COIN, nonce=1)
        )
    dropped = told(world, included=[first[key].txid for key in keys])
    assert dropped == [second[key].txid for key in sorted(keys, key=lambda key: first[key].txid)]


def test_a_rival_that_made_room_for_what_came_back_is_told() -> None:
    world = PoolWorld()
    before = replace(world.world)
    sent = sign(ALICE, make(ALICE, pay(BOB), 0, fee=200_000))
    world.block(sent)
    undone(world, before)
    rival = world.send(ALICE, pay(CAROL), 0, fee=50_000)
    assert undone(world, world.world, sent) == [rival.txid]
    assert "gave back one of the same nonce" in (world.pool.dropped_reason(rival.txid) or "")
    # What came back to an empty place drove nobody out.
    assert world.pool.dropped_reason(sent.txid) is None


def test_only_those_that_a_tip_concerns_are_looked_up() -> None:
    """Callers in the same epoch, strangers that changed, and payers of one who has an account."""

    def reads(world: PoolWorld, touched: list[bytes]) -> int:
        view = CountingView(world.world.state)
        world.world.height += 1
        move(world.pool, view, world.chain, touched=touched, now_ms=0)
        return view.reads

    world, empty = PoolWorld(), PoolWorld()
    world.send(ALICE, call(), 0)
    world.send(BOB, pay(CAROL, 1), 0)
    told(world)
    told(empty)
    nothing = reads(world, [])
    assert nothing == reads(empty, []) == reads(world, [address(MINER)] * 5)
    receiver = reads(world, [address(CAROL)])
    # Whether the receiver has an account is one look.
    assert receiver == nothing + 1


def test_what_came_back_too_late_is_told_as_expired() -> None:
    world = PoolWorld()
    brief = sign(ALICE, make(ALICE, pay(BOB), 0, expiry=3))
    late = sign(BOB, make(BOB, pay(ALICE), 0, expiry=4))
    world.world.until(3)
    # The next block is the fourth.
    assert undone(world, world.world, brief, late) == [brief.txid]
    assert world.pool.dropped_reason(brief.txid) == "height 4, valid until 3"
    assert late.txid in world.pool
