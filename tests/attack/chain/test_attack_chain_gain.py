"""Getting more than one's share: credits over boundaries, rates, wash calls, coins out of turn."""

from dataclasses import replace
from typing import Unpack

import pytest

from esper.consensus.reward import block_reward, subsidy
from esper.crypto.signing import KeyPair, key_from_seed
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.networks import NETWORKS, REGTEST
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.credits import settled, totals_at_block
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Output, Payload
from esper.vm.records import Account
from esper.vm.stake import Stake
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from tests.support.vm_world import (
    ALICE,
    BOB,
    CAROL,
    COIN,
    FEE,
    EnvelopeParts,
    World,
    address,
    funded,
    make,
)

GENEROUS = replace(REGTEST.credits, rate_per_staked_unit=1 << 32)
EPOCH = REGTEST.credits.epoch_blocks
BID = REGTEST.credits.minimum_bid
STARTING = REGTEST.credits.starting_allowance
EOS = REGTEST.model.eos
CALL = LlmCall(REGTEST.model.model_id, (1, 50, 51), max_tokens=8, price=BID)


def staker(blocks: int = 2, *, rate: int = 1 << 32, **calls: int) -> World:
    """Alice with 900 coins at stake, some blocks into epoch 1, which she has credits of."""
    rules = replace(REGTEST.credits, rate_per_staked_unit=rate)
    params = replace(REGTEST, credits=rules, calls=replace(REGTEST.calls, **calls))
    keys = (ALICE, BOB, CAROL)
    world = World(params=params, state=funded((key, 1000 * COIN) for key in keys))
    world.send(ALICE, Stake(900 * COIN))
    world.until(EPOCH + blocks - 1)
    return world


def next_settled(world: World, key: KeyPair) -> Account:
    """An account as the next block's transactions will see it."""
    rules = world.params.credits
    account, _ = settled(
        world.account(key), totals_at_block(world.ledger.totals, world.height + 1, rules)
    )
    return account


def credits_of(world: World, key: KeyPair) -> int:
    """What a key can spend in the next block."""
    account = next_settled(world, key)
    return account.older_credits + account.newer_credits


def cause_of(world: World, key: KeyPair, payload: Payload, **parts: Unpack[EnvelopeParts]) -> str:
    with pytest.raises(RejectedTransactionViolation) as raised:
        world.send(key, payload, (EOS,) if payload.TAKES_ANSWER else None, **parts)
    return type(raised.value.__cause__).__name__


def test_gifts_in_circles_do_not_keep_credits_alive() -> None:
    # The same three accounts, one world passing everything on in every block.
    quiet, circling = staker(), staker()
    keys = [ALICE, BOB, CAROL]
    for step in range(3 * EPOCH):
        giver, taker = keys[step % 3], keys[(step + 1) % 3]
        amount = min(credits_of(circling, giver), rate_left(circling, giver))
        if amount >= STARTING:
            circling.send(giver, CreditTransfer(address(taker), amount))
        else:
            circling.block()
        quiet.block()
        assert sum(credits_of(circling, key) for key in keys) <= sum(
            credits_of(quiet, key) for key in keys
        )
    assert circling.account(CAROL).nonce > 1


def rate_left(world: World, key: KeyPair) -> int:
    account, rules = next_settled(world, key), world.params.credits
    earned = rules.rate_per_staked_unit * min(account.stake, account.epoch_stake) >> 32
    return earned + rules.starting_allowance + account.allowance - account.used


def burn_all(world: World, key: KeyPair) -> int:
    """Burn what can be burned, by calls that are answered at once."""
    burned = 0
    while (able := min(credits_of(world, key), rate_left(world, key))) >= BID * 5:
        price = min(able // 5, (1 << 32) - 1)
        call = replace(CALL, prompt=(1,), max_tokens=1, price=price)
        [receipt] = world.send(key, call, (EOS,)).receipts
        burned += receipt.burned
    return burned


def test_helpers_do_not_raise_a_rate() -> None:
    # A ten-thousandth of a micro-credit for each unit: far below what Alice earns. Few helpers, so
    # that all of it happens inside one epoch.
    rate = (1 << 32) // 10_000
    alone, helped = staker(rate=rate), staker(rate=rate)
    helpers = [key_from_seed(1, bytes([50 + number]) * 32) for number in range(2)]
    per_epoch = rate * 900 * COIN >> 32
    burned = {"alone": 0, "helped": 0}
    for _ in range(3):
        burned["alone"] += burn_all(alone, ALICE)
        # Everything goes to helpers, who burn what they hold and their own small allowance.
        for helper in helpers:
            share = min(rate_left(helped, ALICE), (per_epoch + STARTING) // 2)
            if share >= STARTING:
                helped.send(ALICE, CreditTransfer(address(helper), share))
        burned["helped"] += sum(burn_all(helped, key) for key in (*helpers, ALICE))
        end = max(alone.height, helped.height) // EPOCH * EPOCH + EPOCH
        alone.until(end)
        helped.until(end)
    assert 0 < burned["helped"] <= burned["alone"]
    assert burned["alone"] <= 3 * (per_epoch + STARTING)


def test_stake_that_comes_for_the_count_has_no_rate_when_it_leaves() -> None:
    world = staker(EPOCH, rate=1 << 31)
    world.send(BOB, Stake(900 * COIN))
    world.until(2 * EPOCH)
    world.send(ALICE, CreditTransfer(address(BOB), STARTING))
    world.send(BOB, Unstake(900 * COIN))
    # The gift's rate and the small allowance are left, no more.
    assert rate_left(world, BOB) == 2 * STARTING


def test_units_do_not_burn_twice_in_an_epoch() -> None:
    # Stake cannot be moved to another account within an epoch on any network.
    for params in NETWORKS.values():
        assert params.reward.unbonding >= params.credits.epoch_blocks
    world = staker()
    world.send(ALICE, Unstake(900 * COIN))
    left = world.account(ALICE).balance
    released = world.height + REGTEST.reward.unbonding
    world.until(released - 1)
    assert world.account(ALICE).balance == left
    world.block()
    assert world.account(ALICE).balance == left + 900 * COIN


@pytest.mark.parametrize("wait", [1, 3, EPOCH - 3, EPOCH, 2 * EPOCH])
@pytest.mark.parametrize("answered", [True, False])
def test_lanes_never_leave_more_credits_than_waiting(wait: int, answered: bool) -> None:
    world, quiet = (staker(3, lane_expiry_blocks=wait) for _ in range(2))
    price = credits_of(world, ALICE) // 35
    call = make(ALICE, replace(CALL, price=price), 1)
    world.block(call, answers=[None])
    if answered:
        world.send(BOB, LlmResult(call.txid, (60, 61, EOS)))
    for _ in range(3 * EPOCH):
        world.block()
        quiet.until(world.height)
        assert credits_of(world, ALICE) <= credits_of(quiet, ALICE)
        assert rate_left(world, ALICE) <= rate_left(quiet, ALICE)


def test_wash_calls_earn_a_tenth_of_the_subsidy_at_most() -> None:
    for params in NETWORKS.values():
        rules = params.reward
        for height in (1, rules.halving_blocks, rules.halving_blocks + 1, 1 << 31):
            full = subsidy(height, rules)
            idle = block_reward(height, 0, 0, rules)
            for burned in (1, rules.bonus_credit_cap, 1 << 62):
                earned = block_reward(height, burned, 0, rules)
                assert idle <= earned <= full
                assert earned - idle <= full // 10
        # What everyone earns in a block is twice what the bonus counts: half of all credits
        # have to burn for all of it.
        assert rules.bonus_credit_cap * 2 == params.credits.per_block


def test_an_emptied_account_keeps_its_nonce() -> None:
    world = World()
    first = make(ALICE, Transfer((Output(address(BOB), COIN),)), 0)
    world.block(first)
    everything = world.account(ALICE).balance - FEE
    world.send(ALICE, Transfer((Output(address(BOB), everything),)))
    assert world.account(ALICE) == Account(nonce=2)
    world.send(BOB, Transfer((Output(address(ALICE), 10 * COIN),)))
    for nonce in (0, 1):
        again = replace(first, nonce=nonce)
        with pytest.raises(RejectedTransactionViolation) as raised:
            world.block(again)
        assert type(raised.value.__cause__).__name__ == "NonceUsedViolation"


def test_no_split_of_a_payment_makes_dust_accounts() -> None:
    dust = REGTEST.limits.dust
    crumbs = (Output(address(CAROL), dust - 1),)
    assert cause_of(World(), ALICE, Transfer(crumbs * 2)) == "DustViolation"
    # Nor does an output before it in the same transaction help another account.
    mixed = (Output(address(BOB), dust), Output(address(CAROL), 1))
    assert cause_of(World(), ALICE, Transfer(mixed)) == "DustViolation"
    small = CreditTransfer(address(key_from_seed(1, b"n" * 32)), STARTING - 1)
    assert cause_of(staker(), ALICE, small) == "CreditDustViolation"


@pytest.mark.parametrize(
    ("payload", "parts", "rule"),
    [
        (Transfer((Output(address(BOB), (1 << 63) - 1),) * 2), {}, "SumViolation"),
        (Transfer((Output(address(BOB), 1),)), {"fee": (1 << 63) - 1}, "SumViolation"),
        (Stake((1 << 63) - 1), {"fee": 100_000}, "SumViolation"),
        (Stake((1 << 63) - 1 - 100_000), {"fee": 100_000}, "FundsViolation"),
        (Unstake((1 << 63) - 1), {}, "StakeViolation"),
        (CreditTransfer(address(BOB), (1 << 63) - 1), {}, "CreditsViolation"),
        (replace(CALL, price=(1 << 32) - 1), {}, "CreditsViolation"),
        (Transfer((Output(address(ALICE), 0),)), {}, "AmountViolation"),
        (CreditTransfer(address(ALICE), 0), {}, "AmountViolation"),
        (Stake(0), {}, "AmountViolation"),
        (Unstake(0), {}, "AmountViolation"),
    ],
)
def test_widths_and_nothings(payload: Payload, parts: EnvelopeParts, rule: str) -> None:
    assert cause_of(staker(), ALICE, payload, **parts) == rule


def test_windows_do_not_wrap() -> None:
    pay = Transfer((Output(address(BOB), COIN),))
    latest = (1 << 32) - 1
    world = World()
    world.send(ALICE, pay, not_before=1, expiry=1)
    assert cause_of(world, ALICE, pay, not_before=0, expiry=1) == "ExpiredViolation"
    assert cause_of(world, ALICE, pay, not_before=3, expiry=latest) == "NotYetValidViolation"
    assert cause_of(world, ALICE, pay, not_before=3, expiry=2) == "WindowViolation"
    world.send(ALICE, pay, not_before=2, expiry=latest)


def test_paying_oneself_changes_the_fee_alone() -> None:
    world = staker()
    before = world.account(ALICE)
    spent = before.balance - FEE
    world.send(ALICE, Transfer((Output(address(ALICE), spent),) * 1))
    after = world.account(ALICE)
    assert after == replace(before, nonce=before.nonce + 1, balance=before.balance - FEE)
    # More than there is cannot be paid by what comes back.
    both = (Output(address(ALICE), after.balance), Output(address(ALICE), 1))
    assert cause_of(world, ALICE, Transfer(both)) == "FundsViolation"


def test_stake_at_the_edge_of_an_epoch_earns_no_more_than_its_blocks() -> None:
    # Staked for k blocks over a boundary it earns k shares of what stays, however it is timed.
    for start in range(EPOCH - 3, EPOCH + 3):
        world = World(params=replace(REGTEST, credits=GENEROUS))
        world.send(BOB, Stake(500 * COIN))
        world.until(start - 1)
        world.send(ALICE, Stake(500 * COIN))
        world.until(start + 4)
        world.send(ALICE, Unstake(500 * COIN))
        share = REGTEST.credits.per_block // 2
        assert share * 5 - 5 <= credits_of(world, ALICE) <= share * 5


def test_totals_never_exceed_what_was_issued() -> None:
    # Odd stakes of odd sizes, so that every rounding is used; the invariant raises if one goes up.
    world = World(params=replace(REGTEST, credits=GENEROUS))
    for number in range(6 * EPOCH):
        key = (ALICE, BOB)[number % 2]
        stake = world.account(key).stake
        world.send(key, Unstake(stake // 3 + 1) if stake and number % 3 else Stake(COIN + number))
    issued = [world.ledger.totals.issued, world.ledger.totals.previous_issued]
    drawn = [world.ledger.totals.drawn, world.ledger.totals.previous_drawn]
    assert all(d <= i for d, i in zip(drawn, issued, strict=True))
