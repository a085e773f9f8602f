"""Proofs that are handed in: what is taken, every refusal, and how they come into own blocks."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from esper.consensus.audit_rules import check_audits
from esper.consensus.block import Coinbase
from esper.consensus.block_isolation import BlockContent
from esper.consensus.call_groups import JUDGE
from esper.node.calls.ready_calls import ReadyCalls
from esper.node.events import ProveHandedIn
from esper.node.mining.block_assembly import assemble
from esper.node.mining.block_draft import BlockDraft
from esper.node.mining.proves import desk as desk_module
from esper.node.mining.proves import waiting
from esper.node.mining.proves.errors import (
    CheckRunsError,
    ChecksWaitError,
    NoPlaceError,
    ProveDeskError,
)
from esper.primitives.errors.audit_errors import AuditGroupViolation
from esper.primitives.ids import BlockId, Txid
from esper.vm.ledger import Ledger
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay, StateView
from tests.support.node.evidence_world import (
    CHAIN,
    PARAMS,
    ROOM,
    ProveWorld,
    accused,
    group_of,
    lie,
    moved,
    pay,
)
from tests.support.vm_world import ALICE, BOB, CAROL, MINER, address

PER_BLOCK = PARAMS.governance.audits_per_block


# --- what is taken ---


def test_a_proof_that_was_handed_in_is_in_the_next_own_block_with_its_group() -> None:
    world = ProveWorld()
    transaction, group = accused(lie())
    assert world.block() == ([], [])
    assert world.take(transaction, group) is None
    assert world.events.told == [ProveHandedIn(transaction.txid)]
    assert world.block() == ([transaction], [group])
    assert world.verifier.asked == 1
    # It waits until a block has it: this one may lose.
    assert world.block() == ([transaction], [group])


def test_the_same_again_is_taken_and_not_checked_again() -> None:
    world = ProveWorld()
    transaction, group = accused(lie())
    world.take(transaction, group)
    assert world.take(transaction, group) is None
    assert world.verifier.asked == 1
    assert len(world.events.told) == 1


def test_it_goes_behind_what_waits_of_its_sender() -> None:
    world = ProveWorld()
    first = pay(0)
    transaction, group = accused(lie(), nonce=1)
    assert world.refused(transaction, group) == "NonceGapViolation"
    world.mempool.pool.add(first, world.state, CHAIN, now_ms=0)
    world.take(transaction, group)
    later, its_group = accused(lie(1), nonce=2)
    world.take(later, its_group)
    assert world.block() == ([], [])
    assert world.block(first) == ([first, transaction, later], [group, its_group])


def test_another_of_its_nonce_takes_its_place() -> None:
    world = ProveWorld()
    old, old_group = accused(lie())
    world.take(old, old_group)
    new, new_group = accused(lie(1))
    assert world.refused(new, new_group, replaces=()) == "NonceWaitsError"
    assert world.take(new, new_group, replaces=(old.txid,)) == old.txid
    assert world.block() == ([new], [new_group])
    again, again_group = accused(lie(2))
    assert world.take(again, again_group) == new.txid


def test_what_waits_in_the_mempool_with_its_nonce_would_be_first() -> None:
    world = ProveWorld()
    first = pay(0)
    world.mempool.pool.add(first, world.state, CHAIN, now_ms=0)
    assert world.refused(*accused(lie()), replaces=(first.txid,)) == "NonceWaitsError"
    assert world.verifier.asked == 0
    world = ProveWorld()
    world.during = lambda: world.mempool.pool.add(first, world.state, CHAIN, now_ms=0)
    assert world.refused(*accused(lie())) == "NonceWaitsError"


# --- what is refused ---


def test_cheap_rules_come_before_the_proof() -> None:
    world = ProveWorld()
    transaction, group = accused(lie())
    junk = group_of(transaction.txid, b"junk")
    size = len(junk.to_bytes())
    for refused, groups, rule in (
        (accused(lie(), fee=1)[0], (group,), "FeeViolation"),
        (accused(lie(), nonce=3)[0], (group,), "NonceGapViolation"),
        (accused(lie(), room=size - 1)[0], (junk,), "AuditRoomViolation"),
        (replace(transaction, signature=bytes(3309)), (group,), "SignatureViolation"),
        (transaction, (b"\x00",), "GroupFormError"),
        (transaction, (), "AuditGroupViolation"),
        (transaction, (group, group), "AuditGroupViolation"),
        (transaction, (replace(group, kind=JUDGE),), "AuditGroupViolation"),
        (transaction, (group_of(Txid(bytes(64)), group.proof),), "AuditGroupViolation"),
        # Beside its own one that its block could have for no transaction.
        (transaction, (group, group_of(Txid(bytes(64)), b"")), "AuditGroupViolation"),
    ):
        assert world.refused(refused, *groups) == rule
    assert world.verifier.asked == 0
    assert not world.events.told
    # Of the sum alone, before anything is read.
    assert world.refused(transaction, bytes(ROOM), b"\x00") == "AuditRoomViolation"


def test_a_proof_that_shows_something_else_is_refused() -> None:
    world = ProveWorld()
    transaction, _ = accused(lie())
    for proof in (b"junk", accused(lie(1))[1].proof, accused(lie(), CAROL)[1].proof):
        assert world.refused(transaction, group_of(transaction.txid, proof)) == (
            "AuditProofViolation"
        )
    assert world.verifier.asked == 3
    assert world.block() == ([], [])


def test_the_subjects_rules_are_asked_of_the_next_block() -> None:
    world = ProveWorld()
    honest = lie()
    signed = replace(honest.body.receipt, answer=honest.body.answer.tokens)
    unsigned = replace(honest, body=replace(honest.body, receipt=signed))
    assert world.refused(*accused(unsigned)) == "ProveTargetViolation"
    assert world.verifier.asked == 0


def test_each_sender_has_one_check_at_a_time_and_there_are_few() -> None:
    world = ProveWorld()
    found: list[type[ProveDeskError]] = []

    async def hand_in(number: int, key: Any) -> None:
        transaction, group = accused(lie(number), key)
        try:
            await world.taken(transaction, group)
        except CheckRunsError as refusal:
            found.append(type(refusal))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hand_in, 0, ALICE)
            nursery.start_soon(hand_in, 1, ALICE)

    trio.run(main)
    assert found == [CheckRunsError]
    assert CheckRunsError.retry
    assert ChecksWaitError.retry
    # The place is free again, whatever became of it.
    transaction, _ = accused(lie(2), nonce=0)
    assert world.refused(transaction, group_of(transaction.txid, b"junk")) == "AuditProofViolation"
    assert world.refused(transaction, group_of(transaction.txid, b"junk")) == "AuditProofViolation"

    world.desk._checked.update(bytes([number]) for number in range(desk_module.CHECKS))
    assert world.refused(*accused(lie(3), CAROL)) == "ChecksWaitError"


def test_there_is_a_most_of_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    world = ProveWorld()
    first, group = accused(lie())
    world.take(first, group)
    (kept,) = world.handed.waiting()
    assert kept.size == len(first.to_bytes()) + len(group.to_bytes())
    for name, value in (("MOST", 1), ("MOST_BYTES", kept.size * 3 // 2)):
        with monkeypatch.context() as patch:
            patch.setattr(waiting, name, value)
            assert world.refused(*accused(lie(1), nonce=1)) == "NoPlaceError"
            # Its own place it may take, and that of what is in a block.
            other, other_group = accused(lie(2))
            assert world.take(other, other_group) == first.txid
            moved(world, applied=[[other]])
            world.take(*accused(lie(1)))
            assert other.txid not in world.handed
            world.handed = world.desk._handed = waiting.HandedIn()
            world.take(first, group)


def test_one_sender_does_not_fill_the_place_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST_OF_SENDER", 2)
    world = ProveWorld()
    for number in range(2):
        world.take(*accused(lie(number), nonce=number))
    assert world.refused(*accused(lie(2), nonce=2)) == "TooManyOfSenderError"
    assert world.refused(*accused(lie(2), CAROL)) == ""
    # In the place of one of its own there is room.
    assert world.refused(*accused(lie(2), nonce=1)) == ""
    first = world.handed.waiting()[0].transaction
    moved(world, applied=[[first]])
    assert world.refused(*accused(lie(3), nonce=0)) == ""


def dear(evidence: Any, key: Any, times: int, nonce: int = 0) -> tuple[Transaction, Any]:
    """Evidence with so many times the usual fee."""
    usual, _ = accused(evidence, key, nonce)
    return accused(evidence, key, nonce, fee=times * usual.fee)


def test_the_place_of_what_pays_less_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST", 3)
    world = ProveWorld()
    # The last of Alice's is worth what the first of hers pays: it comes behind that.
    first, later = accused(lie()), dear(lie(1), ALICE, 9, nonce=1)
    third = dear(lie(2), CAROL, 2)
    for one in (first, later, third):
        world.take(*one)
    assert world.refused(*accused(lie(3), BOB)) == "NoPlaceError"
    tenth = first[0].fee * 11 // 10
    needed = r"with a fee of (\d+) units or more"
    with pytest.raises(NoPlaceError, match=needed) as caught:
        world.take(*accused(lie(3), BOB, fee=tenth - tenth // 50))
    found = re.search(needed, str(caught.value))
    assert found is not None
    world.take(*accused(lie(3), BOB, fee=int(found[1])))
    assert later[0].txid not in world.handed
    assert first[0].txid in world.handed
    assert third[0].txid in world.handed
    # Then the first of hers, and then there is nobody who pays less.
    world.take(*dear(lie(4), CAROL, 3, nonce=1))
    assert first[0].txid not in world.handed
    assert world.refused(*accused(lie(1), ALICE, fee=int(found[1]))) == "NoPlaceError"


def test_what_stands_behind_something_cheap_takes_nobodys_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "MOST", 2)
    world = ProveWorld()
    cheap, other = accused(lie()), dear(lie(1), CAROL, 2)
    world.take(*cheap)
    world.take(*other)
    assert world.refused(*dear(lie(2), ALICE, 9, nonce=1)) == "NoPlaceError"
    # Nor is it its own sender's that would go.
    world.take(*dear(lie(2), BOB, 3))
    assert cheap[0].txid not in world.handed


def test_what_came_first_keeps_its_place_against_its_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST", 1)
    world = ProveWorld()
    own = accused(lie())
    world.take(*own)
    assert world.refused(*accused(lie(1), CAROL)) == "NoPlaceError"
    assert own[0].txid in world.handed


# --- blocks ---


def test_a_block_has_first_what_pays_most_and_each_senders_in_order() -> None:
    world = ProveWorld()
    first, behind = accused(lie()), dear(lie(1), ALICE, 9, nonce=1)
    other = dear(lie(2), CAROL, 3)
    for one in (first, behind, other):
        world.take(*one)
    transactions, groups = world.block()
    assert transactions == [other[0], first[0], behind[0]][:PER_BLOCK]
    assert groups == [other[1], first[1], behind[1]][:PER_BLOCK]


def test_what_a_block_has_waits_no_more_until_the_block_leaves_the_chain() -> None:
    world = ProveWorld()
    transaction, group = accused(lie())
    world.take(transaction, group)
    moved(world, applied=[[pay(0)], [transaction]], height=5)
    assert world.block() == ([], [])
    assert transaction.txid in world.handed
    moved(world, undone=[[transaction]], height=5)
    assert world.block() == ([transaction], [group])
    moved(world, undone=[[]], applied=[[transaction]], height=6)
    depth = PARAMS.limits.undo_depth
    moved(world, applied=[[]], height=6 + depth)
    assert transaction.txid in world.handed
    moved(world, applied=[[]], height=7 + depth)
    assert transaction.txid not in world.handed


def test_what_came_while_a_change_was_prepared_stays() -> None:
    world = ProveWorld()
    first, group = accused(lie())
    world.take(first, group)
    change: Any = SimpleNamespace(
        view=SimpleNamespace(context=SimpleNamespace(height=1), params=PARAMS),
        arrival=SimpleNamespace(applied=(BlockId(b"1"),), undone=()),
        content=lambda block_id: SimpleNamespace(content=SimpleNamespace(transactions=[first])),
    )
    commit = world.handed.prepare(change)
    second, second_group = accused(lie(1), CAROL)
    world.take(second, second_group)
    commit()
    assert [one.transaction for one in world.handed.waiting()] == [second]


def test_what_a_judge_refuses_has_changed_nothing() -> None:
    def refuses(after: StateView) -> None:
        assert Ledger(Overlay(after)).account(address(ALICE)).nonce == 1
        raise AuditGroupViolation("none is there")

    draft = BlockDraft(CHAIN, ProveWorld().state, address(ALICE))
    room, (transaction, _) = draft.room, accused(lie())
    with pytest.raises(AuditGroupViolation):
        draft.add(transaction, judge=refuses)
    assert (draft.nonce(address(ALICE)), draft.room, draft.transactions) == (0, room, [])


def test_a_block_has_as_many_as_it_may_and_as_fit() -> None:
    world = ProveWorld()
    pairs = [accused(lie(number), nonce=number) for number in range(PER_BLOCK + 1)]
    for transaction, group in pairs:
        world.take(transaction, group)
    transactions, groups = world.block()
    assert transactions == [one for one, _ in pairs[:PER_BLOCK]]
    assert groups == [one for _, one in pairs[:PER_BLOCK]]

    sizes = [one.size for one in world.handed.waiting()]
    first, least = sizes[0], min(sizes)
    for room, used in ((least - 1, 0), (first, first), (first + least - 1, first)):
        draft = BlockDraft(CHAIN, world.state, address(ALICE))
        draft.room = room
        assert len(world.handed.take(CHAIN, world.state, draft)) == bool(used)
        assert draft.room == room - used


def test_a_block_that_is_put_together_of_it_keeps_every_rule() -> None:
    world = ProveWorld()
    transaction, group = accused(lie())
    world.take(transaction, group)
    assembled = assemble(
        CHAIN, world.state, address(MINER), [pay(1)], ReadyCalls(), handed=world.handed
    )
    assert (assembled.plan.transactions, assembled.plan.groups) == ((transaction,), (group,))
    assert assembled.execution is not None
    check_audits(
        BlockContent((transaction,), Coinbase(0, 1, bytes(33), 0), (), (group,)),
        world.state,
        assembled.execution,
        CHAIN.execution_context(world.state, address(MINER)),
        world.verifier,
    )


def test_what_was_refused_in_an_own_block_is_forgotten() -> None:
    world = ProveWorld()
    transaction, group = accused(lie())
    world.take(transaction, group)
    world.handed.refused([pay(0), transaction])
    assert transaction.txid not in world.handed
    assert world.block() == ([], [])


def test_what_lapsed_is_forgotten_and_what_waits_for_money_is_not() -> None:
    world = ProveWorld()
    transaction, group = accused(lie())
    world.take(transaction, group)
    other = pay(0)
    assert world.block(other) == ([other], [])
    assert transaction.txid not in world.handed

    poor = ProveWorld()
    poor.take(transaction, group)
    rich, poor.state = (
        poor.state,
        poor.state.with_account(
            address(ALICE), replace(poor.state.account(address(ALICE)), balance=0)
        ),
    )
    assert poor.block() == ([], [])
    poor.state = rich
    assert poor.block() == ([transaction], [group])


def test_a_proof_of_what_is_not_asked_any_more_comes_into_no_block() -> None:
    world = ProveWorld()
    transaction, group = accused(lie())
    world.take(transaction, group)
    (kept,) = world.handed.waiting()
    world.handed.keep(replace(kept, shown=()))
    # Nothing is left of it in the block either.
    assert world.block() == ([], [])
    assert transaction.txid not in world.handed
