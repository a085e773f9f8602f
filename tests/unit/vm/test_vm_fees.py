"""The least fee is what a block asks for, to the unit, whoever works it out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.node.calls.signed_transaction import signed_transaction
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from esper.primitives.params import LimitParameters
from esper.vm.envelope_rules import fee_range
from esper.vm.fees import fee_asked, fee_of_bytes, least_fee, least_fixed_fee
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.wallet.amounts import esp_text
from esper.wallet.errors import ExchangeFileError
from esper.wallet.making.builder import signed, unsigned
from tests.support.vm_world import ALICE, BOB, COIN, GENESIS, MODEL, address, make, sign

LIMITS = REGTEST.limits
TO_BOB = Transfer((Output(address(BOB), COIN),))
WIDER = LIMITS.fee_per_byte * 2
"""What a fee of five bytes costs more than one of three."""


def by_node(payload: Payload, nonce: int, expiry: int, limits: LimitParameters) -> Transaction:
    return signed_transaction(
        ALICE, payload, nonce=nonce, expiry=expiry, limits=limits, genesis_hash=GENESIS
    )


def by_wallet(payload: Payload, nonce: int, expiry: int, limits: LimitParameters) -> Transaction:
    bare = unsigned(
        payload,
        sender=address(ALICE),
        carries_key=True,
        nonce=nonce,
        expiry=expiry,
        limits=limits,
    )
    return signed(bare, ALICE, GENESIS, limits)


def at_the_edge() -> LimitParameters:
    """Limits under which the least fee of ``TO_BOB`` is the largest of three bytes."""
    size = len(sign(ALICE, make(ALICE, TO_BOB, 0, fee=1 << 15)).to_bytes())
    base = (1 << 16) - 1 - LIMITS.fee_per_byte * size
    return replace(LIMITS, base_fee=base)


@given(
    st.one_of(
        st.lists(st.integers(0, 1000), min_size=1, max_size=128).map(
            lambda tokens: LlmResult(Txid(bytes(64)), tuple(tokens))
        ),
        st.builds(Stake, st.integers(1, 1 << 40)),
    ),
    st.integers(0, (1 << 64) - 1),
    st.integers(0, (1 << 32) - 1),
    st.integers(1 << 14, 1 << 17),
)
def test_node_and_wallet_pay_what_the_rules_ask(
    payload: Payload, nonce: int, expiry: int, base: int
) -> None:
    limits = replace(LIMITS, base_fee=base)
    mine, theirs = (make_of(payload, nonce, expiry, limits) for make_of in (by_node, by_wallet))
    assert mine.fee == theirs.fee == fee_range(mine, limits)[0]
    assert len(mine.to_bytes()) == len(theirs.to_bytes())


def test_a_fee_that_raises_its_own_size_is_exact_for_the_node_too() -> None:
    edge = at_the_edge()
    # The last fee of three bytes, and the first that needs five and pays for them.
    for base, least in ((edge.base_fee, 65_535), (edge.base_fee + 1, 65_536 + WIDER)):
        limits = replace(LIMITS, base_fee=base)
        found = by_node(TO_BOB, 0, (1 << 32) - 1, limits)
        assert found.fee == fee_range(found, limits)[0] == least


def test_calls_are_asked_for_nothing() -> None:
    call = make(ALICE, LlmCall(MODEL.model_id, (1, 2), 4, 10), 0)
    assert (least_fee(call, LIMITS), fee_asked(call, LIMITS)) == (0, 0)
    assert by_node(call.payload, 0, 9, LIMITS).fee == 0


def test_neither_fee_nor_signature_of_before_count() -> None:
    whole = by_node(TO_BOB, 0, 9, LIMITS)
    spoilt = replace(whole, fee=1 << 50, signature=bytes(7))
    assert least_fee(spoilt, LIMITS) == least_fee(whole, LIMITS) == whole.fee
    assert fee_asked(replace(whole, signature=b""), LIMITS) == whole.fee


def test_a_fee_above_the_least_may_not_pay_for_its_own_bytes() -> None:
    limits = at_the_edge()
    bare = unsigned(
        TO_BOB,
        sender=address(ALICE),
        carries_key=True,
        nonce=0,
        expiry=(1 << 32) - 1,
        limits=limits,
    )
    assert bare.fee == 65_535
    for fee in (65_536, 65_535 + WIDER - 1):
        short = replace(bare, fee=fee)
        assert fee_asked(short, limits) == 65_535 + WIDER > fee
        with pytest.raises(ExchangeFileError, match=f"must be {esp_text(65_535 + WIDER)} at least"):
            signed(short, ALICE, GENESIS, limits)
    enough = signed(replace(bare, fee=65_535 + WIDER), ALICE, GENESIS, limits)
    assert fee_range(enough, limits)[0] == enough.fee


@given(st.integers(0, 1 << 40), st.integers(0, 50))
def test_a_fixed_fee_is_the_least_one(base: int, rate: int) -> None:
    bare = make(ALICE, TO_BOB, 0)

    def asked(size: int) -> int:
        return base + rate * size

    fee = least_fixed_fee(bare, asked)
    assert asked(len(sign(ALICE, replace(bare, fee=fee)).to_bytes())) == fee
    if fee:
        assert asked(len(sign(ALICE, replace(bare, fee=fee - 1)).to_bytes())) > fee - 1


def test_bytes_cost_their_rate_above_the_base() -> None:
    assert fee_of_bytes(0, LIMITS) == LIMITS.base_fee
    assert fee_of_bytes(10, LIMITS) == LIMITS.base_fee + 10 * LIMITS.fee_per_byte
