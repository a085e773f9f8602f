"""Calls and their results: rules, burning, lanes, and credits that come back."""

from dataclasses import replace

import pytest

from esper.crypto.signing import KeyPair
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.errors.call_errors import (
    AnswerBudgetViolation,
    AnswerCountViolation,
    AnswerEndViolation,
    AnswerSizeViolation,
    AnswerTokenViolation,
    CallModelViolation,
    CallShapeViolation,
    CallTooLongViolation,
    CreditIssueViolation,
    CreditsViolation,
    LaneLimitViolation,
    LaneViolation,
    PriceViolation,
    PromptTokenViolation,
    RateViolation,
)
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import ModelId, Txid
from esper.primitives.networks import REGTEST
from esper.vm.context import Answer
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.credits import settled
from esper.vm.execute import execute_transactions
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Payload
from esper.vm.records import Account, CreditTotals
from esper.vm.stake import Stake
from esper.vm.unstake import Unstake
from tests.support.vm_world import ALICE, BOB, COIN, FEE, MINER, MODEL, World, address, make

CREDITS = replace(REGTEST.credits, rate_per_staked_unit=1 << 32)
PARAMS = replace(REGTEST, credits=CREDITS)
EPOCH = CREDITS.epoch_blocks
BID = CREDITS.minimum_bid
EOS = MODEL.eos
VOCAB = MODEL.shape.vocab
ROWS = REGTEST.calls.rows_per_call
CALL = LlmCall(MODEL.model_id, (1, 50, 51), max_tokens=8, price=BID)
ANSWER: Answer = (60, 61, EOS)


def caller(blocks: int = 2, **calls: int) -> World:
    """A world in its second epoch, where Alice has credits of both."""
    params = replace(PARAMS, calls=replace(PARAMS.calls, **calls))
    world = World(params=params)
    world.send(ALICE, Stake(900 * COIN))
    world.until(EPOCH + blocks)
    return world


def credits_of(world: World, key: KeyPair = ALICE) -> tuple[int, int]:
    """What (older, newer) credits an account has if it is settled now."""
    account, _ = settled(world.account(key), world.ledger.totals)
    return account.older_credits, account.newer_credits


def refuse(
    world: World,
    sender: KeyPair,
    payload: Payload,
    expected: TransactionViolation,
    answer: Answer | None = ANSWER,
) -> None:
    with pytest.raises(RejectedTransactionViolation) as caught:
        world.send(sender, payload, answer)
    cause = caught.value.__cause__
    assert type(cause) is type(expected)
    assert cause.args == expected.args


def test_a_call_burns_what_its_answer_costs() -> None:
    world = caller()
    before = credits_of(world)
    (receipt,) = world.send(ALICE, CALL, ANSWER).receipts
    burned = BID * (3 + 4 * 3)
    assert (receipt.kind, receipt.fee, receipt.burned, receipt.locked) == (5, 0, burned, 0)
    assert (receipt.paid_tokens, receipt.own) == (6, 0)
    after = world.account(ALICE)
    assert after.older_credits == before[0] - burned
    assert (after.used, after.balance, after.nonce) == (burned, 100 * COIN - FEE, 2)


def test_older_credits_burn_first_and_then_the_newer() -> None:
    world = caller()
    older, newer = credits_of(world)
    price = older // 15 + 1
    world.send(ALICE, replace(CALL, price=price, max_tokens=4), ANSWER)
    after = world.account(ALICE)
    earned = after.newer_credits + (15 * price - older) - newer
    assert after.older_credits == 0
    assert CREDITS.per_block - 2 <= earned <= CREDITS.per_block + 2


def test_shape() -> None:
    for tokens in (1, 128):
        caller().send(ALICE, replace(CALL, prompt=(1,), max_tokens=tokens), (EOS,))
    for prompt, tokens in (((), 8), ((1,), 0), ((1,), 129)):
        call = replace(CALL, prompt=prompt, max_tokens=tokens)
        refuse(caller(), ALICE, call, CallShapeViolation(len(prompt), tokens, 128))


def test_model_and_tokens() -> None:
    refuse(
        caller(),
        ALICE,
        replace(CALL, model_id=ModelId(bytes(64))),
        CallModelViolation(ModelId(bytes(64))),
    )
    caller().send(ALICE, replace(CALL, prompt=(1, VOCAB - 1)), ANSWER)
    call = replace(CALL, prompt=(1, VOCAB))
    refuse(caller(), ALICE, call, PromptTokenViolation(VOCAB, VOCAB))


def test_length() -> None:
    fits = replace(CALL, prompt=(1,) * (ROWS - 7))
    caller().send(ALICE, fits, ANSWER)
    refuse(caller(), ALICE, replace(fits, max_tokens=9), CallTooLongViolation(ROWS + 1, ROWS))
    # A model with shorter sequences than a call has rows is the limit itself, by powers of two.
    shape = replace(MODEL.shape, max_seq=31)
    params = replace(PARAMS, model=replace(MODEL, shape=shape))
    world = replace(caller(), params=params)
    refuse(world, ALICE, replace(CALL, prompt=(1,) * 10), CallTooLongViolation(17, 16))
    world.send(ALICE, CALL, ANSWER)


def test_price() -> None:
    refuse(caller(), ALICE, replace(CALL, price=BID - 1), PriceViolation(BID - 1, BID))


def test_credits_cover_the_longest_answer() -> None:
    world = caller()
    world.state = world.state.with_account(
        address(BOB), Account(balance=1, epoch=1, newer_credits=CALL.reserve)
    )
    refuse(world, BOB, replace(CALL, max_tokens=9), CreditsViolation(350, 390))
    world.send(BOB, CALL, ANSWER)
    assert world.account(BOB).newer_credits == CALL.reserve - 150


def test_lapsed_credits_are_none() -> None:
    world = caller()
    world.state = world.state.with_account(
        address(BOB), Account(epoch=0, older_credits=10**6, newer_credits=5)
    )
    refuse(world, BOB, CALL, CreditsViolation(5, CALL.reserve))


def test_rate_is_checked_for_the_longest_answer() -> None:
    limit = CREDITS.starting_allowance
    spent = Account(epoch=1, newer_credits=10**9, used=limit - CALL.reserve)
    world = caller()
    world.state = world.state.with_account(address(BOB), replace(spent, used=spent.used + 1))
    used = limit - CALL.reserve + 1
    refuse(world, BOB, CALL, RateViolation(used, CALL.reserve, limit))
    world.state = world.state.with_account(address(BOB), spent)
    world.send(BOB, CALL, ANSWER)
    assert world.account(BOB).used == limit - CALL.reserve + 150


def test_the_rate_follows_the_smaller_of_both_stakes() -> None:
    account = Account(epoch=1, newer_credits=10**9, stake=1000, epoch_stake=50)
    limit = CREDITS.starting_allowance + 50
    call = replace(CALL, price=(limit // 35) + 1)
    for both in ((1000, 50), (50, 1000)):
        world = caller()
        stakes = replace(account, stake=both[0], epoch_stake=both[1])
        world.state = world.state.with_account(address(BOB), stakes)
        refuse(world, BOB, call, RateViolation(0, call.reserve, limit))


def test_one_answer_per_call() -> None:
    world = caller()
    call = make(ALICE, CALL, 1)
    for answers in ((), (ANSWER, ANSWER)):
        with pytest.raises(AnswerCountViolation) as caught:
            execute_transactions(world.state, [call], world.context(answers))
        assert caught.value.args == (len(answers), 1)
    world.block(call, make(ALICE, CALL, 2), answers=[ANSWER, (60, EOS)])
    assert world.account(ALICE).used == BID * (15 + 11)


def test_answers_have_their_shape() -> None:
    full = (60,) * 8
    for answer in ((EOS,), full, (*full[:7], EOS), (0, VOCAB - 1, EOS)):
        caller().send(ALICE, CALL, answer)
    refuse(caller(), ALICE, CALL, AnswerBudgetViolation(0, 8), ())
    refuse(caller(), ALICE, CALL, AnswerBudgetViolation(9, 8), (60,) * 9)
    refuse(caller(), ALICE, CALL, AnswerTokenViolation(VOCAB, VOCAB), (VOCAB, EOS))
    refuse(caller(), ALICE, CALL, AnswerTokenViolation(-1, VOCAB), (-1, EOS))
    refuse(caller(), ALICE, CALL, AnswerEndViolation(2, 2, 8), (60, 61))
    refuse(caller(), ALICE, CALL, AnswerEndViolation(0, 2, 8), (EOS, 61))
    refuse(caller(), ALICE, CALL, AnswerEndViolation(0, 2, 8), (EOS, EOS))
    early = (60, EOS, *full[:6])
    refuse(caller(), ALICE, CALL, AnswerEndViolation(1, 8, 8), early)


def test_answers_in_the_block_are_small() -> None:
    # Ids below 128 take a byte each behind a head of three, so 61 of them make 64 bytes.
    call = replace(CALL, max_tokens=62)
    caller().send(ALICE, call, (60,) * 60 + (EOS,))
    refuse(caller(), ALICE, call, AnswerSizeViolation(65, 64), (60,) * 62)


def test_an_open_call_is_answered_later() -> None:
    world = caller()
    before = credits_of(world)
    call = make(ALICE, CALL, 1)
    (receipt,) = world.block(call, answers=[None]).receipts
    assert (receipt.burned, receipt.locked, receipt.paid_tokens) == (0, CALL.reserve, 0)
    locked = world.account(ALICE)
    assert locked.older_credits == before[0] - CALL.reserve
    assert locked.used == CALL.reserve
    lane = world.ledger.lane(call.txid)
    assert lane is not None
    assert (lane.caller, lane.prompt, lane.max_tokens) == (address(ALICE), CALL.prompt, 8)

    (receipt,) = world.send(BOB, LlmResult(call.txid, ANSWER)).receipts
    assert (receipt.kind, receipt.fee, receipt.burned, receipt.own) == (6, FEE, 150, 0)
    assert receipt.paid_tokens == 6
    after = world.account(ALICE)
    assert (after.older_credits, after.used) == (before[0] - 150, 150)
    assert world.ledger.lane(call.txid) is None
    # Neither again nor at the height where it would have lapsed.
    refuse(world, BOB, LlmResult(call.txid, ANSWER), LaneViolation(call.txid))
    world.until(lane.lapse_height)
    assert world.account(ALICE) == after


def test_a_result_burns_older_credits_first_and_then_the_newer() -> None:
    world = caller()
    older, _ = credits_of(world)
    price = older // 15 + 1
    call = make(ALICE, replace(CALL, price=price, max_tokens=4), 1)
    world.block(call, answers=[None])
    locked = world.account(ALICE)
    assert locked.older_credits == 0
    earned = credits_of(world)[1]
    world.send(BOB, LlmResult(call.txid, ANSWER))
    after = world.account(ALICE)
    # 19 prices were locked and 15 burned, which is more than the older ones.
    assert after.older_credits == 0
    assert 0 <= after.newer_credits - (earned + 4 * price) - CREDITS.per_block + 2 <= 4
    assert after.used == 15 * price


def test_a_result_fits_its_call() -> None:
    world = caller()
    call = make(ALICE, CALL, 1)
    world.block(call, answers=[None])
    result = LlmResult(call.txid, ANSWER)
    refuse(world, BOB, replace(result, call_id=Txid(bytes(64))), LaneViolation(Txid(bytes(64))))
    refuse(world, BOB, replace(result, answer=()), AnswerBudgetViolation(0, 128))
    refuse(world, BOB, replace(result, answer=(60,) * 9), AnswerBudgetViolation(9, 8))
    refuse(world, BOB, replace(result, answer=(60,)), AnswerEndViolation(1, 1, 8))
    other = replace(
        world, params=replace(PARAMS, model=replace(MODEL, model_id=ModelId(bytes(64))))
    )
    refuse(other, BOB, result, CallModelViolation(MODEL.model_id))
    world.send(BOB, result)


def test_the_block_is_marked_whose_own_call_it_answers() -> None:
    world = caller()
    world.state = world.state.with_account(
        address(MINER), Account(balance=COIN, epoch=1, newer_credits=10**6)
    )
    call = make(MINER, CALL, 0)
    (receipt,) = world.block(call, answers=[None]).receipts
    assert receipt.own == 1
    (receipt,) = world.send(BOB, LlmResult(call.txid, ANSWER)).receipts
    assert receipt.own == 1
    (receipt,) = world.send(ALICE, CALL, ANSWER).receipts
    assert receipt.own == 0


@pytest.mark.parametrize("expiry", [1, 3])
def test_an_unanswered_call_lapses(expiry: int) -> None:
    world = caller(lane_expiry_blocks=expiry)
    before = credits_of(world)
    call = make(ALICE, CALL, 1)
    world.block(call, answers=[None])
    opened = world.height
    world.until(opened + expiry - 1)
    # The last height of the result is the opening's plus the expiry.
    answered = replace(world)
    answered.send(BOB, LlmResult(call.txid, ANSWER))
    assert answered.account(ALICE).used == 150
    world.until(opened + expiry)
    assert world.account(ALICE).used == CALL.reserve
    refuse(world, BOB, LlmResult(call.txid, ANSWER), LaneViolation(call.txid))
    world.block()
    after = world.account(ALICE)
    assert (after.older_credits, after.used) == (before[0], 0)
    assert world.ledger.lane(call.txid) is None


def lapsed(blocks_into_epoch: int, expiry: int) -> tuple[World, tuple[int, int]]:
    """A call left open for credits of two epochs; the world after its lapse, what was locked."""
    world = caller(blocks_into_epoch, lane_expiry_blocks=expiry)
    older, _ = credits_of(world)
    call = make(ALICE, replace(CALL, price=older // 35 + 1000), 1)
    world.block(call, answers=[None])
    lane = world.ledger.lane(call.txid)
    assert lane is not None
    assert lane.older_credits > 0 < lane.newer_credits
    world.until(lane.lapse_height)
    return world, (lane.older_credits, lane.newer_credits)


def test_credits_return_to_their_buckets() -> None:
    world, locked = lapsed(2, expiry=1)
    account = world.account(ALICE)
    assert account.epoch == 1
    assert account.older_credits == locked[0]
    assert account.used == 0


def test_credits_return_into_the_next_epoch_less_what_lapsed() -> None:
    world, locked = lapsed(2, expiry=EPOCH)
    quiet = caller(2)
    quiet.until(world.height)
    expected = credits_of(quiet)
    account = world.account(ALICE)
    assert (account.epoch, account.used) == (2, 0)
    # Nothing is missing of the first epoch's successor, but for roundings of two settlements.
    assert 0 <= expected[0] - account.older_credits <= 2
    assert locked[1] > 2


def test_credits_two_epochs_old_do_not_return() -> None:
    world, _ = lapsed(2, expiry=2 * EPOCH)
    quiet = caller(2)
    quiet.until(world.height)
    assert world.account(ALICE).epoch == 3
    assert credits_of(world) == credits_of(quiet)


def test_a_late_result_burns_credits_whose_epoch_is_over() -> None:
    world = caller(2, lane_expiry_blocks=2 * EPOCH)
    call = make(ALICE, CALL, 1)
    world.block(call, answers=[None])
    world.until(world.height + 2 * EPOCH - 1)
    before = credits_of(world)
    (receipt,) = world.send(BOB, LlmResult(call.txid, ANSWER)).receipts
    assert receipt.burned == 150
    after = world.account(ALICE)
    assert (after.older_credits, after.used) == (before[0], 0)


def test_a_block_opens_no_more_lanes_than_may_lapse_in_one() -> None:
    world = caller(lane_lapses_per_block=2, lane_expiry_blocks=1)
    calls = [make(ALICE, CALL, nonce) for nonce in (1, 2, 3)]
    with pytest.raises(RejectedTransactionViolation) as caught:
        world.block(*calls, answers=[None, None, None])
    assert type(caught.value.__cause__) is LaneLimitViolation
    assert caught.value.__cause__.args == (2, 2)
    world.block(*calls, answers=[None, ANSWER, None])
    world.block(make(ALICE, CALL, 4), answers=[None])
    world.block()
    assert world.account(ALICE).used == 150 + CALL.reserve
    world.block()
    assert world.account(ALICE).used == 150


def test_whatever_settles_an_account_counts_what_it_drew() -> None:
    # Nothing lapses in the first two epochs, so what was drawn is held, locked or burned.
    world = caller(blocks=0, lane_expiry_blocks=1)
    gone = 0

    def check() -> None:
        totals = world.ledger.totals
        assert totals.epoch == 1
        accounts = [world.account(key) for key in (ALICE, BOB)]
        held = sum(account.older_credits + account.newer_credits for account in accounts)
        assert totals.previous_drawn + totals.drawn == held + gone

    for payload in (CreditTransfer(address(BOB), 1), Stake(1), Unstake(1)):
        world.send(ALICE, payload)
        check()
    world.send(ALICE, CALL, ANSWER)
    gone = 150
    check()
    (receipt,) = world.send(ALICE, CALL, None).receipts
    gone += CALL.reserve
    check()
    world.send(BOB, LlmResult(receipt.txid, ANSWER))
    gone += 150 - CALL.reserve
    check()
    world.send(ALICE, CALL, None)
    world.until(world.height + 2)
    check()


def test_more_credits_than_were_issued_are_noticed() -> None:
    staked = Account(stake=100, epoch=4)
    index = 7 << 64
    fair = CreditTotals(epoch=4, total_stake=100, index=index, issued=700)
    assert settled(staked, fair)[1].drawn == 700
    with pytest.raises(CreditIssueViolation) as caught:
        settled(staked, replace(fair, issued=699))
    assert caught.value.args == (4, 700, 699)
    before = CreditTotals(epoch=5, total_stake=100, previous_index=index, previous_issued=700)
    assert settled(staked, before)[1].previous_drawn == 700
    with pytest.raises(CreditIssueViolation) as caught:
        settled(staked, replace(before, previous_issued=699))
    assert caught.value.args == (4, 700, 699)
