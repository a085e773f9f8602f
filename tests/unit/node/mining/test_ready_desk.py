"""Readiness that is signed elsewhere: what is offered, what is taken back, and every refusal."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from esper.dao.steps import Step, Subject
from esper.node.events import ProveHandedIn
from esper.node.mining.block_draft import BlockDraft
from esper.node.mining.ready_errors import (
    AlreadyReadyError,
    NotRehearsedError,
    NotYetAwaitedError,
    OtherPayeeError,
    OtherRehearsalError,
    ReadyDeskError,
    SignsItselfError,
    WindowClosedError,
)
from esper.primitives.errors.audit_errors import AuditProofViolation
from esper.primitives.errors.dao_errors import ReadyTwiceViolation, RewardMissingViolation
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.errors.transaction_errors import (
    FeeViolation,
    NonceGapViolation,
    SignatureViolation,
)
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.prove import Prove
from esper.vm.ledger import Ledger
from esper.vm.payload import Output
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.vm.view import Overlay
from tests.support.node.ready_world import (
    CHAIN,
    FIRST,
    PARAMS,
    REWARD,
    SECOND,
    DeskWorld,
    live,
    rehearsed,
    signed,
)
from tests.support.vm_world import ALICE, BOB, COIN, address


def take(world: DeskWorld, transaction: Transaction) -> Any:
    async def main() -> Any:
        prove = transaction.payload
        assert isinstance(prove, Prove)
        return await world.desk.take(transaction, prove)

    return trio.run(main)


def refused(world: DeskWorld, transaction: Transaction) -> str:
    try:
        take(world, transaction)
    except (ReadyDeskError, RuleViolation) as refusal:
        assert not world.events.told
        return type(refusal).__name__
    return ""


def block(world: DeskWorld) -> tuple[list[Transaction], int]:
    """What an own block would have of what waits: transactions, and how many groups."""
    draft = BlockDraft(CHAIN, world.state, address(ALICE))
    groups = world.proofs.take(CHAIN, draft)
    return draft.transactions, len(groups)


def pay(key: Any, nonce: int) -> Transaction:
    return signed(Transfer((Output(address(BOB), COIN),)), key, nonce)


# --- what is offered ---


def test_what_waits_is_offered_to_its_payee_and_signed_it_is_in_the_next_own_block() -> None:
    world = DeskWorld()
    prove = world.wait()
    offer = world.desk.offer(live(1), address(ALICE))
    assert (offer.prove, offer.nonce, offer.signed, offer.lapsed) == (prove, 0, None, "")
    assert offer.reward_height == REWARD
    assert offer.last_height == REWARD + PARAMS.reward.maturity - 1
    assert block(world) == ([], 0)

    transaction = signed(offer.prove)
    assert take(world, transaction) is None
    assert world.events.told == [ProveHandedIn(transaction.txid)]
    assert world.desk.offer(live(1), address(ALICE)).signed == transaction.txid
    assert block(world) == ([transaction], 1)
    # It waits until the model is judged: that block may leave the chain.
    assert block(world) == ([transaction], 1)


def test_nothing_is_offered_to_another_address() -> None:
    world = DeskWorld()
    world.wait()
    with pytest.raises(OtherPayeeError, match="get_mining"):
        world.desk.offer(live(1), address(BOB))


def test_a_node_that_has_the_key_needs_nobody() -> None:
    world = DeskWorld()
    prove = world.wait()
    world.proofs.handed = None
    with pytest.raises(SignsItselfError):
        world.desk.offer(live(1), address(ALICE))
    assert refused(world, signed(prove)) == "SignsItselfError"


@pytest.mark.parametrize("step", [Step.TAIL, Step.CLOSE, Step.DRAW, Step.ROUND0])
def test_before_its_check_nothing_is_offered(step: Step) -> None:
    one = live(1, step)
    world = DeskWorld(one)
    world.wait()
    with pytest.raises(NotYetAwaitedError) as caught:
        world.desk.offer(one, address(ALICE))
    assert caught.value.retry


@pytest.mark.parametrize(
    ("step", "subject"),
    [
        *((step, Subject.MODEL) for step in (Step.ACT, Step.TRIAL, Step.END)),
        (Step.CHECK, Subject.CHANGE),
        (Step.TAIL, Subject.ROLLBACK),
    ],
)
def test_when_it_was_judged_nothing_is_offered(step: Step, subject: Subject) -> None:
    one = live(1, step, subject)
    world = DeskWorld(one)
    world.wait()
    with pytest.raises(WindowClosedError) as caught:
        world.desk.offer(one, address(ALICE))
    assert not caught.value.retry


def with_ready(world: DeskWorld, number: int) -> None:
    overlay = Overlay(world.state)
    records = DaoLedger(Ledger(overlay))
    voter = records.voter(address(ALICE))
    records.set_voter(address(ALICE), replace(voter, ready=(number,)))
    world.state = world.state.with_changes(overlay.changes())


def test_who_is_ready_already_hears_it() -> None:
    world = DeskWorld()
    prove = world.wait()
    with_ready(world, 1)
    with pytest.raises(AlreadyReadyError):
        world.desk.offer(live(1), address(ALICE))
    assert refused(world, signed(prove)) == ReadyTwiceViolation.__name__


def test_what_was_not_rehearsed_is_not_offered() -> None:
    with pytest.raises(NotRehearsedError) as caught:
        DeskWorld().desk.offer(live(1), address(ALICE))
    assert caught.value.retry


def test_a_rehearsal_whose_reward_is_pending_no_more_is_not_offered() -> None:
    world = DeskWorld(rewards=())
    world.wait()
    with pytest.raises(NotRehearsedError):
        world.desk.offer(live(1), address(ALICE))
    assert not world.proofs.waiting


def test_the_nonce_is_behind_what_waits_of_the_payee() -> None:
    world = DeskWorld(live(1), live(2))
    first, _ = world.wait(FIRST), world.wait(SECOND)
    transfer = pay(ALICE, 0)
    world.mempool.pool.add(transfer, world.state, CHAIN, now_ms=0)
    assert world.desk.offer(live(1), address(ALICE)).nonce == 1
    take(world, signed(first, nonce=1))
    assert world.desk.offer(live(1), address(ALICE)).nonce == 1
    second = world.desk.offer(live(2), address(ALICE))
    assert second.nonce == 2
    take(world, signed(second.prove, nonce=2))
    world.mempool.pool = type(world.mempool.pool)(PARAMS)
    # Without the transfer neither of them can be in a block; they wait for it.
    assert block(world) == ([], 0)
    assert not world.handed.lapsed(FIRST)


# --- what is taken back ---


def test_what_another_address_signed_is_refused() -> None:
    world = DeskWorld()
    world.wait()
    other = rehearsed(FIRST, BOB, REWARD + 1)
    prove = Prove(1, FIRST, other.room, other.body)
    assert refused(world, signed(prove, BOB)) == OtherPayeeError.__name__


def test_what_was_not_rehearsed_is_refused() -> None:
    world = DeskWorld()
    prove = world.wait()
    world.proofs.waiting.clear()
    assert refused(world, signed(prove)) == NotRehearsedError.__name__


def test_what_was_rehearsed_anew_has_to_be_signed_anew() -> None:
    world = DeskWorld(rewards=(REWARD, REWARD + 2))
    old = world.wait()
    new = world.wait(reward_height=REWARD + 2)
    assert refused(world, signed(old)) == OtherRehearsalError.__name__
    take(world, signed(new))


def test_what_is_rehearsed_anew_during_the_check_is_not_mixed_up() -> None:
    world = DeskWorld()
    prove = world.wait()
    world.during = lambda: world.proofs.waiting.update({FIRST: rehearsed()})
    assert refused(world, signed(prove)) == OtherRehearsalError.__name__
    assert world.handed.of(prove) is None


def test_a_forged_signature_is_refused() -> None:
    world = DeskWorld()
    found = signed(world.wait())
    forged = replace(found, signature=found.signature[:-1] + bytes([found.signature[-1] ^ 1]))
    assert refused(world, forged) == SignatureViolation.__name__


@pytest.mark.parametrize(
    ("parts", "violation"),
    [
        ({"fee": 1}, FeeViolation),
        ({"nonce": 1}, NonceGapViolation),
    ],
)
def test_what_no_next_block_takes_is_refused(parts: Any, violation: type[Exception]) -> None:
    world = DeskWorld()
    assert refused(world, signed(world.wait(), **parts)) == violation.__name__


def test_a_reward_of_somebody_else_is_refused() -> None:
    world = DeskWorld()
    world.wait()
    other = rehearsed(FIRST, ALICE, REWARD + 1)
    prove = Prove(1, FIRST, other.room, other.body)
    assert refused(world, signed(prove)) == RewardMissingViolation.__name__


def test_a_proof_that_does_not_hold_is_refused() -> None:
    world = DeskWorld()
    prove = world.wait()
    rehearsal = world.proofs.waiting[FIRST]
    false = replace(rehearsal, proof=rehearsal.proof[:-1] + b"x")
    world.proofs.waiting[FIRST] = false
    assert refused(world, signed(prove)) == AuditProofViolation.__name__


def test_a_second_one_takes_the_place_of_the_first() -> None:
    world = DeskWorld()
    prove = world.wait()
    first = signed(prove)
    take(world, first)
    assert take(world, first) is None
    second = signed(prove, fee=first.fee + 1)
    assert take(world, second) == first.txid
    assert block(world) == ([second], 1)


# --- what becomes of it ---


def test_what_a_later_transaction_overtook_is_told_and_has_to_be_signed_again() -> None:
    world = DeskWorld()
    prove = world.wait()
    take(world, signed(prove))
    draft = BlockDraft(CHAIN, world.state, address(ALICE))
    draft.add(pay(ALICE, 0))
    assert world.proofs.take(CHAIN, draft) == []
    offer = world.desk.offer(live(1), address(ALICE))
    assert offer.signed is None
    assert "nonce" in offer.lapsed
    take(world, signed(prove))
    assert world.desk.offer(live(1), address(ALICE)).lapsed == ""


def test_what_was_signed_of_an_older_rehearsal_is_in_no_block() -> None:
    world = DeskWorld(rewards=(REWARD, REWARD + 2))
    take(world, signed(world.wait()))
    world.wait(reward_height=REWARD + 2)
    assert world.desk.offer(live(1), address(ALICE)).signed is None
    assert block(world) == ([], 0)


def test_why_something_lapsed_is_told_no_longer_than_its_proposal_lives() -> None:
    world = DeskWorld()
    prove = world.wait()
    take(world, signed(prove))
    world.proofs.refused()
    assert world.handed.lapsed(FIRST)
    world.state = DeskWorld(live(2)).state
    block(world)
    assert not world.handed.lapsed(FIRST)


def test_what_came_too_late_is_told() -> None:
    world = DeskWorld()
    take(world, signed(world.wait()))
    world.state = DeskWorld(rewards=()).state
    assert block(world) == ([], 0)
    with pytest.raises(NotRehearsedError, match="no own block came"):
        world.desk.offer(live(1), address(ALICE))


def test_what_ended_is_forgotten() -> None:
    world = DeskWorld()
    prove = world.wait()
    take(world, signed(prove))
    world.state = DeskWorld(live(2)).state
    assert block(world) == ([], 0)
    assert world.handed.of(prove) is None
    assert world.handed.lapsed(FIRST) == ""


def test_a_refused_own_block_lets_go_of_what_was_signed() -> None:
    world = DeskWorld()
    prove = world.wait()
    take(world, signed(prove))
    world.proofs.refused()
    assert world.handed.of(prove) is None
    assert "refused" in world.handed.lapsed(FIRST)


def test_a_new_rehearsal_does_not_take_the_place_of_what_was_signed() -> None:
    world = DeskWorld(rewards=(REWARD, REWARD + 2))
    prove, newer = world.wait(), rehearsed(FIRST, ALICE, REWARD + 2)
    assert world.proofs.keep(FIRST, newer, 1 << 20)
    assert world.proofs.waiting[FIRST] is newer
    prove = world.wait()
    take(world, signed(prove))
    assert world.proofs.keep(FIRST, newer, 1 << 20)
    assert world.proofs.waiting[FIRST].reward_height == REWARD


def test_what_nobody_signed_is_rehearsed_anew_while_it_leaves_little_time() -> None:
    params = replace(PARAMS, reward=replace(PARAMS.reward, maturity=20))
    world = DeskWorld(rewards=(REWARD, REWARD + 2))
    world.wait()
    early, late = (SimpleNamespace(height=REWARD + at, params=params) for at in (9, 10))
    chain: Any = early
    assert world.proofs.wanted(chain, world.state) is None
    chain = late
    assert world.proofs.wanted(chain, world.state) == ((live(1),), REWARD + 2)
    # What was signed stays, and so does what would leave no more time.
    take(world, signed(world.wait()))
    assert world.proofs.wanted(chain, world.state) is None
    world = DeskWorld()
    world.wait()
    assert world.proofs.wanted(chain, world.state) is None


def test_where_the_key_is_here_nothing_is_rehearsed_twice() -> None:
    world = DeskWorld(rewards=(REWARD, REWARD + 2))
    world.wait()
    world.proofs.handed = None
    late: Any = SimpleNamespace(height=REWARD + PARAMS.reward.maturity - 3, params=PARAMS)
    assert world.proofs.wanted(late, world.state) is None
