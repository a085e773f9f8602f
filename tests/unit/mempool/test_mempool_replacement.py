"""What may take the place of what, how often, and what becomes of those behind it."""

import pytest

from esper.mempool.errors import (
    NonceWaitsError,
    ReplacementFeeError,
    ReplacementKindError,
    ReplacementPriceError,
    ReplacementRateError,
)
from esper.mempool.lines.replacement import HOUR_MS, ReplacementCount
from esper.mempool.policy import MempoolPolicy
from esper.primitives.errors.transaction_errors import FundsViolation, SignatureViolation
from tests.support.mempool_world import PARAMS, PoolWorld, call, pay
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address, make

RATE = PARAMS.limits.fee_per_byte


@pytest.mark.parametrize("old_fee", [25_000, 1_000_000])
def test_a_replacement_pays_a_tenth_more_and_its_relay(old_fee: int) -> None:
    world = PoolWorld()
    old = world.send(ALICE, pay(BOB), 0, fee=old_fee)
    relay, tenth = RATE * len(old.to_bytes()), old_fee // 10
    assert (relay > tenth) == (old_fee == 25_000)
    needed = old_fee + max(relay, tenth)
    with pytest.raises(ReplacementFeeError) as error:
        world.send(ALICE, pay(CAROL), 0, fee=needed - 1)
    assert error.value.needed == needed
    assert world.pool.pending_of(address(ALICE)) == (old,)
    new = world.signed(ALICE, pay(CAROL), 0, fee=needed)
    assert world.add(new).replaced == old.txid
    assert world.pool.pending_of(address(ALICE)) == (new,)
    assert "replaced" in (world.pool.dropped_reason(old.txid) or "")
    assert world.pool.received_by(address(BOB)) == 0
    assert world.pool.statistics().fee_bytes == len(new.to_bytes()) + world.policy.entry_bytes


@pytest.mark.parametrize(("old", "needed"), [(10, 11), (19, 21), (1000, 1100)])
def test_a_call_outbids_a_call_by_a_tenth(old: int, needed: int) -> None:
    world = PoolWorld()
    first = world.send(ALICE, call(old), 0)
    with pytest.raises(ReplacementPriceError) as error:
        world.send(ALICE, call(needed - 1, prompt=3), 0)
    assert error.value.needed == needed
    assert world.add(world.signed(ALICE, call(needed), 0)).replaced == first.txid
    assert len(world.pool.calls()) == 1


def test_a_payment_may_replace_a_call_and_a_call_no_payment() -> None:
    world = PoolWorld()
    old = world.send(ALICE, call(), 0)
    size = len(world.signed(ALICE, pay(BOB), 0).to_bytes())
    least = PARAMS.limits.base_fee + 2 * RATE * size
    with pytest.raises(ReplacementFeeError):
        world.send(ALICE, pay(BOB), 0, fee=least - 10)
    new = world.signed(ALICE, pay(BOB), 0, fee=least)
    assert world.add(new).replaced == old.txid
    assert world.pool.statistics().call_bytes == 0
    with pytest.raises(ReplacementKindError):
        world.send(ALICE, call(1000), 0)


def test_a_replacement_is_checked_like_any_other() -> None:
    world = PoolWorld()
    old = world.send(ALICE, pay(BOB), 0)
    with pytest.raises(SignatureViolation):
        world.add(make(ALICE, pay(BOB), 0, fee=300_000))
    with pytest.raises(FundsViolation):
        world.send(ALICE, pay(BOB, 1000 * COIN), 0, fee=300_000)
    assert world.pool.pending_of(address(ALICE)) == (old,)


def test_those_behind_stay_if_they_can_still_be_paid() -> None:
    world = PoolWorld()
    lines = [world.send(ALICE, pay(BOB, 300 * COIN), nonce) for nonce in range(3)]
    new = world.signed(ALICE, pay(BOB, 301 * COIN), 0, fee=300_000)
    assert world.add(new).evicted == ()
    assert world.pool.pending_of(address(ALICE)) == (new, *lines[1:])
    dear = world.signed(ALICE, pay(BOB, 500 * COIN), 1, fee=300_000)
    admission = world.add(dear)
    assert (admission.replaced, admission.evicted) == (lines[1].txid, (lines[2].txid,))
    assert world.pool.pending_of(address(ALICE)) == (new, dear)


def test_what_is_held_aside_can_be_replaced_too() -> None:
    world = PoolWorld()
    late = [world.send(ALICE, pay(BOB), nonce) for nonce in (2, 3, 4, 5)]
    new = world.signed(ALICE, pay(BOB), 3, fee=300_000)
    assert world.add(new).replaced == late[1].txid
    first = [world.send(ALICE, pay(BOB), nonce) for nonce in (0, 1)]
    assert world.pool.pending_of(address(ALICE)) == (*first, late[0], new, *late[2:])


def test_replacements_are_few_an_hour() -> None:
    world = PoolWorld(MempoolPolicy(replacements_per_hour=2))
    fees = iter(range(100_000, 10**9, 50_000))
    world.send(ALICE, pay(BOB), 0, fee=next(fees))
    for _ in range(2):
        world.now_ms += 1000
        world.send(ALICE, pay(BOB), 0, fee=next(fees))
    with pytest.raises(ReplacementRateError) as error:
        world.send(ALICE, pay(BOB), 0, fee=next(fees))
    assert error.value.wait_ms == HOUR_MS - 1000
    assert error.value.retry
    # Others are not meant.
    world.send(BOB, pay(ALICE), 0, fee=next(fees))
    world.send(BOB, pay(ALICE), 0, fee=2 * next(fees))
    world.now_ms += error.value.wait_ms
    world.send(ALICE, pay(BOB), 0, fee=next(fees))


def test_a_refused_replacement_does_not_count() -> None:
    world = PoolWorld(MempoolPolicy(replacements_per_hour=1))
    world.send(ALICE, pay(BOB), 0)
    with pytest.raises(SignatureViolation):
        world.add(make(ALICE, pay(BOB), 0, fee=300_000))
    world.send(ALICE, pay(BOB), 0, fee=300_000)


def test_the_count_forgets_what_is_old_whatever_the_clock_does() -> None:
    count = ReplacementCount(1)
    count.add(b"a", 5000)
    count.add(b"b", 1000)
    with pytest.raises(ReplacementRateError):
        count.check(b"b", 4000 + HOUR_MS)
    count.check(b"b", 5000 + HOUR_MS)
    assert len(count) == 0


def test_nothing_is_replaced_that_is_not_named() -> None:
    world = PoolWorld()
    first = world.send(ALICE, pay(BOB), 0)
    far = world.send(ALICE, pay(BOB), 5)
    for old in (first, far):
        new = world.signed(ALICE, pay(CAROL), old.nonce, fee=COIN)
        for replaces in ((), (new.txid,), (first.txid if old is far else far.txid,)):
            with pytest.raises(NonceWaitsError) as error:
                world.pool.add(
                    new, world.world.state, world.chain, now_ms=world.now_ms, replaces=replaces
                )
            assert error.value.waiting == old.txid
        assert old.txid in world.pool
        admission = world.pool.add(
            new, world.world.state, world.chain, now_ms=world.now_ms, replaces=(old.txid,)
        )
        assert admission.replaced == old.txid
        gone = world.pool.dropped(old.txid)
        assert gone is not None
        assert (gone.replaced_by, gone.outline.nonce) == (new.txid, old.nonce)
    # A nonce that nothing waits with is free.
    fresh = world.signed(ALICE, pay(BOB), 1)
    world.pool.add(fresh, world.world.state, world.chain, now_ms=world.now_ms, replaces=())
