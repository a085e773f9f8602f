"""Transfer, Stake, Unstake and CreditTransfer: their rules and what they leave behind."""

from dataclasses import replace

import pytest

from esper.crypto.signing import KeyPair
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.errors.call_errors import CreditDustViolation, CreditsViolation, RateViolation
from esper.primitives.errors.transaction_errors import (
    AmountViolation,
    DustViolation,
    ReceiverViolation,
    StakeViolation,
    TransactionViolation,
)
from esper.primitives.networks import REGTEST
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, FEE, World, address, make

DUST = REGTEST.limits.dust
UNBONDING = REGTEST.reward.unbonding
EPOCH = REGTEST.credits.epoch_blocks
PER_BLOCK = REGTEST.credits.per_block
STARTING = REGTEST.credits.starting_allowance


def refuse(world: World, sender: KeyPair, payload: Payload, expected: TransactionViolation) -> None:
    with pytest.raises(RejectedTransactionViolation) as caught:
        world.send(sender, payload)
    cause = caught.value.__cause__
    assert type(cause) is type(expected)
    assert cause.args == expected.args


def transfer(*outputs: tuple[KeyPair, int]) -> Transfer:
    return Transfer(tuple(Output(address(key), amount) for key, amount in outputs))


def test_transfer_pays_in_order() -> None:
    world = World()
    world.send(ALICE, transfer((BOB, 5), (CAROL, DUST), (CAROL, DUST), (BOB, 6)))
    assert world.account(BOB).balance == 1000 * COIN + 11
    assert world.account(CAROL).balance == 2 * DUST
    assert world.account(ALICE).balance == 1000 * COIN - 11 - 2 * DUST - FEE


def test_transfer_to_oneself() -> None:
    world = World()
    world.send(ALICE, transfer((ALICE, 7), (ALICE, 8)))
    assert world.account(ALICE).balance == 1000 * COIN - FEE


def test_transfer_of_nothing() -> None:
    refuse(World(), ALICE, Transfer(()), AmountViolation("number of outputs"))
    refuse(World(), ALICE, transfer((BOB, 1), (BOB, 0)), AmountViolation("amount"))


def test_transfer_to_no_address() -> None:
    nowhere = b"\3" + bytes(32)
    reason = "address suite 3 is unknown, must be one of 1, 2"
    refuse(World(), ALICE, Transfer((Output(nowhere, COIN),)), ReceiverViolation(nowhere, reason))


def test_dust() -> None:
    World().send(ALICE, transfer((CAROL, DUST)))
    World().send(ALICE, transfer((BOB, 1)))
    refuse(World(), ALICE, transfer((CAROL, DUST - 1)), DustViolation(DUST - 1, DUST))
    refuse(World(), ALICE, transfer((CAROL, DUST), (CAROL, 1)), DustViolation(1, DUST))


def test_an_account_that_sent_something_stays() -> None:
    world = World()
    world.send(ALICE, transfer((CAROL, DUST + FEE)))
    world.send(CAROL, transfer((ALICE, DUST)))
    assert (world.account(CAROL).balance, world.account(CAROL).nonce) == (0, 1)
    world.send(ALICE, transfer((CAROL, 1)))


def test_stake_and_unstake() -> None:
    world = World()
    world.send(ALICE, Stake(600 * COIN))
    assert world.account(ALICE).stake == 600 * COIN
    assert world.account(ALICE).balance == 400 * COIN - FEE
    assert world.ledger.totals.total_stake == 600 * COIN
    world.send(ALICE, Unstake(200 * COIN))
    released = world.height + UNBONDING
    assert world.account(ALICE).stake == 400 * COIN
    assert world.ledger.totals.total_stake == 400 * COIN
    world.until(released - 1)
    assert world.account(ALICE).balance == 400 * COIN - 2 * FEE
    world.until(released)
    assert world.account(ALICE).balance == 600 * COIN - 2 * FEE
    world.until(released + UNBONDING)
    assert world.account(ALICE).balance == 600 * COIN - 2 * FEE


def test_several_unstakings_of_one_block() -> None:
    world = World()
    world.send(ALICE, Stake(10 * COIN))
    world.send(BOB, Stake(10 * COIN))
    world.block(make(ALICE, Unstake(1), 1), make(BOB, Unstake(2), 1), make(ALICE, Unstake(3), 2))
    world.until(world.height + UNBONDING)
    assert world.account(ALICE).balance == 990 * COIN - 3 * FEE + 4
    assert world.account(BOB).balance == 990 * COIN - 2 * FEE + 2


def test_stake_rules() -> None:
    refuse(World(), ALICE, Stake(0), AmountViolation("amount"))
    world = World()
    world.send(ALICE, Stake(5))
    refuse(world, ALICE, Unstake(0), AmountViolation("amount"))
    refuse(world, ALICE, Unstake(6), StakeViolation(5, 6))
    refuse(world, BOB, Unstake(1), StakeViolation(0, 1))
    world.send(ALICE, Unstake(5))
    assert world.account(ALICE).stake == 0


def credited(**parts: int) -> World:
    """A world at height 12 where Alice staked everything she needs in the first epoch."""
    world = World(params=replace(REGTEST, credits=replace(REGTEST.credits, **parts)))
    world.send(ALICE, Stake(900 * COIN))
    world.until(EPOCH + 2)
    return world


def test_credit_transfer_moves_buckets_and_rate() -> None:
    world = credited(rate_per_staked_unit=1 << 32)
    # Alice's stake was there at the start of eight blocks of the first epoch and of four more.
    world.send(ALICE, CreditTransfer(address(CAROL), 10 * PER_BLOCK))
    alice, carol = world.account(ALICE), world.account(CAROL)
    older = (EPOCH - 2) * PER_BLOCK
    assert older - 2 <= carol.older_credits <= older
    assert carol.newer_credits == 10 * PER_BLOCK - carol.older_credits
    assert alice.older_credits == 0
    assert 2 * PER_BLOCK - 4 <= alice.newer_credits <= 2 * PER_BLOCK + 2
    assert (carol.allowance, alice.used) == (10 * PER_BLOCK, 10 * PER_BLOCK)
    assert (carol.used, alice.allowance, carol.epoch) == (0, 0, 1)
    # The receiver may pass on all of it, and no more than the allowance for everyone on top.
    world.send(ALICE, transfer((CAROL, COIN)))
    world.send(CAROL, CreditTransfer(address(BOB), 10 * PER_BLOCK))
    assert world.account(BOB).allowance == 10 * PER_BLOCK


def test_credit_transfer_rules() -> None:
    world = credited()
    refuse(world, ALICE, CreditTransfer(address(BOB), 0), AmountViolation("amount"))
    nowhere = b"\0" * 33
    reason = "address suite 0 is unknown, must be one of 1, 2"
    refuse(world, ALICE, CreditTransfer(nowhere, 1), ReceiverViolation(nowhere, reason))
    small = CreditTransfer(address(CAROL), STARTING - 1)
    refuse(world, ALICE, small, CreditDustViolation(STARTING - 1, STARTING))
    refuse(world, BOB, CreditTransfer(address(ALICE), 1), CreditsViolation(0, 1))
    world.send(ALICE, CreditTransfer(address(BOB), 1))
    world.send(ALICE, CreditTransfer(address(CAROL), STARTING))


def test_credit_transfer_is_limited_by_the_rate() -> None:
    # One micro-credit per staked unit and epoch.
    world = credited(rate_per_staked_unit=(1 << 32) // (900 * COIN))
    limit = ((1 << 32) // (900 * COIN) * 900 * COIN >> 32) + STARTING
    world.send(ALICE, CreditTransfer(address(BOB), limit - 1))
    refuse(world, ALICE, CreditTransfer(address(BOB), 2), RateViolation(limit - 1, 2, limit))
    world.send(ALICE, CreditTransfer(address(BOB), 1))
    # The rate begins anew with the epoch.
    world.until(2 * EPOCH)
    world.send(ALICE, CreditTransfer(address(BOB), 2))


def test_credits_given_to_oneself_change_nothing() -> None:
    world = credited()
    before = world.account(ALICE)
    world.send(ALICE, CreditTransfer(address(ALICE), PER_BLOCK))
    after = world.account(ALICE)
    assert (after.used, after.allowance) == (0, 0)
    assert before.older_credits <= after.older_credits
