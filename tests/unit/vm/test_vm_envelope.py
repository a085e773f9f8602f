"""The rules that every transaction keeps, each broken once beside its honest twin."""

from dataclasses import replace

import pytest

from esper.crypto.signing import generate_key
from esper.primitives.codec import encode
from esper.primitives.errors.block_errors import CoinsViolation, RejectedTransactionViolation
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.rule_violation import Consequence, Scope
from esper.primitives.errors.transaction_errors import (
    ExpiredViolation,
    FeeViolation,
    FundsViolation,
    KeyUnknownViolation,
    KeyViolation,
    NonceGapViolation,
    NonceUsedViolation,
    NotYetValidViolation,
    SignatureViolation,
    SuiteViolation,
    SumViolation,
    TransactionSizeViolation,
    TransactionViolation,
    UnknownKindViolation,
    UnreadableTransactionViolation,
    WindowViolation,
)
from esper.primitives.networks import REGTEST
from esper.primitives.units import MAX_AMOUNT
from esper.vm.context import Effect, ExecutionContext
from esper.vm.envelope_rules import check_in_context, check_isolated, check_signature, fee_range
from esper.vm.execute import execute_transactions
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Inclusion, Output
from esper.vm.receipt import RECEIPT
from esper.vm.records import KnownKey
from esper.vm.transaction import Transaction, decode_transaction
from esper.vm.transfer import Transfer
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, FEE, MODEL, World, address, make, sign

LIMIT = REGTEST.limits.transaction_bytes
TO_BOB = Transfer((Output(address(BOB), COIN),))


def world() -> World:
    return World(height=10, checked=True)


def refuse(transaction: Transaction, expected: TransactionViolation) -> None:
    """The block with this transaction is refused by exactly this rule with these values."""
    chain = world()
    with pytest.raises(RejectedTransactionViolation) as caught:
        chain.block(transaction)
    cause = caught.value.__cause__
    assert type(cause) is type(expected)
    assert cause.args == expected.args
    assert (caught.value.index, caught.value.txid) == (0, transaction.txid)
    assert caught.value.rule_broken == expected.rule
    assert consequence_of(caught.value, Stage.STATE) is Consequence.FAILED


def test_an_honest_transaction() -> None:
    chain = world()
    transaction = sign(ALICE, make(ALICE, TO_BOB, 0))
    assert decode_transaction(transaction.to_bytes(), LIMIT) == transaction
    result = chain.block(transaction)
    assert chain.account(ALICE).balance == 999 * COIN - FEE
    assert chain.account(BOB).balance == 1001 * COIN
    assert chain.account(ALICE).nonce == 1
    (receipt,) = result.receipts
    assert (receipt.kind, receipt.txid, receipt.fee) == (1, transaction.txid, FEE)
    assert (receipt.sender, receipt.burned, receipt.own) == (address(ALICE), 0, 0)
    assert (result.fees, result.burned, receipt.paid_tokens) == (FEE, 0, 0)


def test_size() -> None:
    data = sign(ALICE, make(ALICE, TO_BOB, 0)).to_bytes()
    assert decode_transaction(data, len(data)).to_bytes() == data
    with pytest.raises(TransactionSizeViolation) as caught:
        decode_transaction(data, len(data) - 1)
    assert caught.value.args == (len(data), len(data) - 1)


def test_kind() -> None:
    data = bytearray(make(ALICE, TO_BOB, 0).to_bytes())
    assert data[2] == 1
    for kind in (0, 12):
        data[2] = kind
        with pytest.raises(UnknownKindViolation, match=f"unknown kind {kind}"):
            decode_transaction(bytes(data), LIMIT)


@pytest.mark.parametrize("data", [b"", b"\x9b", b"\xc0", b"\x9b\x01\x01", b"\x9b\x02\x01"])
def test_junk(data: bytes) -> None:
    with pytest.raises(UnreadableTransactionViolation):
        decode_transaction(data, LIMIT)


def test_every_cut_and_addition_is_unreadable() -> None:
    data = make(ALICE, TO_BOB, 0, with_key=False).to_bytes()
    for size in range(3, len(data)):
        with pytest.raises(UnreadableTransactionViolation):
            decode_transaction(data[:size], LIMIT)
    with pytest.raises(UnreadableTransactionViolation, match="left over"):
        decode_transaction(data + b"\0", LIMIT)


def test_suite() -> None:
    transaction = make(ALICE, TO_BOB, 0)
    refuse(replace(transaction, suite=2), SuiteViolation(2, 1))
    refuse(replace(transaction, sender=b"\3" + bytes(32), suite=3), SuiteViolation(3, 3))


def test_key() -> None:
    transaction = make(ALICE, TO_BOB, 0)
    refuse(replace(transaction, key=BOB.public), KeyViolation(BOB.public, address(ALICE)))
    short = ALICE.public[:-1]
    refuse(replace(transaction, key=short), KeyViolation(short, address(ALICE)))


def test_window() -> None:
    check_isolated(make(ALICE, TO_BOB, 0, not_before=11, expiry=11))
    refuse(make(ALICE, TO_BOB, 0, not_before=12, expiry=11), WindowViolation(12, 11))


def test_sum() -> None:
    fits = Transfer((Output(address(BOB), MAX_AMOUNT - 5), Output(address(BOB), 5)))
    check_isolated(make(ALICE, fits, 0, fee=0))
    refuse(make(ALICE, fits, 0, fee=1), SumViolation(MAX_AMOUNT + 1, MAX_AMOUNT))


def test_height() -> None:
    world().block(sign(ALICE, make(ALICE, TO_BOB, 0, not_before=11, expiry=11)))
    refuse(make(ALICE, TO_BOB, 0, not_before=12), NotYetValidViolation(11, 12))
    refuse(make(ALICE, TO_BOB, 0, expiry=10), ExpiredViolation(11, 10))


def test_fee() -> None:
    signed = sign(ALICE, make(ALICE, TO_BOB, 0))
    least, most = fee_range(signed, REGTEST.limits)
    assert most == MAX_AMOUNT
    # The fee's own width in the wire form is the same for these values.
    assert least == 10_000 + 2 * len(signed.to_bytes())
    assert least == fee_range(sign(ALICE, make(ALICE, TO_BOB, 0, fee=least)), REGTEST.limits)[0] + 4
    exact = sign(ALICE, make(ALICE, TO_BOB, 0, fee=least - 4))
    world().block(exact)
    below = sign(ALICE, make(ALICE, TO_BOB, 0, fee=least - 5))
    refuse(below, FeeViolation(least - 5, least - 4, MAX_AMOUNT))


def test_a_call_pays_no_fee() -> None:
    call = make(ALICE, LlmCall(MODEL.model_id, (1,), 1, 10), 0)
    chain = world()
    with pytest.raises(FeeViolation) as caught:
        check_in_context(replace(call, fee=1), chain.ledger, chain.context())
    assert caught.value.args == (1, 0, 0)


def test_nonce() -> None:
    refuse(make(ALICE, TO_BOB, 1), NonceGapViolation(1, 0))
    chain = world()
    first = sign(ALICE, make(ALICE, TO_BOB, 0))
    chain.block(first)
    with pytest.raises(RejectedTransactionViolation) as caught:
        chain.block(first)
    cause = caught.value.__cause__
    assert isinstance(cause, NonceUsedViolation)
    assert cause.args == NonceUsedViolation(0, 1).args
    assert caught.value.rule_broken == "NonceUsedViolation"
    second, third = (sign(ALICE, make(ALICE, TO_BOB, nonce)) for nonce in (1, 2))
    chain.block(second, third)
    assert chain.account(ALICE).nonce == 3


def test_a_block_holds_no_transaction_twice() -> None:
    first = sign(ALICE, make(ALICE, TO_BOB, 0))
    with pytest.raises(RejectedTransactionViolation) as caught:
        world().block(first, first)
    assert (caught.value.index, caught.value.rule_broken) == (1, "NonceUsedViolation")


def test_the_key_travels_once() -> None:
    bare = sign(ALICE, make(ALICE, TO_BOB, 0, with_key=False))
    refuse(bare, KeyUnknownViolation(address(ALICE)))
    chain = world()
    chain.block(sign(ALICE, make(ALICE, TO_BOB, 0)))
    assert chain.ledger.known_key(address(ALICE)) == KnownKey(1, ALICE.public)
    chain.block(sign(ALICE, make(ALICE, TO_BOB, 1, with_key=False)))
    chain.block(sign(ALICE, make(ALICE, TO_BOB, 2)))
    assert chain.account(ALICE).nonce == 3


def test_the_key_is_known_from_the_next_transaction_on() -> None:
    chain = world()
    chain.block(
        sign(ALICE, make(ALICE, TO_BOB, 0)), sign(ALICE, make(ALICE, TO_BOB, 1, with_key=False))
    )
    assert chain.account(ALICE).nonce == 2


def test_funds() -> None:
    everything = Transfer((Output(address(BOB), 1000 * COIN - FEE),))
    chain = world()
    chain.block(sign(ALICE, make(ALICE, everything, 0)))
    assert chain.account(ALICE).balance == 0
    more = Transfer((Output(address(BOB), 1000 * COIN - FEE + 1),))
    refuse(make(ALICE, more, 0), FundsViolation(1000 * COIN, 1000 * COIN + 1))
    refuse(make(CAROL, TO_BOB, 0), FundsViolation(0, COIN + FEE))


def test_signature() -> None:
    transaction = make(ALICE, TO_BOB, 0)
    for wrong in (
        transaction,
        sign(BOB, transaction),
        sign(ALICE, transaction, network=bytes(64)),
        replace(sign(ALICE, transaction), fee=FEE + 1),
        replace(sign(ALICE, transaction), expiry=100),
        replace(sign(ALICE, transaction), key=b""),
    ):
        if wrong.key:
            refuse(wrong, SignatureViolation(wrong.txid))
        chain = world()
        ledger = chain.ledger
        ledger.set_known_key(address(ALICE), KnownKey(1, ALICE.public))
        claim = check_in_context(wrong, ledger, chain.context())
        with pytest.raises(SignatureViolation):
            check_signature(wrong, claim)
        right = sign(ALICE, wrong)
        check_signature(right, check_in_context(right, ledger, chain.context()))


def test_the_first_wrong_signature_of_a_block_is_named() -> None:
    right = sign(ALICE, make(ALICE, TO_BOB, 0))
    wrong = [make(BOB, Transfer((Output(address(ALICE), 1),)), nonce) for nonce in (0, 1)]
    with pytest.raises(RejectedTransactionViolation) as caught:
        world().block(right, *wrong)
    assert (caught.value.index, caught.value.rule_broken) == (1, "SignatureViolation")


def test_the_other_suite() -> None:
    chain, key = world(), generate_key(2)
    gift = Transfer((Output(address(key), COIN),))
    back = Transfer((Output(address(ALICE), COIN // 2),))
    chain.block(sign(ALICE, make(ALICE, gift, 0)), sign(key, make(key, back, 0)))
    assert chain.account(key).balance == COIN - COIN // 2 - FEE
    assert chain.ledger.known_key(address(key)) == KnownKey(2, key.public)


def test_ids_and_what_they_cover() -> None:
    transaction = sign(ALICE, make(ALICE, TO_BOB, 0))
    again = sign(ALICE, transaction)
    assert again.txid == transaction.txid
    assert again.wtxid != transaction.wtxid
    assert again.signing_digest(bytes(64)) != again.signing_digest(b"\1" * 64)
    changed = [
        replace(transaction, suite=2),
        replace(transaction, sender=address(BOB)),
        replace(transaction, key=b""),
        replace(transaction, nonce=1),
        replace(transaction, fee=FEE + 1),
        replace(transaction, not_before=1),
        replace(transaction, expiry=1),
        replace(transaction, payload=Transfer((Output(address(BOB), 1),))),
    ]
    everything = [transaction, *changed]
    assert len({one.txid for one in everything}) == 9
    assert len({one.wtxid for one in everything}) == 9
    assert len({one.signing_digest(bytes(64)) for one in everything}) == 9
    assert len({one.txid for one in everything} | {one.wtxid for one in everything}) == 18


def test_retry_or_never() -> None:
    """What a state may change is retried; what no state can change is not."""

    def at_admission(rule: type[TransactionViolation]) -> Consequence:
        return consequence_of(rule.__new__(rule), Stage.ADMISSION)

    retried: tuple[type[TransactionViolation], ...] = (
        NotYetValidViolation,
        FeeViolation,
        NonceGapViolation,
        KeyUnknownViolation,
        FundsViolation,
    )
    for rule in retried:
        assert (rule.scope, at_admission(rule)) == (Scope.CONTEXT, Consequence.RETRY)
    # The tip has moved: nobody is to blame, and nothing helps.
    for rule in (ExpiredViolation, NonceUsedViolation):
        assert (rule.scope, at_admission(rule)) == (Scope.CONTEXT, Consequence.FAILED)
    assert at_admission(SignatureViolation) is Consequence.INVALID
    for rule in (KeyViolation, WindowViolation, SumViolation):
        assert (rule.scope, at_admission(rule)) == (Scope.ISOLATION, Consequence.INVALID)
    assert at_admission(SuiteViolation) is Consequence.OTHER_RULES


def test_coins_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = world()
    honest = Transfer.apply

    def minting(
        self: Transfer,
        sender: bytes,
        ledger: Ledger,
        context: ExecutionContext,
        inclusion: Inclusion,
    ) -> Effect:
        account = ledger.account(sender)
        ledger.set_account(sender, replace(account, balance=account.balance + 1))
        return honest(self, sender, ledger, context, inclusion)

    monkeypatch.setattr(Transfer, "apply", minting)
    with pytest.raises(CoinsViolation) as caught:
        chain.block(sign(ALICE, make(ALICE, TO_BOB, 0)))
    assert caught.value.args == (1 - FEE, FEE)


def test_the_view_stays_as_it_is() -> None:
    chain = world()
    root = chain.state.root
    execute_transactions(chain.state, [sign(ALICE, make(ALICE, TO_BOB, 0))], chain.context())
    assert chain.state.root == root
    with pytest.raises(RejectedTransactionViolation):
        chain.block(make(ALICE, TO_BOB, 0), make(ALICE, TO_BOB, 5))
    assert chain.state.root == root


def test_the_receipt_has_bytes() -> None:
    chain = world()
    (receipt,) = chain.block(sign(ALICE, make(ALICE, TO_BOB, 0))).receipts
    assert receipt.to_bytes() == encode(RECEIPT, receipt)
    assert replace(receipt, fee=1).to_bytes() != receipt.to_bytes()
