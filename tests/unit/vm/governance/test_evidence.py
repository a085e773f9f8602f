"""Evidence against a gateway: each rule by a transaction that breaks it, and what it takes."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from esper.crypto.signing import key_from_secret
from esper.dao.evidence import MAX_EVIDENCE
from esper.dao.registry import ONE, Entry, Puzzle
from esper.primitives.errors import dao_errors as e
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import ModelId
from esper.primitives.networks import REGTEST
from esper.primitives.params import NetworkParameters
from esper.vm.execute import TransactionRun
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.proving.evidence import taken_so_far
from esper.vm.governance.proving.taken_penalty import TakenPenalty
from esper.vm.stake import Stake
from esper.vm.unstake import Unstake
from tests.support.dao_world import DaoWorld, change_body
from tests.support.evidence_cases import EOS, FALSE, TRUE, Accusing, accusing, shown
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, FEE, MINER, MODEL, address, make
from tests.vectors.writers.write_signatures import SLH_SECRET

GATEWAY, ACCUSER = BOB, ALICE


def with_penalty(coins: int) -> NetworkParameters:
    governance = replace(REGTEST.governance, penalty=coins * COIN)
    return replace(REGTEST, governance=governance)


def staked(coins: int = 100, penalty: int = 40) -> DaoWorld:
    world = DaoWorld(with_penalty(penalty))
    world.block((GATEWAY, Stake(coins * COIN)))
    return world


def broken(world: DaoWorld, evidence: Accusing, **fields: Any) -> TransactionViolation:
    """The rule that it breaks; the world stays as it is."""
    before = world.state.root
    with pytest.raises(RejectedTransactionViolation) as caught:
        world.block((ACCUSER, evidence.prove(**fields)))
    assert world.state.root == before
    cause = caught.value.__cause__
    assert isinstance(cause, TransactionViolation)
    return cause


def rule(world: DaoWorld, evidence: Accusing, **fields: Any) -> type[TransactionViolation]:
    return type(broken(world, evidence, **fields))


def test_a_false_answer_costs_stake_and_half_of_it_is_the_accusers() -> None:
    world = staked()
    balance, issued = world.account(ACCUSER).balance, world.state.chain.issued
    world.until(5)
    before = world.state.chain.issued
    evidence = accusing(GATEWAY)
    world.block((ACCUSER, evidence.prove()))
    assert world.account(GATEWAY).stake == 60 * COIN
    assert world.account(ACCUSER).balance == balance + 20 * COIN - FEE
    assert taken_so_far(evidence.target, world.ledger) == 40 * COIN
    assert world.ledger.totals.total_stake == 60 * COIN
    # What was issued grew by the reward alone, less the half that nobody has.
    reward = world.ledger.reward(world.height)
    assert reward is not None
    assert issued < before
    assert world.state.chain.issued == before + reward.amount - FEE - 20 * COIN
    assert rule(world, evidence) is e.EvidenceTwiceViolation


def told(world: DaoWorld) -> tuple[TakenPenalty, ...]:
    """What the newest block says was taken."""
    return world.trail[-1][1].penalties


def test_what_is_taken_is_told_by_where_it_was() -> None:
    world = DaoWorld(with_penalty(1_000))
    world.block((GATEWAY, Stake(50 * COIN)), payee=GATEWAY)
    world.block((GATEWAY, Unstake(30 * COIN)))
    reward = world.ledger.reward(1)
    assert reward is not None
    release = world.height + world.params.reward.unbonding
    evidence = accusing(GATEWAY, rewards=(1,), unbondings=((release, 0),))
    assert told(world) == ()
    balance, issued = world.account(ACCUSER).balance, world.state.chain.issued
    (txid,) = world.block((ACCUSER, evidence.prove()))
    (found,) = told(world)
    assert (found.txid, found.receipt) == (txid, evidence.target)
    assert (found.gateway, found.accuser) == (address(GATEWAY), address(ACCUSER))
    assert (found.rewards, found.stake, found.unbonding) == (
        *(reward.amount, 20 * COIN, 30 * COIN),
    )
    assert found.taken == taken_so_far(evidence.target, world.ledger)
    assert world.account(ACCUSER).balance == balance - FEE + found.paid
    mined = world.ledger.reward(world.height)
    assert mined is not None
    assert world.state.chain.issued == issued + mined.amount - FEE - found.burned
    assert abs(found.burned - found.paid) <= 1
    world.block()
    assert told(world) == ()


def test_what_a_second_accusation_takes_is_told_by_itself() -> None:
    world = staked(coins=10, penalty=40)
    first, second = accusing(GATEWAY), accusing(GATEWAY, request=bytes([1]) * 64)
    world.block((ACCUSER, first.prove()))
    world.block((GATEWAY, Stake(50 * COIN)))
    one, two = world.block((CAROL, second.prove()), (ACCUSER, first.prove()))
    found = told(world)
    assert [(one.txid, one.stake, one.accuser) for one in found] == [
        (one, 40 * COIN, address(CAROL)),
        (two, 10 * COIN, address(ACCUSER)),
    ]


def test_a_miner_who_offers_evidence_tells_the_same_and_one_refused_tells_nothing() -> None:
    world, evidence = staked(), accusing(GATEWAY)
    transaction = make(ACCUSER, evidence.prove(), world.account(ACCUSER).nonce)

    def refuse(_: object) -> None:
        raise ValueError

    for judge, said in ((None, 1), (refuse, 0)):
        run = TransactionRun(world.state, world.context())
        with suppress(ValueError):
            run.offer(transaction, judge=judge)
        assert len(run.result().penalties) == said


def test_an_answer_cut_short_is_never_evidence() -> None:
    world = staked()
    # A stop, a reader who left, a budget: three tokens of many, whatever was asked for.
    for max_tokens in (3, 128, 0):
        honest = accusing(GATEWAY, answer=TRUE, max_tokens=max_tokens)
        assert rule(world, honest) is e.ReceiptViolation
        # That the model goes on is not shown: a longer answer than was signed is none to prove.
        longer = accusing(GATEWAY, *TRUE, 10, EOS, answer=TRUE, max_tokens=max_tokens)
        assert "must have 1 to 3" in str(broken(world, longer))
        # Nor does less of it contradict more.
        shorter = accusing(GATEWAY, *TRUE[:2], answer=TRUE, max_tokens=max_tokens)
        assert "gives the answer" in str(broken(world, shorter))
        nothing = accusing(GATEWAY, answer=TRUE, max_tokens=max_tokens)
        nothing = Accusing(nothing.target, replace(nothing.body, answer=shown()))
        assert "has 0 tokens" in str(broken(world, nothing))
    ended = accusing(GATEWAY, *TRUE, EOS, answer=(*TRUE, EOS))
    assert "gives the answer" in str(broken(world, ended))


@pytest.mark.parametrize(
    ("signed", "true"),
    [
        (FALSE, TRUE),
        ((8,), (7,)),
        ((*TRUE, 5), (*TRUE, EOS)),
        ((*TRUE, 5), (EOS,)),
        (FALSE, TRUE[:2]),
        ((*TRUE, EOS), (*TRUE, 10)),
        ((*TRUE, 5, 6), (*TRUE, EOS)),
        ((EOS,), (7,)),
    ],
)
def test_another_token_or_an_end_elsewhere_is(
    signed: tuple[int, ...], true: tuple[int, ...]
) -> None:
    # Nor does a small budget in the receipt hide what stands behind it.
    for max_tokens in (1, 128):
        world = staked()
        world.block(
            (ACCUSER, accusing(GATEWAY, *true, answer=signed, max_tokens=max_tokens).prove())
        )
        assert world.account(GATEWAY).stake == 60 * COIN


def test_the_receipt_is_this_gateways_of_this_network() -> None:
    world = staked()
    plain = accusing(GATEWAY)
    assert rule(world, plain, target=bytes(64)) is e.ProveTargetViolation
    other = accusing(GATEWAY, genesis_hash=bytes(64))
    assert "another network" in str(broken(world, other))
    assert rule(world, accusing(GATEWAY, signer=CAROL)) is e.ReceiptViolation
    forged = Accusing(plain.target, replace(plain.body, signature=bytes(3309)))
    assert rule(world, forged) is e.ReceiptViolation
    for suite in (0, 2, 255):
        renamed = Accusing(plain.target, replace(plain.body, suite=suite))
        assert rule(world, renamed) is e.ReceiptViolation
    # Somebody else's receipt under a digest of its own.
    world.block((ACCUSER, plain.prove()))


def test_keys_of_the_other_suite_sign_no_receipts() -> None:
    slh = key_from_secret(SLH_SECRET)
    world = staked()
    found = broken(world, accusing(slh))
    assert type(found) is e.ReceiptViolation
    assert "signature" in str(found)


def test_evidence_lives_as_long_as_stake_takes_to_leave() -> None:
    world = staked()
    unbonding = world.params.reward.unbonding
    world.until(unbonding + 8)
    first, last = world.height + 1 - unbonding, world.height + 1
    for height in (first - 1, last + 1, (1 << 32) - 1, 0):
        found = broken(world, accusing(GATEWAY, height=height))
        assert type(found) is e.EvidenceOldViolation
    for height in (first, last):
        trial = DaoWorld(world.params)
        trial.block((GATEWAY, Stake(100 * COIN)))
        trial.until(unbonding + 8)
        trial.block((ACCUSER, accusing(GATEWAY, height=height).prove()))
        assert trial.account(GATEWAY).stake == 60 * COIN


def test_models_of_a_tier_and_those_just_replaced_alone() -> None:
    world = staked()
    strange = ModelId(bytes([9]) * 64)
    evidence = accusing(GATEWAY, model_id=strange)
    assert rule(world, evidence) is e.ReceiptViolation
    context = world.context

    def with_previous(*args: Any, **kwargs: Any) -> Any:
        model = replace(MODEL, model_id=strange)
        entry = Entry(model, ONE, Puzzle.of(REGTEST.puzzle))
        return replace(context(*args, **kwargs), previous=(entry,))

    world.context = with_previous  # type: ignore[method-assign]
    world.block((ACCUSER, evidence.prove()))
    assert world.account(GATEWAY).stake == 60 * COIN


def test_what_no_proof_can_hold_is_refused() -> None:
    world = staked()
    most = world.params.governance.audit_rows
    fits = (5,) * (most - len(FALSE) + 1)
    assert rule(world, accusing(GATEWAY, prompt=(*fits, 5))) is e.AuditRowsViolation
    assert rule(world, accusing(GATEWAY, prompt=(5,) * 1024)) is e.AuditRowsViolation
    assert rule(world, accusing(GATEWAY, prompt=())) is e.ReceiptViolation
    assert rule(world, accusing(GATEWAY, answer=())) is e.ReceiptViolation
    assert rule(world, accusing(GATEWAY, prompt=(MODEL.shape.vocab,))) is e.ReceiptViolation
    world.block((ACCUSER, accusing(GATEWAY, prompt=fits).prove()))


def test_lists_are_those_of_a_text() -> None:
    world = staked()
    plain = accusing(GATEWAY)
    for answer in (
        replace(shown(*TRUE), lists=()),
        replace(shown(*TRUE), lists=shown(*FALSE).lists),
        replace(shown(*TRUE), lists=tuple(one * 2 for one in shown(*TRUE).lists)),
        shown(MODEL.shape.vocab, 8, 9),
        shown(7, EOS, 9),
    ):
        assert rule(world, Accusing(plain.target, replace(plain.body, answer=answer))) is (
            e.ReceiptViolation
        )


def test_bodies_are_read_strictly() -> None:
    world = staked()
    whole = accusing(GATEWAY, rewards=(3, 2), unbondings=((20, 0), (20, 1)))
    data = whole.prove().body
    for body in (b"", data[:-1], data + b"\0", bytes(MAX_EVIDENCE)):
        assert rule(world, whole, body=body) is e.DaoEncodingViolation
    for twice in (
        accusing(GATEWAY, rewards=(3, 3)),
        accusing(GATEWAY, unbondings=((20, 0), (20, 0))),
    ):
        assert rule(world, twice) is e.DaoEncodingViolation
    assert rule(world, whole, subject=3) is e.DaoEncodingViolation
    world.block((ACCUSER, whole.prove()))


def test_rewards_then_stake_then_unbondings_are_taken() -> None:
    world = DaoWorld(with_penalty(1_000))
    world.block((GATEWAY, Stake(50 * COIN)), payee=GATEWAY)
    world.block((GATEWAY, Unstake(30 * COIN)), payee=GATEWAY)
    world.block((GATEWAY, Unstake(5 * COIN)), (CAROL, Stake(9 * COIN)))
    world.block((CAROL, Unstake(9 * COIN)))
    unbonding = world.params.reward.unbonding
    rewards = [world.ledger.reward(at) for at in (1, 2)]
    had = sum(one.amount for one in rewards if one is not None)
    others = world.ledger.reward(3)
    assert 0 < had < 900 * COIN
    # Names of what is another's, or nowhere, take nothing.
    evidence = accusing(
        GATEWAY,
        rewards=(2, 3, 1, 4, 1 << 31),
        unbondings=((4 + unbonding, 0), (3 + unbonding, 0), (3 + unbonding, 1), (2 + unbonding, 0)),
    )
    world.block((ACCUSER, evidence.prove()), payee=CAROL)
    assert world.ledger.reward(1) is None
    assert world.ledger.reward(2) is None
    assert world.ledger.reward(3) == others
    assert world.account(GATEWAY).stake == 0
    assert taken_so_far(evidence.target, world.ledger) == had + 50 * COIN
    carols = world.ledger.unbonding(4 + unbonding, 0)
    assert carols is not None
    assert carols.amount == 9 * COIN
    # What is left of the unbondings is released: nothing.
    balance = world.account(GATEWAY).balance
    world.until(4 + unbonding, payee=CAROL)
    assert world.account(GATEWAY).balance == balance


@pytest.mark.parametrize("over", [0, 1])
def test_stake_stays_while_rewards_are_enough(over: int) -> None:
    world = DaoWorld()
    world.block((GATEWAY, Stake(50 * COIN)), payee=GATEWAY)
    reward = world.ledger.reward(1)
    assert reward is not None
    governance = replace(REGTEST.governance, penalty=reward.amount + over)
    world = DaoWorld(replace(REGTEST, governance=governance))
    world.block((GATEWAY, Stake(50 * COIN)), payee=GATEWAY)
    world.block((GATEWAY, Unstake(9 * COIN)))
    release = world.height + world.params.reward.unbonding
    world.block((ACCUSER, accusing(GATEWAY, rewards=(1,), unbondings=((release, 0),)).prove()))
    assert world.ledger.reward(1) is None
    assert world.account(GATEWAY).stake == 41 * COIN - over
    unbonding = world.ledger.unbonding(release, 0)
    assert unbonding is not None
    assert unbonding.amount == 9 * COIN


def test_of_a_reward_and_an_unbonding_a_part() -> None:
    world = DaoWorld(with_penalty(1))
    world.block()
    (reward,) = [world.ledger.reward(1)]
    assert reward is not None
    assert reward.amount > COIN
    world.block((ACCUSER, accusing(MINER, rewards=(1,)).prove()), payee=CAROL)
    cut = world.ledger.reward(1)
    assert cut is not None
    assert cut.amount == reward.amount - COIN
    balance = world.account(MINER).balance
    world.until(1 + world.params.reward.maturity, payee=CAROL)
    assert world.account(MINER).balance == balance + cut.amount

    world = staked(coins=10, penalty=4)
    world.block((GATEWAY, Unstake(10 * COIN)))
    release = world.height + world.params.reward.unbonding
    balance = world.account(GATEWAY).balance
    world.block((ACCUSER, accusing(GATEWAY, unbondings=((release, 0),)).prove()))
    world.until(release)
    assert world.account(GATEWAY).balance == balance + 6 * COIN


def test_who_moved_its_stake_away_is_reached_and_names_no_less_for_itself() -> None:
    world = staked(coins=10, penalty=4)
    world.block((GATEWAY, Unstake(10 * COIN)))
    release = world.height + world.params.reward.unbonding
    # Accusing oneself and naming nothing must not use the evidence up.
    assert rule(world, accusing(GATEWAY)) is e.NothingTakenViolation
    world.block((GATEWAY, Stake(1 * COIN)))
    balance = world.account(GATEWAY).balance
    world.block((GATEWAY, accusing(GATEWAY).prove()))
    assert world.account(GATEWAY).balance == balance - FEE + COIN // 2
    full = accusing(GATEWAY, unbondings=((release, 0),))
    world.block((ACCUSER, full.prove()))
    assert taken_so_far(full.target, world.ledger) == 4 * COIN
    unbonding = world.ledger.unbonding(release, 0)
    assert unbonding is not None
    assert unbonding.amount == 7 * COIN
    assert rule(world, full) is e.EvidenceTwiceViolation


def test_who_accuses_itself_loses_half_at_least() -> None:
    world = staked()
    before = world.account(GATEWAY)
    world.block((GATEWAY, accusing(GATEWAY).prove()))
    after = world.account(GATEWAY)
    assert before.stake + before.balance - after.stake - after.balance == 20 * COIN + FEE


def test_two_receipts_cost_twice() -> None:
    world = staked()
    first, second = accusing(GATEWAY), accusing(GATEWAY, request=bytes([1]) * 64)
    world.block((ACCUSER, first.prove()), (CAROL, second.prove()))
    assert world.account(GATEWAY).stake == 20 * COIN


def test_a_vote_that_is_open_knows_the_stake_of_its_beginning() -> None:
    world = DaoWorld(with_penalty(40))
    world.block((ALICE, Stake(600 * COIN)), (BOB, Stake(300 * COIN)), (CAROL, Stake(100 * COIN)))
    world.block((BOB, Delegate(address(CAROL))))
    world.until(19)
    fee = world.params.limits.fee_per_byte
    proposal = world.propose(change_body(settings=[(12, 2 * fee)]))
    world.block((ALICE, accusing(BOB, height=world.height).prove()))
    assert world.records.voter(address(CAROL)).pot == 260 * COIN
    world.vote(proposal, CAROL)
    # Its own stake and the pot, both of the epoch's beginning.
    assert world.proposal(proposal).yes == 400 * COIN
    world.vote(proposal, BOB, choice=0)
    assert (world.proposal(proposal).yes, world.proposal(proposal).no) == (100 * COIN, 300 * COIN)


def test_credits_earned_before_stay_earned() -> None:
    world = staked()
    world.until(8)
    twin = DaoWorld(world.params)
    twin.block((GATEWAY, Stake(100 * COIN)))
    twin.until(8)
    world.block((ACCUSER, accusing(GATEWAY).prove()))
    twin.block((GATEWAY, Unstake(40 * COIN)))
    fields = ("older_credits", "newer_credits", "epoch", "index")
    for name in fields:
        assert getattr(world.account(GATEWAY), name) == getattr(twin.account(GATEWAY), name)
