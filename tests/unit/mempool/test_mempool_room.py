"""Limits of bytes: who leaves, what a newcomer has to pay afterwards, and that sums stay right."""

from dataclasses import replace

import pytest

from esper.mempool.departures import DropMemory, Dropped
from esper.mempool.errors import MempoolFullError
from esper.mempool.expiries import Expiries
from esper.mempool.policy import MempoolPolicy
from esper.mempool.pool import Mempool
from esper.mempool.rate_floor import RateFloor
from esper.primitives.errors.transaction_errors import SignatureViolation
from esper.primitives.ids import Txid
from tests.support.mempool_world import PoolWorld, call, fee_order, move, pay
from tests.support.vm_world import ALICE, BOB, CAROL, address, make

# A payment with its key takes 5,359 bytes; entries count for 1,000 more.
ROOM_FOR_THREE = MempoolPolicy(fee_bytes=20_000, call_bytes=20_000, entry_bytes=1_000)


def full(*fees: int) -> PoolWorld:
    world = PoolWorld(ROOM_FOR_THREE)
    for key, fee in zip((ALICE, BOB, CAROL), fees, strict=True):
        world.send(key, pay(ALICE), 0, fee=fee)
    return world


def test_the_cheapest_leaves_for_one_who_pays_more() -> None:
    world = full(300_000, 200_000, 400_000)
    [cheapest] = world.pool.pending_of(address(BOB))
    admission = world.add(world.signed(ALICE, pay(BOB), 1, fee=250_000))
    assert admission.evicted == (cheapest.txid,)
    assert "paid too little" in (world.pool.dropped_reason(cheapest.txid) or "")
    assert len(world.pool) == 3
    # It may come back with more, and is then no longer known as dropped.
    world.send(BOB, pay(ALICE), 0, fee=900_000)
    assert world.pool.dropped_reason(cheapest.txid) is not None


def test_the_cheapest_itself_is_refused_and_changes_nothing() -> None:
    world = full(300_000, 200_000, 400_000)
    before = list(world.pool.kept()), world.pool.statistics()
    for fee in (150_000, 200_000):
        with pytest.raises(MempoolFullError) as error:
            world.send(ALICE, pay(BOB), 1, fee=fee)
        assert error.value.minimum_rate > error.value.rate
        assert (list(world.pool.kept()), world.pool.statistics()) == before
    assert error.value.retry


def test_a_bad_signature_evicts_nobody() -> None:
    world = full(300_000, 200_000, 400_000)
    before = list(world.pool.kept())
    with pytest.raises(SignatureViolation):
        world.add(replace(make(ALICE, pay(BOB), 1, fee=900_000), signature=bytes(3309)))
    assert list(world.pool.kept()) == before


def test_the_last_of_a_line_leaves_first_whatever_it_pays() -> None:
    world = PoolWorld(ROOM_FOR_THREE)
    first = world.send(ALICE, pay(BOB), 0, fee=50_000)
    last = world.send(ALICE, pay(BOB), 1, fee=900_000)
    world.send(BOB, pay(ALICE), 0, fee=100_000)
    admission = world.add(world.signed(CAROL, pay(ALICE), 0, fee=100_000))
    # A line is worth what its cheapest offers: the last shields nobody.
    assert admission.evicted == (last.txid,)
    assert world.pool.pending_of(address(ALICE)) == (first,)
    # The next one takes the rest of that line.
    world.add(world.signed(BOB, pay(ALICE), 1, fee=200_000))
    assert world.pool.pending_of(address(ALICE)) == ()


def test_a_dear_one_behind_a_poor_one_is_worth_no_more_than_that() -> None:
    world = PoolWorld(ROOM_FOR_THREE)
    world.send(ALICE, pay(BOB), 0, fee=50_000)
    world.send(BOB, pay(ALICE), 0, fee=60_000)
    world.send(CAROL, pay(ALICE), 0, fee=60_000)
    with pytest.raises(MempoolFullError):
        world.send(ALICE, pay(BOB), 1, fee=10**7)


def test_what_follows_a_victim_leaves_with_it() -> None:
    world = PoolWorld(ROOM_FOR_THREE)
    cheap = world.send(ALICE, pay(BOB), 0, fee=50_000)
    behind = world.send(ALICE, call(), 1)
    world.send(BOB, pay(ALICE), 0, fee=60_000)
    world.send(CAROL, pay(ALICE), 0, fee=60_000)
    admission = world.add(world.signed(BOB, pay(ALICE), 1, fee=60_000))
    assert admission.evicted == (behind.txid, cheap.txid)
    assert world.pool.calls() == ()


def test_a_line_goes_on_where_it_was_cut() -> None:
    world = PoolWorld(ROOM_FOR_THREE)
    first = world.send(ALICE, pay(BOB), 0, fee=50_000)
    world.send(ALICE, pay(BOB), 1, fee=50_000)
    world.send(BOB, pay(ALICE), 0, fee=100_000)
    world.send(CAROL, pay(ALICE), 0, fee=100_000)
    late = world.send(ALICE, call(), 2)
    assert world.pool.pending_of(address(ALICE)) == (first,)
    again = world.send(ALICE, call(), 1)
    assert world.pool.pending_of(address(ALICE)) == (first, again, late)


def test_calls_have_their_own_room() -> None:
    world = full(300_000, 200_000, 400_000)
    calls = [world.send(key, call(price), 1) for key, price in ((ALICE, 20), (BOB, 10))]
    calls.append(world.send(CAROL, call(30), 1))
    assert len(world.pool) == 6
    with pytest.raises(MempoolFullError):
        world.send(CAROL, call(10), 2)
    admission = world.add(world.signed(CAROL, call(11), 2))
    assert admission.evicted == (calls[1].txid,)
    # Calls never push out payments, nor the other way round.
    assert len(fee_order(world.pool)) == 3


def test_a_newcomer_pays_more_than_the_evicted_until_time_has_passed() -> None:
    world = full(300_000, 200_000, 400_000)
    base = world.params.limits.fee_per_byte
    assert world.pool.minimum_fee_per_byte(world.now_ms) == base
    evicted = world.pool.pending_of(address(BOB))[0]
    world.add(world.signed(ALICE, pay(BOB), 1, fee=900_000))
    rate = 200_000 * 1000 // len(evicted.to_bytes())
    assert world.pool.minimum_fee_per_byte(world.now_ms) * 1000 == rate + 1
    with pytest.raises(MempoolFullError) as error:
        world.add(evicted)
    assert error.value.minimum_rate == rate + 1
    later = world.now_ms + world.policy.floor_half_life_ms
    assert int(world.pool.minimum_fee_per_byte(later) * 1000) == (rate + 1) // 2
    assert world.pool.minimum_fee_per_byte(later * 2) == base


def test_a_pool_that_is_half_empty_asks_for_nothing() -> None:
    world = full(300_000, 200_000, 400_000)
    evicted = world.pool.pending_of(address(BOB))[0]
    world.add(world.signed(ALICE, pay(BOB), 1, fee=900_000))
    world.block(*fee_order(world.pool))
    assert world.pool.minimum_fee_per_byte(world.now_ms) == world.params.limits.fee_per_byte
    world.add(evicted)


def test_bytes_are_those_of_the_wire_and_of_the_entries() -> None:
    world = PoolWorld(ROOM_FOR_THREE)
    one, two = world.send(ALICE, pay(BOB), 0), world.send(BOB, call(), 0)
    numbers = world.pool.statistics()
    assert numbers.fee_bytes == len(one.to_bytes()) + 1000
    assert numbers.call_bytes == len(two.to_bytes()) + 1000 + 2 * world.policy.token_bytes
    assert (numbers.transactions, numbers.calls, numbers.senders, numbers.aside) == (2, 1, 2, 0)
    assert (numbers.fee_limit, numbers.call_limit) == (20_000, 20_000)
    world.block(one, two)
    assert (world.pool.statistics().fee_bytes, world.pool.statistics().call_bytes) == (0, 0)


def test_a_floor_halves_and_never_goes_back_with_the_clock() -> None:
    floor = RateFloor(100)
    floor.rise_above(999, 1000)
    assert [floor.at(time) for time in (0, 1000, 1050, 1100, 1200, 10**12)] == [
        1000, 1000, 750, 500, 250, 0
    ]  # fmt: skip
    floor.rise_above(10, 1000)
    assert floor.at(1000) == 1000
    floor.rise_above(600, 1100)
    assert floor.at(1100) == 601


def test_drops_are_remembered_up_to_a_number() -> None:
    memory = DropMemory(2)
    txids = [Txid(bytes([number])) for number in range(4)]
    for number, txid in enumerate(txids[:3]):
        memory.add(Dropped(txid, f"reason {number}"))
    assert [memory.reason(txid) for txid in txids[:3]] == [None, "reason 1", "reason 2"]
    memory.add(Dropped(txids[1], "again"))
    memory.add(Dropped(txids[3], "reason 3"))
    assert memory.reason(txids[1]) == "again"
    assert len(memory) == 2


def test_expiries_keep_no_heights_of_what_is_gone() -> None:
    expiries = Expiries()
    for height in range(1000):
        one = make(ALICE, pay(BOB), 0, expiry=height)
        expiries.add(one)
        if height != 7:
            expiries.remove(one)
    assert len(expiries._heights) < 100
    assert expiries.take_before(7) == []
    assert expiries.take_before(8) == [make(ALICE, pay(BOB), 0, expiry=7).txid]
    assert expiries.take_before(10**6) == []


def test_outdated_bids_do_not_pile_up() -> None:
    world = PoolWorld()
    one = world.signed(ALICE, pay(BOB), 0)
    pool: Mempool = world.pool
    for _ in range(300):
        world.add(one)
        move(pool, world.world.state, world.chain, included=[one.txid], touched=[], now_ms=0)
    assert len(pool._contents.fee_room._bids) < 100
