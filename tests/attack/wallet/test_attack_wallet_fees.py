"""Fees and files that a wallet would sign in vain: no block, or no mempool, takes the result."""

from dataclasses import replace

import pytest

from esper.mempool.errors import ReplacementFeeError
from esper.mempool.lines.replacement import check_outbids
from esper.mempool.policy import DEFAULT_POLICY
from esper.primitives.networks import REGTEST
from esper.primitives.units import MAX_AMOUNT
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.fees import fee_asked, signed_size
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Output
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.wallet.amounts import esp_text
from esper.wallet.errors import ExchangeFileError, MisuseError, NoSecretError, NotReplaceableError
from esper.wallet.files.exchange import exchange_bytes, read_exchange
from esper.wallet.making.builder import signed, unsigned
from esper.wallet.making.replacing import bumped, cancelling
from tests.support.vm_world import ALICE, BOB, COIN, GENESIS, MODEL, address

LIMITS = REGTEST.limits
TO_BOB = Transfer((Output(address(BOB), COIN),))
BARE = unsigned(TO_BOB, sender=address(ALICE), carries_key=True, nonce=0, expiry=99, limits=LIMITS)
NOWHERE = b"\xff" * 33


@pytest.mark.parametrize(
    "hostile",
    [
        replace(BARE, suite=0),
        replace(BARE, suite=7),
        replace(BARE, suite=7, sender=b"\7" + BARE.sender[1:]),
        replace(BARE, payload=Transfer((Output(NOWHERE, COIN),))),
        replace(BARE, payload=CreditTransfer(NOWHERE, COIN)),
    ],
    ids=["suite 0", "suite 7", "sender of suite 7", "receiver", "receiver of credits"],
)
def test_a_file_of_unknown_suites_is_refused_before_it_is_shown(hostile: Transaction) -> None:
    data = exchange_bytes(hostile, REGTEST, [])
    with pytest.raises(ExchangeFileError, match="breaks a rule"):
        read_exchange(data, "unsigned transaction", REGTEST)
    with pytest.raises((ExchangeFileError, NoSecretError), match=r"breaks a rule|another address"):
        signed(hostile, ALICE, GENESIS, LIMITS)


def test_room_for_a_key_breaks_no_rule_of_a_file() -> None:
    data = exchange_bytes(BARE, REGTEST, [])
    assert read_exchange(data, "unsigned transaction", REGTEST) == BARE


def test_a_call_with_a_fee_is_not_signed() -> None:
    call = replace(BARE, payload=LlmCall(MODEL.model_id, (1, 2), 4, 10), fee=0)
    assert signed(call, ALICE, GENESIS, LIMITS).fee == 0
    with pytest.raises(ExchangeFileError, match="call's must be 0 ESP"):
        signed(replace(call, fee=1), ALICE, GENESIS, LIMITS)


def outbids(new: Transaction, old: Transaction) -> bool:
    whole = replace(new, signature=bytes(3309))
    try:
        check_outbids(whole, old, LIMITS, DEFAULT_POLICY)
    except ReplacementFeeError:
        return False
    return True


def test_a_chosen_fee_that_takes_more_bytes_outbids_with_them() -> None:
    # The least fee that replaces this one is the largest of three bytes.
    small = replace(BARE, fee=1 << 15)
    old = replace(small, fee=(1 << 16) - 1 - LIMITS.fee_per_byte * signed_size(small))
    least = bumped(old, LIMITS)
    assert least.fee == (1 << 16) - 1
    assert outbids(least, old)
    enough = (1 << 16) - 1 + 2 * LIMITS.fee_per_byte
    for fee in range(1 << 16, enough):
        short = replace(least, fee=fee)
        assert fee_asked(short, LIMITS) <= fee, "it pays for itself, and a block would take it"
        assert not outbids(short, old)
        with pytest.raises(MisuseError, match=f"must be {esp_text(enough)} at least"):
            bumped(old, LIMITS, fee)
    assert outbids(bumped(old, LIMITS, enough), old)
    with pytest.raises(MisuseError, match=f"must be {esp_text(least.fee)} at least"):
        bumped(old, LIMITS, 1)


@pytest.mark.parametrize("fee", [MAX_AMOUNT, MAX_AMOUNT // 11 * 10 + 10])
def test_a_fee_that_none_exceeds_is_told(fee: int) -> None:
    old = replace(BARE, fee=fee)
    for replaced in (bumped, cancelling):
        with pytest.raises(NotReplaceableError, match="so large"):
            replaced(old, LIMITS)
    assert bumped(replace(BARE, fee=MAX_AMOUNT // 11 * 10), LIMITS).fee <= MAX_AMOUNT
