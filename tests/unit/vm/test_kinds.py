"""Kinds of transactions: what each says of itself, and that a new one is one file and one line."""

import re
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest

from esper.consensus.block import KIND_COINBASE
from esper.dao.benchmarks.report import ReportBody, report_bytes
from esper.dao.bodies import ROLLBACK_BODY, RollbackBody
from esper.dao.ready import ReadyBody, ready_bytes
from esper.node.chain.history_entries import _Reading, waiting_happenings
from esper.node.views.rpc_formats import outputs_of
from esper.primitives.codec import encode
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.errors.transaction_errors import (
    FundsViolation,
    StakeViolation,
    UnknownKindViolation,
)
from esper.primitives.ids import ModelId, Txid
from esper.primitives.networks import REGTEST
from esper.primitives.work_outputs import WorkOutputs
from esper.storage.history.history_records import CallMade, Happening, What
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.governance.claim import Claim
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.propose import Propose
from esper.vm.governance.prove import Prove
from esper.vm.governance.vote import Vote
from esper.vm.kinds import KINDS
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Inclusion, Output, Payload
from esper.vm.receipt import Receipt
from esper.vm.stake import Stake
from esper.vm.transaction import decode_transaction
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from esper.wallet.describing import described
from tests.support.contributed.made_up_kind import APPLIED, Pledge, pledges
from tests.support.mempool_world import PoolWorld
from tests.support.vm_world import ALICE, BOB, COIN, FEE, World, address, make, sign

LIMIT = 1 << 16
PLEDGE = Pledge(b"word", address(BOB), 3, 5)
EACH: tuple[Payload, ...] = (
    Transfer((Output(address(BOB), 7), Output(address(ALICE), 2))),
    Stake(1),
    Unstake(1),
    CreditTransfer(address(BOB), 4),
    LlmCall(ModelId(bytes(64)), (1, 2), 3, 10),
    LlmResult(Txid(bytes(64)), (1,)),
    Propose(3, 8, encode(ROLLBACK_BODY, RollbackBody(Txid(bytes(64))))),
    Vote(Txid(bytes(64)), 1),
    Delegate(b""),
    Claim(1, 6, report_bytes(ReportBody(Txid(bytes(64)), 0, b"\1"))),
    Prove(1, Txid(bytes(64)), 70, ready_bytes(ReadyBody(1, WorkOutputs((), ())))),
)


@pytest.fixture
def line() -> Iterator[None]:
    with pledges():
        yield


def staked() -> World:
    world = World()
    account = world.account(ALICE)
    world.state = world.state.with_account(address(ALICE), replace(account, stake=COIN))
    return world


def test_numbers_and_names_are_of_one_kind_each() -> None:
    assert len({kind.KIND for kind in KINDS}) == len({kind.NAME for kind in KINDS}) == len(KINDS)
    assert all(KIND_COINBASE < kind.KIND < 256 for kind in KINDS)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.NAME) for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.NAME)
def test_a_schema_names_the_fields(kind: type[Payload]) -> None:
    assert [name for name, _ in kind.SCHEMA] == [one.name for one in fields(kind)]  # type: ignore[arg-type]
    assert not hasattr(kind, "__dict__") or "__slots__" in vars(kind)


def test_numbers_and_names_never_change() -> None:
    assert {kind.KIND: (kind, kind.NAME) for kind in KINDS} == {
        1: (Transfer, "transfer"),
        2: (Stake, "stake"),
        3: (Unstake, "unstake"),
        4: (CreditTransfer, "credit-transfer"),
        5: (LlmCall, "llm-call"),
        6: (LlmResult, "llm-result"),
        7: (Propose, "propose"),
        8: (Vote, "vote"),
        9: (Delegate, "delegate"),
        10: (Claim, "claim"),
        11: (Prove, "prove"),
    }


def test_what_each_says_of_itself() -> None:
    assert tuple(map(type, EACH)) == KINDS
    assert [one.outlay for one in EACH] == [9, 1, 0, 0, 0, 0, 8, 0, 0, 6, 0]
    assert [one.credits_needed for one in EACH] == [0, 0, 0, 4, 140, *6 * [0]]
    assert [one.payments for one in EACH] == [EACH[0].outputs, *10 * [()]]  # type: ignore[attr-defined]
    assert [one.gifts for one in EACH] == [*3 * [()], (Output(address(BOB), 4),), *7 * [()]]
    assert [one.PAYS_FEE for one in EACH] == [*4 * [True], False, *6 * [True]]
    assert [one.TAKES_ANSWER for one in EACH] == [*4 * [False], True, *6 * [False]]
    assert [one.RELAYED for one in EACH] == [*5 * [True], False, *4 * [True], False]
    assert [one.room_bytes for one in EACH] == [*10 * [0], 70]


def test_a_payload_says_how_it_is_checked_and_what_it_does() -> None:
    class Half(Payload):
        def check_isolated(self) -> None: ...

    assert Half.apply.__isabstractmethod__  # type: ignore[attr-defined]
    assert Half.check_in_context.__isabstractmethod__  # type: ignore[attr-defined]


def test_an_unknown_number_is_refused() -> None:
    with pledges():
        data = make(ALICE, PLEDGE, 0).to_bytes()
    with pytest.raises(UnknownKindViolation, match="200"):
        decode_transaction(data, LIMIT)


@pytest.mark.usefixtures("line")
def test_a_new_kind_is_encoded_and_decoded() -> None:
    signed = sign(ALICE, make(ALICE, PLEDGE, 0))
    found = decode_transaction(signed.to_bytes(), LIMIT)
    assert found == signed
    assert found.payload == PLEDGE
    assert (found.txid, found.wtxid) == (signed.txid, signed.wtxid)


@pytest.mark.usefixtures("line")
def test_a_new_kind_is_executed_and_leaves_a_receipt() -> None:
    world = replace(staked(), checked=True)
    before, bob = world.account(ALICE), world.account(BOB)
    transaction = sign(ALICE, make(ALICE, PLEDGE, 0))
    (receipt,) = world.block(transaction).receipts
    assert (receipt.kind, receipt.txid) == (Pledge.KIND, transaction.txid)
    assert [Inclusion(transaction.txid)] == APPLIED
    assert world.account(ALICE) == replace(before, nonce=1, balance=before.balance - 8 - FEE)
    assert world.account(BOB).balance == bob.balance + 3
    world.until(1 + REGTEST.reward.unbonding)
    assert world.account(ALICE).balance == before.balance - 3 - FEE


@pytest.mark.parametrize(
    ("pledge", "violation"),
    [
        (replace(PLEDGE, bond=COIN + 1), StakeViolation),
        (replace(PLEDGE, gift=1000 * COIN), FundsViolation),
    ],
)
@pytest.mark.usefixtures("line")
def test_its_rules_and_those_of_the_envelope_hold(
    pledge: Pledge, violation: type[Exception]
) -> None:
    with pytest.raises(RejectedTransactionViolation) as caught:
        staked().send(ALICE, pledge)
    assert type(caught.value.__cause__) is violation


@pytest.mark.usefixtures("line")
def test_a_new_kind_waits_in_the_mempool() -> None:
    world = PoolWorld()
    first = world.send(ALICE, PLEDGE, 0)
    world.send(ALICE, Stake(COIN), 1)
    after = world.pool._contents.lines[address(ALICE)].projection.account
    assert after.balance == 999 * COIN - 8 - 2 * FEE
    assert world.pool._contents.incoming.units(address(BOB)) == 3
    # Less than dust: it falls with the receiver's account.
    assert world.pool._contents.incoming.needed_by(address(BOB)) == [first.txid]


@pytest.mark.usefixtures("line")
def test_a_new_kind_is_described() -> None:
    transaction = make(ALICE, PLEDGE, 0)
    lines = described(transaction, REGTEST, {})
    assert lines[1:6] == [
        ("does", "pledge"),
        ("word", b"word".hex()),
        ("receiver", address(BOB).hex()),
        ("gift", "3"),
        ("bond", "5"),
    ]
    (output,) = outputs_of(transaction, REGTEST)
    assert (output.amount, transaction.payload.NAME) == ("3", "pledge")


def test_a_new_kind_is_in_the_history() -> None:
    sender, bob = address(ALICE), address(BOB)
    receipt = Receipt(Pledge.KIND, Txid(bytes(64)), sender, 9, 0, 0, 0, 0)
    entry = _Reading((), no_call, {}, 1).entry(PLEDGE, receipt)
    assert entry.happenings == (
        Happening(sender, What.OTHER, 5, 9),
        Happening(sender, What.SENT, 3, other=bob),
        Happening(bob, What.RECEIVED, 3, other=sender),
    )
    taken = sum(one.amount + one.fee for one in entry.happenings if one.what != What.RECEIVED)
    assert taken == PLEDGE.outlay + 9


@pytest.mark.parametrize(
    ("payload", "event"),
    list(zip(EACH[6:], ("proposed", "voted", "delegated", "claimed", "proved"), strict=True)),
    ids=lambda one: one if isinstance(one, str) else one.NAME,
)
def test_what_the_dao_is_told_has_words_in_the_history(payload: Payload, event: str) -> None:
    sender = address(ALICE)
    receipt = Receipt(payload.KIND, Txid(bytes(64)), sender, 9, 0, 0, 0, 0)
    [found] = _Reading((), no_call, {}, 1).entry(payload, receipt).happenings
    assert (found.what.label, found.amount, found.fee) == (event, payload.outlay, 9)
    assert (found,) == waiting_happenings(make(ALICE, payload, 0, fee=9))


def no_call(txid: Txid) -> CallMade:
    raise AssertionError("it answers no call")
