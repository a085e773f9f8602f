"""Two records of one turn in blocks: each rule beside its honest twin, and what a fault does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from esper.consensus.audit_rules import AuditSight, check_prove_groups
from esper.consensus.call_groups import AUDIT
from esper.crypto.signing import KeyPair
from esper.dao.promise import promise_digest
from esper.market.records.double import DOUBLE_SUBJECT, TwoRecords, two_records_bytes
from esper.market.records.record import MarketRecord
from esper.primitives.errors.audit_errors import AuditGroupViolation
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.ids import Txid
from esper.vm.governance.prove import Prove
from esper.vm.market.market_session import MarketSession
from esper.vm.market.provide import Provide
from esper.vm.market.records.provider import ProviderState
from esper.vm.view import Overlay
from esper.wallet.dao_words import prove_lines
from tests.support.market_chain import (
    FIRST,
    OTHER,
    OWNER,
    PAYER,
    PROVIDER,
    RULES,
    MarketChain,
    Replies,
    begun,
    market_taken,
    ready,
)
from tests.support.market_world import pattern
from tests.support.vm_world import COIN, address, make


@pytest.fixture(autouse=True)
def _taken() -> Iterator[None]:
    with market_taken():
        yield


def shown(
    first: MarketRecord, second: MarketRecord, key: KeyPair = PROVIDER, **changed: Any
) -> Prove:
    """A proof that both were signed."""
    signatures = [key.sign(promise_digest(one.to_bytes())) for one in (first, second)]
    body = TwoRecords(first, signatures[0], second, signatures[1], key.public)
    data = two_records_bytes(replace(body, **changed))
    return Prove(DOUBLE_SUBJECT, Txid(first.digest), 0, data)


def pair(session: Txid, turn: int = 2) -> tuple[MarketRecord, MarketRecord]:
    """Two answers to one turn."""
    first = Replies(session, 3).record(turn)
    return first, replace(first, answer_root=pattern(64, 99))


def refused(world: MarketChain, key: KeyPair, prove: Prove, rule: str, words: str) -> None:
    state, height = world.state, world.height
    with pytest.raises(RejectedTransactionViolation, match=words) as caught:
        world.send(key, prove)
    assert type(caught.value.__cause__).__name__ == rule
    assert (world.state, world.height) == (state, height)


def test_two_answers_to_one_turn_expel_their_provider() -> None:
    world, session = begun()
    bond = world.provider().bond
    assert bond == COIN
    before, coins = world.account(OTHER).balance, world.provider().deposit
    transaction = make(OTHER, shown(*pair(session)), world.account(OTHER).nonce)
    executed = world.block(transaction)
    provider = world.provider()
    assert (provider.state, provider.bond, provider.deposit) == (ProviderState.EXPELLED, 0, coins)
    assert provider.fault == transaction.txid
    assert world.account(OTHER).balance == before + bond // 2 - transaction.fee
    assert executed.destroyed == bond - bond // 2


def test_who_accuses_itself_loses_half() -> None:
    world, session = begun()
    bond = world.provider().bond
    prove = shown(*pair(session))
    before = world.account(PROVIDER).balance
    transaction = make(PROVIDER, prove, world.account(PROVIDER).nonce)
    assert world.block(transaction).destroyed == bond - bond // 2
    assert world.account(PROVIDER).balance == before + bond // 2 - transaction.fee
    refused(world, OTHER, prove, "FaultTwiceViolation", "expelled already")


def test_an_odd_unit_burns() -> None:
    world, session = begun((COIN + 1, COIN, COIN))
    executed = world.send(OTHER, shown(*pair(session)))
    assert executed.destroyed == COIN // 2 + 1


def test_without_a_bond_nothing_is_taken_and_it_is_expelled() -> None:
    world, session = begun((0, COIN, COIN))
    executed = world.send(OTHER, shown(*pair(session)))
    assert executed.destroyed == 0
    assert world.provider().state == ProviderState.EXPELLED


def test_an_expelled_provider_settles_nothing_and_its_session_is_closed() -> None:
    found = ready()
    world, settle = found.world, found.settle()
    world.send(OTHER, shown(*pair(found.replies.session)))
    with pytest.raises(RejectedTransactionViolation) as caught:
        world.send(PROVIDER, settle)
    assert type(caught.value.__cause__).__name__ == "ProviderOffViolation"
    held = world.session(found.replies.session).held
    payer = world.account(PAYER).balance
    world.send(OTHER, MarketSession.closing(found.replies.session))
    assert world.account(PAYER).balance == payer + held
    # Its deposit is its owner's, after as long as with whoever leaves.
    left, owner = world.provider().left, world.account(OWNER).balance
    world.to_slot(left + RULES.leave_after)
    deposit = world.provider().deposit
    world.send(PROVIDER, Provide.leaving())
    assert world.account(OWNER).balance == owner + deposit
    assert world.records.find_provider(address(PROVIDER)) is None


NO_FAULTS: dict[str, Callable[[MarketRecord, MarketRecord], Prove]] = {
    "is about": lambda a, b: replace(shown(a, b), target=Txid(b.digest)),
    "another network": lambda a, b: shown(a, replace(b, genesis_hash=bytes(64))),
    "of one provider, session and turn": lambda a, b: shown(a, replace(b, turn=a.turn + 1)),
    "provider, session": lambda a, b: shown(a, replace(b, session=bytes(64))),
    "one provider,": lambda a, b: shown(a, replace(b, provider=address(FIRST))),
    "same record": lambda a, b: shown(a, a),
    "signature of the first": lambda a, b: shown(a, b, first_signature=bytes(3309)),
    "signature of the second": lambda a, b: shown(a, b, second_signature=bytes(3309)),
    "the first record is not the provider's": lambda a, b: shown(a, b, OTHER),
}


@pytest.mark.parametrize("words", NO_FAULTS)
def test_what_is_no_fault(words: str) -> None:
    world, session = begun()
    refused(world, OTHER, NO_FAULTS[words](*pair(session)), "NotAFaultViolation", words)


def test_both_records_of_another_network_are_no_fault() -> None:
    world, session = begun()
    first, second = (replace(one, genesis_hash=bytes(64)) for one in pair(session))
    refused(world, OTHER, shown(first, second), "NotAFaultViolation", "another network")


def test_a_first_signature_does_not_count_for_the_second() -> None:
    world, session = begun()
    first, second = pair(session)
    signature = PROVIDER.sign(promise_digest(first.to_bytes()))
    prove = shown(first, second, second_signature=signature)
    refused(world, OTHER, prove, "NotAFaultViolation", "second record is not")


def test_nobody_is_expelled_who_is_no_provider() -> None:
    world, session = begun()
    first, second = (replace(one, provider=address(OTHER)) for one in pair(session))
    refused(world, PAYER, shown(first, second, OTHER), "ProviderUnknownViolation", "no provider")


def test_a_network_without_a_market_takes_no_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    world, session = begun()
    monkeypatch.setattr("esper.market.taken.TAKEN_BY", frozenset())
    refused(world, OTHER, shown(*pair(session)), "MarketNotTakenViolation", "market")


def test_it_comes_without_groups() -> None:
    world, session = begun()
    transaction = make(OTHER, shown(*pair(session)), 0)
    sight = AuditSight(world.state, (), Overlay(world.state), world.context())
    check_prove_groups(transaction, {}, sight, _Nobody())
    with pytest.raises(AuditGroupViolation):
        check_prove_groups(transaction, {AUDIT: object()}, sight, _Nobody())  # type: ignore[dict-item]


class _Nobody:
    def verify(self, claim: object, proof: bytes) -> None:
        raise AssertionError("nothing is proven")


def test_the_wallet_says_what_is_signed() -> None:
    _, session = begun()
    lines = dict(prove_lines(shown(*pair(session))))
    assert lines["accuse"] == f"provider {address(PROVIDER).hex()} of two answers to turn 2"
    assert lines["of session"] == session.hex()
