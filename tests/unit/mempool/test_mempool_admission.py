"""Who is let in, in which order the rules are asked, and that a refusal changes nothing."""

from dataclasses import replace

import pytest

from esper.mempool.errors import (
    NonceTooFarError,
    PendingCreditsError,
    PendingFundsError,
    PolicyError,
    ResultFromOutsideError,
    TooEarlyError,
    TooManyPendingError,
)
from esper.mempool.policy import MempoolPolicy
from esper.primitives.errors.call_errors import CreditsViolation
from esper.primitives.errors.transaction_errors import (
    DustViolation,
    ExpiredViolation,
    FeeViolation,
    FundsViolation,
    KeyUnknownViolation,
    KeyViolation,
    NonceUsedViolation,
    SignatureViolation,
    TransactionSizeViolation,
)
from esper.primitives.ids import Txid
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Output, Payload
from esper.vm.records import Account
from esper.vm.stake import Stake
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from tests.support.mempool_world import EOS, PoolWorld, call, fee_order, pay
from tests.support.vm_world import ALICE, BOB, COIN, MINER, EnvelopeParts, address, make

FEW = MempoolPolicy(pending_per_sender=3, aside_per_sender=2)


def test_what_is_valid_waits_and_may_come_again() -> None:
    world = PoolWorld()
    first = world.send(ALICE, pay(BOB), 0)
    assert first.txid in world.pool
    assert world.pool.get(first.txid) == first
    # The id leaves the signature out: whoever signs it again, or badly, changes nothing.
    again = world.add(replace(first, signature=b"x"))
    assert (again.replaced, again.evicted) == (None, ())
    assert world.pool.get(first.txid) == first
    assert len(world.pool) == 1


@pytest.mark.parametrize(
    ("payload", "parts", "violation"),
    [
        (pay(BOB), {"fee": 9_999}, FeeViolation),
        (pay(BOB), {"expiry": 0}, ExpiredViolation),
        (pay(BOB), {"not_before": 18}, TooEarlyError),
        (pay(BOB, 1000 * COIN), {}, FundsViolation),
        (pay(MINER, 1), {}, DustViolation),
        (pay(BOB), {"with_key": False}, KeyUnknownViolation),
        (CreditTransfer(address(BOB), 10**13), {}, CreditsViolation),
        (LlmResult(Txid(bytes(64)), (EOS,)), {}, ResultFromOutsideError),
    ],
)
def test_what_breaks_a_rule_stays_outside(
    payload: Payload, parts: EnvelopeParts, violation: type[Exception]
) -> None:
    world = PoolWorld()
    with pytest.raises(violation):
        world.send(ALICE, payload, 0, **parts)
    assert len(world.pool) == 0
    assert world.pool.statistics().fee_bytes == 0


def test_a_transaction_above_the_limit_of_bytes_is_refused() -> None:
    world = PoolWorld()
    limits = replace(world.params.limits, transaction_bytes=5_000)
    world.world.params = replace(world.params, limits=limits)
    world.__post_init__()
    with pytest.raises(TransactionSizeViolation):
        world.send(ALICE, pay(BOB), 0)
    world.world.params = replace(world.params, limits=replace(limits, transaction_bytes=6_000))
    world.__post_init__()
    world.send(ALICE, pay(BOB), 0)


def test_rules_in_isolation_are_asked() -> None:
    world = PoolWorld()
    with pytest.raises(KeyViolation):
        world.add(replace(world.signed(ALICE, pay(BOB), 0), key=BOB.public))


def test_a_signature_that_does_not_fit_is_refused_last() -> None:
    world = PoolWorld()
    with pytest.raises(SignatureViolation):
        world.add(make(ALICE, pay(BOB), 0))
    # Whatever else is wrong is found before the dear check.
    with pytest.raises(FundsViolation):
        world.add(make(ALICE, pay(BOB, 1000 * COIN), 0))
    assert len(world.pool) == 0
    assert world.pool.next_nonce(address(ALICE), 0) == 0


def test_a_refused_signature_leaves_the_line_as_it_was() -> None:
    world = PoolWorld()
    world.send(ALICE, pay(BOB), 0)
    with pytest.raises(SignatureViolation):
        world.add(make(ALICE, pay(BOB, 900 * COIN), 1))
    # Had it left a trace, the funds would be gone.
    world.send(ALICE, pay(BOB, 900 * COIN), 1)


def test_windows_that_open_soon_may_wait_and_are_not_chosen() -> None:
    world = PoolWorld()
    early = world.send(ALICE, pay(BOB), 0, not_before=17)
    assert fee_order(world.pool) == []
    world.world.until(16)
    world.block()
    assert fee_order(world.pool) == [early]


def test_nonces_of_the_past_are_refused() -> None:
    world = PoolWorld()
    world.block(make(ALICE, pay(BOB), 0))
    with pytest.raises(NonceUsedViolation):
        world.send(ALICE, pay(BOB), 0)
    world.send(ALICE, pay(BOB), 1)


def test_a_line_ends_at_its_limit() -> None:
    world = PoolWorld(FEW)
    for nonce in range(3):
        world.send(ALICE, pay(BOB), nonce)
    with pytest.raises(TooManyPendingError):
        world.send(ALICE, pay(BOB), 3)
    assert len(world.pool.pending_of(address(ALICE))) == 3
    # Others have lines of their own.
    world.send(BOB, pay(ALICE), 0)


def test_what_lies_beyond_a_gap_joins_when_the_gap_closes() -> None:
    world = PoolWorld(FEW)
    late = [world.send(ALICE, pay(BOB), nonce) for nonce in (2, 1)]
    with pytest.raises(NonceTooFarError):
        world.send(ALICE, pay(BOB), 5)
    assert world.pool.pending_of(address(ALICE)) == ()
    assert fee_order(world.pool) == []
    assert world.pool.statistics().aside == 2
    first = world.send(ALICE, pay(BOB), 0)
    assert world.pool.pending_of(address(ALICE)) == (first, late[1], late[0])
    assert world.pool.next_nonce(address(ALICE), 0) == 3
    assert world.pool.statistics().aside == 0


def test_what_cannot_be_paid_when_the_gap_closes_is_dropped() -> None:
    world = PoolWorld()
    late = world.send(ALICE, pay(BOB, 999 * COIN), 1)
    admission = world.add(world.signed(ALICE, pay(BOB, 2 * COIN), 0))
    assert admission.evicted == (late.txid,)
    assert "997.999 ESP spendable" in (world.pool.dropped_reason(late.txid) or "")


def test_funds_and_credits_count_what_waits_already() -> None:
    world = PoolWorld()
    world.send(ALICE, pay(BOB, 600 * COIN), 0)
    with pytest.raises(PendingFundsError) as funds:
        world.send(ALICE, pay(BOB, 600 * COIN), 1)
    assert funds.value.balance == 1000 * COIN
    assert funds.value.retry
    with pytest.raises(FundsViolation):
        world.send(ALICE, pay(BOB, 1001 * COIN), 1)
    world.send(ALICE, CreditTransfer(address(BOB), 6 * 10**11), 1)
    with pytest.raises(PendingCreditsError) as refused:
        world.send(ALICE, CreditTransfer(address(BOB), 6 * 10**11), 2)
    assert refused.value.waiting == 6 * 10**11
    # A call holds its longest answer.
    world.send(ALICE, call(10**9), 2)
    assert world.pool.spent_by(address(ALICE)).micro_credits == 6 * 10**11 + 14 * 10**9
    assert world.pool.spent_by(address(ALICE)).units == 600 * COIN + 2 * 100_000


def test_a_line_counts_what_it_does_to_its_own_account() -> None:
    world = PoolWorld()
    # To oneself, a new account that gets dust afterwards, stake that can then be taken back.
    world.send(ALICE, Transfer((Output(address(ALICE), 900 * COIN),)), 0)
    world.send(ALICE, pay(MINER, 800 * COIN), 1)
    world.send(ALICE, pay(MINER, 1), 2)
    world.send(ALICE, Stake(100 * COIN), 3)
    world.send(ALICE, Unstake(100 * COIN), 4)
    # The key is in the first one.
    last = world.send(ALICE, CreditTransfer(address(ALICE), 10**12), 5, with_key=False)
    world.send(ALICE, CreditTransfer(address(BOB), 10**12), 6, with_key=False)
    assert last in world.pool.pending_of(address(ALICE))
    world.block(*fee_order(world.pool))
    assert len(world.pool) == 0


def test_queries_about_addresses() -> None:
    world = PoolWorld()
    world.send(ALICE, pay(BOB, 3 * COIN), 0)
    world.send(ALICE, pay(BOB, 4 * COIN), 5)
    assert world.pool.received_by(address(BOB)) == 7 * COIN
    assert world.pool.received_by(address(ALICE)) == 0
    assert world.pool.next_nonce(address(ALICE), 0) == 1
    assert world.pool.next_nonce(address(BOB), 9) == 9
    world.block(*fee_order(world.pool))
    assert world.pool.received_by(address(BOB)) == 4 * COIN


def test_refusals_say_what_would_help() -> None:
    world = PoolWorld(FEW)
    world.world.state = world.world.state.with_account(address(ALICE), Account(balance=COIN))
    with pytest.raises(PolicyError, match="not_before 99 is too far ahead, at most 17") as refused:
        world.send(ALICE, pay(BOB), 0, not_before=99)
    assert refused.value.rule == "TooEarlyError"
    assert refused.value.retry
