"""Which calls go first, what the machine's speed changes, and that nobody starves."""

from dataclasses import replace

import pytest

from esper.mempool.call_queue import (
    CallBudget,
    CallChooser,
    CallPolicy,
    MeasuredSpeed,
    position,
)
from esper.mempool.call_score import score
from esper.mempool.waiting import Waiting
from esper.primitives.ids import ModelId, Txid
from esper.vm.llm_call import LlmCall
from tests.support.mempool_world import PARAMS, PoolWorld, call, fee_order, pay
from tests.support.vm_world import ALICE, BOB, CAROL, make

ROWS = 128
MODEL = PARAMS.model.model_id


def waiting(payload: LlmCall, order: int, height: int = 0) -> Waiting:
    """A call of no one in particular; its nonce makes it different from others."""
    return Waiting.of(make(ALICE, payload, order), height, 0, order)


def chosen(calls: list[Waiting], budget: CallBudget, height: int = 1) -> list[Waiting]:
    chooser = CallChooser(height, budget)
    for one in calls:
        chooser.offer(one)
    found = []
    while (best := chooser.choose()) is not None:
        found.append(best)
    return found


@pytest.mark.parametrize(
    ("reserve", "tokens", "age", "points"),
    [
        (100, 10, 0, 10 << 16),
        (100, 10, 30, 20 << 16),
        (100, 10, 240, 90 << 16),
        (100, 10, 10_000, 90 << 16),
        (100, 10, -5, 10 << 16),
        (100, 7, 1, 100 * 31 * 65536 // (30 * 7)),
    ],
)
def test_scores_are_the_specified(reserve: int, tokens: int, age: int, points: int) -> None:
    assert score(reserve, tokens, age) == points


def test_the_oldest_have_a_quarter_and_the_best_the_rest() -> None:
    calls = [waiting(call(price), number) for number, price in enumerate((10, 11, 12, 13, 14, 15))]
    budget = CallBudget(4 * ROWS, ROWS)
    assert [one.order for one in chosen(calls, budget)] == [0, 5, 4, 3]
    # With one call a block the oldest has every fourth height.
    single = CallBudget(ROWS, ROWS)
    assert [chosen(calls, single, height)[0].order for height in range(1, 9)] == [
        5, 5, 5, 0, 5, 5, 5, 0
    ]  # fmt: skip


def test_rows_bound_the_calls() -> None:
    calls = [waiting(call(), number) for number in range(9)]
    for rows, count in ((0, 0), (ROWS - 1, 0), (ROWS, 1), (5 * ROWS, 5), (99 * ROWS, 9)):
        assert len(chosen(calls, CallBudget(rows, ROWS))) == count


def test_a_slower_machine_chooses_otherwise() -> None:
    calls = [waiting(call(20 - number, 40, 40), number) for number in range(3)]
    calls += [waiting(call(10, 2, 2), 10 + number) for number in range(3)]
    fast = MeasuredSpeed(100, 1e9)
    slow = MeasuredSpeed(50, 1e9)
    # A long call takes 0.8 s, a short one 0.04 s.
    budget = CallBudget(99 * ROWS, ROWS, CallPolicy(time_budget_ms=2600), fast)
    assert len(chosen(calls, budget)) == 6
    halved = chosen(calls, replace(budget, speed=slow))
    assert [one.order for one in halved] == [0, 10, 11, 12]
    # And the same when it is the proofs that take the time.
    slower = MeasuredSpeed(1e9, 100)
    assert len(chosen(calls, replace(budget, speed=slower))) == 2


def test_calls_that_offer_too_little_for_the_time_are_left_to_others() -> None:
    speed = MeasuredSpeed(100, ROWS)
    # 5 tokens and one call's rows: 1.05 s for 140 micro-credits.
    one = waiting(call(10), 0)
    assert isinstance(one.transaction.payload, LlmCall)
    assert speed.estimated_ms(one.transaction.payload, ROWS) == pytest.approx(1050)
    for minimum, count in ((133, 1), (134, 0)):
        policy = CallPolicy(minimum_microcredits_per_second=minimum)
        assert len(chosen([one], CallBudget(ROWS, ROWS, policy, speed))) == count


def test_one_call_always_fits_the_time() -> None:
    policy = CallPolicy(time_budget_ms=1)
    calls = [waiting(call(10, 20, 20), number) for number in range(3)]
    assert len(chosen(calls, CallBudget(9 * ROWS, ROWS, policy))) == 1


def test_other_models_are_left_to_others() -> None:
    one = waiting(call(), 0)
    assert chosen([one], CallBudget(ROWS, ROWS, models=frozenset({ModelId(bytes(64))}))) == []
    assert chosen([one], CallBudget(ROWS, ROWS, models=frozenset({MODEL}))) == [one]


def test_speed_follows_what_was_observed() -> None:
    speed = MeasuredSpeed(100, 100)
    speed.observe_answer(200, 1000)
    speed.observe_proof(50, 1000)
    assert (speed.answer_tokens_per_second, speed.prove_rows_per_second) == (120, 90)
    for tokens, ms in ((0, 10), (10, 0), (-1, -1)):
        speed.observe_answer(tokens, ms)
        speed.observe_proof(tokens, ms)
    assert (speed.answer_tokens_per_second, speed.prove_rows_per_second) == (120, 90)
    for _ in range(100):
        speed.observe_answer(10, 1000)
    assert speed.answer_tokens_per_second == pytest.approx(10)


@pytest.mark.parametrize("calls_per_block", [1, 2, 4])
@pytest.mark.parametrize("long_ones_bid_more", [False, True])
def test_nobody_starves(long_ones_bid_more: bool, calls_per_block: int) -> None:
    # A machine that answers one long call a block, or as many short ones as there are rows.
    policy, speed = CallPolicy(time_budget_ms=1500), MeasuredSpeed(100, 10_000)
    budget = CallBudget(calls_per_block * ROWS, ROWS, policy, speed)
    stream, rival = (100, 2, 2), (10, 100, 28)
    if long_ones_bid_more:
        stream, rival = (100, 100, 28), (10, 2, 2)
    # Those that bid ten times as much fill every block by themselves.
    arriving = 1 if long_ones_bid_more else calls_per_block
    queue: dict[int, Waiting] = {}
    waits: dict[int, int] = {}
    order = 0
    for height in range(1, 401):
        for bid in [stream] * arriving + [rival] * (height % 40 == 10):
            order += 1
            queue[order] = waiting(call(*bid), order, height - 1)
        for one in chosen(list(queue.values()), budget, height):
            del queue[one.order]
            if one.transaction.payload == call(*rival):
                waits[one.order] = height - one.arrival_height
    assert len(waits) == 10
    assert max(waits.values()) <= 100
    # And the stream is not held up by them.
    assert len(queue) <= 12


def test_calls_and_payments_of_one_sender_keep_their_nonces() -> None:
    world = PoolWorld()
    sent = [
        world.send(ALICE, pay(BOB), 0),
        world.send(ALICE, call(50), 1),
        world.send(ALICE, call(20), 2),
        world.send(ALICE, pay(BOB), 3),
    ]
    other = world.send(BOB, call(30), 0)
    rich = world.send(CAROL, pay(BOB), 0, fee=900_000)
    order = list(world.pool.select(1, CallBudget(4 * ROWS, ROWS)))
    assert order == [other, rich, sent[0], sent[1], sent[2], sent[3]]
    # No rows: calls stay, and what follows them.
    assert list(world.pool.select(1, CallBudget(0, ROWS))) == [rich, sent[0]]
    assert fee_order(world.pool) == [rich, sent[0]]


def test_places_in_the_queue() -> None:
    world = PoolWorld()
    low = world.send(ALICE, call(10), 0)
    high = world.send(BOB, call(11), 0)
    assert world.pool.calls() == (low, high)
    assert world.pool.call_position(low.txid, 1) == 1
    assert world.pool.call_position(high.txid, 1) == 0
    assert world.pool.call_position(world.send(CAROL, pay(BOB), 0).txid, 1) is None
    # A late bid of nearly twice the price is caught up with after 30 blocks.
    old, late = waiting(call(10), 1), waiting(call(19), 2, 30)
    assert position(old, [old, late], 1) == 1
    assert position(old, [old, late], 30) == 0
    assert position(late, [old, late], 30) == 1
    # Equal bids: who came first.
    assert position(waiting(call(10), 3), [old, late], 0) == 2


def test_arrival_is_remembered() -> None:
    world = PoolWorld()
    world.block()
    sent = world.send(ALICE, call(), 0)
    world.block()
    assert world.pool.arrival_height(sent.txid) == 1
    assert world.pool.arrival_height(Txid(bytes(64))) is None
