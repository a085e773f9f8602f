"""The mempool's checks one by one, where a whole mempool would let another check stand in."""

from dataclasses import replace
from typing import Any

import pytest

from esper.mempool.admission_rules import check_by_itself
from esper.mempool.errors import (
    MempoolFullError,
    PendingCreditsError,
    PendingFundsError,
    ReplacementFeeError,
    ReplacementPriceError,
    ReplacementRateError,
    ResultFromOutsideError,
    TooEarlyError,
)
from esper.mempool.lines.next_block import NextBlock
from esper.mempool.lines.placement import placed
from esper.mempool.lines.replacement import HOUR_MS, ReplacementCount, check_outbids
from esper.mempool.lines.sender_line import SenderLine, arranged
from esper.mempool.policy import MempoolPolicy
from esper.mempool.waiting import Waiting, offered_rate
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.errors.transaction_errors import (
    ExpiredViolation,
    FeeViolation,
    KeyViolation,
    NonceUsedViolation,
    TransactionSizeViolation,
)
from esper.primitives.ids import Txid
from esper.primitives.units import MAX_AMOUNT
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.llm_result import LlmResult
from esper.vm.records import Account
from esper.vm.transaction import Transaction
from tests.support.mempool_world import EOS, PARAMS, PoolWorld, call, pay
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address, make

LIMITS = PARAMS.limits
HEIGHT = 7
FEW = MempoolPolicy(pending_per_sender=3, aside_per_sender=2)


def judged(transaction: Transaction, limits: Any = LIMITS, least_rate: int = 0) -> None:
    check_by_itself(transaction, limits, height=HEIGHT, early_blocks=5, least_rate=least_rate)


PAID = make(ALICE, pay(BOB), 0)
SIZE = len(PAID.to_bytes())
RATE = offered_rate(PAID)


@pytest.mark.parametrize(
    ("transaction", "how", "refusal"),
    [
        (PAID, {"limits": replace(LIMITS, transaction_bytes=SIZE - 1)}, TransactionSizeViolation),
        (replace(PAID, key=BOB.public), {}, KeyViolation),
        (make(ALICE, LlmResult(Txid(bytes(64)), (EOS,)), 0), {}, ResultFromOutsideError),
        (replace(PAID, expiry=HEIGHT - 1), {}, ExpiredViolation),
        (replace(PAID, not_before=HEIGHT + 6), {}, TooEarlyError),
        (replace(PAID, fee=LIMITS.base_fee), {}, FeeViolation),
        (replace(make(ALICE, call(), 0), fee=1), {}, FeeViolation),
        (PAID, {"least_rate": RATE + 1}, MempoolFullError),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_each_is_asked_before_the_sender_is_looked_at(
    transaction: Transaction, how: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        judged(transaction, **how)


@pytest.mark.parametrize(
    ("transaction", "how"),
    [
        (PAID, {"limits": replace(LIMITS, transaction_bytes=SIZE)}),
        (replace(PAID, expiry=HEIGHT), {}),
        (replace(PAID, not_before=HEIGHT + 5), {}),
        (replace(PAID, fee=MAX_AMOUNT - COIN), {}),
        (make(ALICE, call(), 0), {}),
        (PAID, {"least_rate": RATE}),
    ],
)
def test_what_just_keeps_them_passes(transaction: Transaction, how: dict[str, Any]) -> None:
    judged(transaction, **how)


def test_the_fee_is_exactly_that_of_the_bytes() -> None:
    least = LIMITS.base_fee + LIMITS.fee_per_byte * SIZE
    # The largest of three bytes would change the size.
    assert least < 1 << 16
    bare = replace(PAID, fee=least)
    exact = LIMITS.base_fee + LIMITS.fee_per_byte * len(bare.to_bytes())
    judged(replace(PAID, fee=exact))
    with pytest.raises(FeeViolation):
        judged(replace(PAID, fee=exact - 1))


# --- placement ---


def line_of(world: PoolWorld, *transactions: Transaction) -> tuple[SenderLine, NextBlock]:
    next_block = NextBlock(world.world.state, world.chain)
    waiting = [Waiting.of(one, 0, 0, order) for order, one in enumerate(transactions)]
    return arranged(address(ALICE), waiting, next_block, FEW).line, next_block


def arriving(transaction: Transaction) -> Waiting:
    return Waiting.of(transaction, 0, 0, 99)


def test_a_nonce_of_the_past_costs_no_look_at_the_state() -> None:
    world = PoolWorld()
    world.block(make(ALICE, pay(BOB), 0))
    for waits in ([], [make(ALICE, pay(BOB), 1)]):
        line, _ = line_of(world, *waits)
        nobody: Any = None
        with pytest.raises(NonceUsedViolation) as caught:
            placed(arriving(make(ALICE, pay(CAROL), 0)), line, nobody, FEW)
        assert caught.value.expected == 1


def test_in_a_full_line_one_may_still_be_replaced() -> None:
    world = PoolWorld(FEW)
    sent = [world.send(ALICE, pay(BOB), nonce) for nonce in range(3)]
    new = world.signed(ALICE, pay(CAROL), 2, fee=300_000)
    assert world.add(new).replaced == sent[2].txid
    assert world.pool.pending_of(address(ALICE)) == (*sent[:2], new)


def test_what_continues_a_line_is_put_behind_it_alone() -> None:
    """The others are not judged again: a line of many would cost as many each time."""
    line, next_block = line_of(PoolWorld(), make(ALICE, pay(BOB), 0))
    found = placed(arriving(make(ALICE, pay(BOB), 1)), line, next_block, FEW)
    assert found.continues
    assert found.line.projection is line.projection
    # With something beyond the gap, or in another's place, all of it is arranged anew.
    apart, next_block = line_of(PoolWorld(), make(ALICE, pay(BOB), 0), make(ALICE, pay(BOB), 2))
    closing = placed(arriving(make(ALICE, pay(BOB), 1)), apart, next_block, FEW)
    assert not closing.continues
    assert [one.nonce for one in closing.line.ready] == [0, 1, 2]
    assert not placed(arriving(make(ALICE, pay(CAROL), 0)), line, next_block, FEW).continues


def test_what_lies_beyond_a_gap_is_kept_by_nonce() -> None:
    line, next_block = line_of(PoolWorld(), make(ALICE, pay(BOB), 4))
    found = placed(arriving(make(ALICE, pay(BOB), 2)), line, next_block, FEW)
    assert [one.nonce for one in found.line.aside] == [2, 4]


def test_beyond_a_gap_it_is_still_what_waits_that_is_in_the_way() -> None:
    world = PoolWorld()
    world.send(ALICE, pay(BOB, 600 * COIN), 0)
    with pytest.raises(PendingFundsError):
        world.send(ALICE, pay(BOB, 600 * COIN), 5)


def test_the_rate_of_credits_counts_what_waits_too() -> None:
    """There are credits for both, but one epoch lets only one of them go."""
    world = PoolWorld()
    # What the allowance lets an account use in one epoch.
    rich = Account(balance=1000 * COIN, newer_credits=10**12, allowance=1000)
    world.world.state = world.world.state.with_account(address(ALICE), rich)
    limit = 1000 + PARAMS.credits.starting_allowance
    world.send(ALICE, CreditTransfer(address(BOB), limit), 0)
    with pytest.raises(PendingCreditsError) as caught:
        world.send(ALICE, CreditTransfer(address(BOB), 1), 1)
    assert (caught.value.waiting, caught.value.needed) == (limit, 1)
    # Alone it is too much for an epoch, whatever waits.
    with pytest.raises(RuleViolation):
        world.send(ALICE, CreditTransfer(address(BOB), limit + 1), 1)


def test_what_lies_beyond_a_gap_holds_no_credits_of_those_before_it() -> None:
    world = PoolWorld()
    world.send(ALICE, CreditTransfer(address(BOB), 3 * 10**11), 0)
    world.send(ALICE, CreditTransfer(address(BOB), 2 * 10**11), 5)
    with pytest.raises(PendingCreditsError) as caught:
        world.send(ALICE, CreditTransfer(address(BOB), 8 * 10**11), 1)
    assert caught.value.waiting == 3 * 10**11


# --- replacement ---


def test_the_policy_says_how_much_more() -> None:
    half = MempoolPolicy(replacement_percent=50)
    old = make(ALICE, pay(BOB), 0, fee=10**6)
    check_outbids(replace(old, fee=1_500_000), old, LIMITS, half)
    with pytest.raises(ReplacementFeeError):
        check_outbids(replace(old, fee=1_499_999), old, LIMITS, half)


def test_a_call_that_offers_nothing_is_outbid_by_one_that_offers_something() -> None:
    free = make(ALICE, call(price=0), 0)
    with pytest.raises(ReplacementPriceError):
        check_outbids(free, free, LIMITS, MempoolPolicy())
    check_outbids(make(ALICE, call(price=1), 0), free, LIMITS, MempoolPolicy())


def test_a_clock_that_goes_back_makes_nobody_wait_less_than_nothing() -> None:
    count = ReplacementCount(1)
    count.add(b"a", 5000)
    count.add(b"b", 1000)
    with pytest.raises(ReplacementRateError) as caught:
        count.check(b"b", 4000 + HOUR_MS)
    assert caught.value.wait_ms == 1000
