"""Transactions that a wallet builds: exact fees, checks before signing, replacements, files."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.crypto.signing import KeyPair
from esper.primitives.address import Address
from esper.primitives.ids import Txid
from esper.primitives.networks import DEMO_ADDRESS, DEVNET, MAINNET, REGTEST
from esper.primitives.params import NetworkParameters
from esper.rpc import schema as s
from esper.rpc.methods import GET_ACCOUNT
from esper.rpc.schema import AccountParams
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.envelope_rules import fee_range
from esper.vm.fees import least_fee
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction, decode_transaction
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from esper.wallet.amounts import esp_text
from esper.wallet.asked_call import asked_call
from esper.wallet.call_progress import News, call_progress, phrase
from esper.wallet.describing import described
from esper.wallet.errors import (
    CallShapeError,
    CreditsShortError,
    DustError,
    ExchangeFileError,
    FundsShortError,
    MisuseError,
    NodeContradictionError,
    NoSecretError,
    NotReplaceableError,
    OtherNetworkError,
    StakeShortError,
)
from esper.wallet.files.exchange import exchange_bytes, network_named, read_exchange
from esper.wallet.holdings import holdings
from esper.wallet.keys import watching_wallet
from esper.wallet.making.affordability import check_funds
from esper.wallet.making.builder import key_room, signed, unsigned
from esper.wallet.making.intents import account_of, prepared
from esper.wallet.making.replacing import bumped, cancelling, check_replacement, waiting
from esper.wallet.moments import as_of_text
from esper.wallet.node_port import check_same_network
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, GENESIS, MODEL, World, address
from tests.support.wallet.fake_wallet_node import FakeNode

LIMITS = REGTEST.limits
RICH = replace(REGTEST, credits=replace(REGTEST.credits, rate_per_staked_unit=1 << 32))
TO_BOB = Transfer((Output(address(BOB), COIN),))
NEW = CAROL
"""Has no account."""


DEMO = Address.from_bytes(DEMO_ADDRESS).to_text("resp")


def text(key: KeyPair) -> str:
    return key.address.to_text("resp")


def node_of(params: NetworkParameters = REGTEST) -> FakeNode:
    return FakeNode(World(params=params, checked=True))


def staked_node() -> FakeNode:
    """Alice has staked 100 ESP for a while, under rules that let her burn what she earned."""
    node = node_of(RICH)
    hand_in(node, ready(node, Stake(100 * COIN)))
    node.mine()
    for _ in range(12):
        node.mine()
    return node


def ready(node: FakeNode, payload: Payload, **asked: Any) -> Transaction:
    found = prepared(node, node.world.params, text(ALICE), payload, **asked)
    return signed(found, ALICE, GENESIS, LIMITS)


def hand_in(node: FakeNode, transaction: Transaction) -> str:
    return node.submit(s.SubmitParams(transaction.to_bytes().hex())).txid


@given(
    st.integers(0, (1 << 64) - 1),
    st.integers(1, 1 << 40),
    st.booleans(),
    st.integers(0, (1 << 32) - 1),
)
def test_fees_are_exact(nonce: int, amount: int, carries_key: bool, expiry: int) -> None:
    found = unsigned(
        Transfer((Output(address(BOB), amount),) * (1 + amount % 9)),
        sender=address(ALICE),
        carries_key=carries_key,
        nonce=nonce,
        expiry=expiry,
        limits=LIMITS,
    )
    whole = signed(found, ALICE, GENESIS, LIMITS)
    assert whole.fee == fee_range(whole, LIMITS)[0]
    assert whole.key == (ALICE.public if carries_key else b"")


def test_a_fee_that_raises_its_own_size_is_exact() -> None:
    # Somewhere here the fee needs a byte more than the first guess.
    for base in range(65_536 - 3_600, 65_536 - 3_300):
        limits = replace(LIMITS, base_fee=base, fee_per_byte=1)
        bare = unsigned(
            TO_BOB, sender=address(ALICE), carries_key=False, nonce=0, expiry=9, limits=limits
        )
        whole = signed(bare, ALICE, GENESIS, limits)
        assert whole.fee == fee_range(whole, limits)[0]


def test_calls_pay_no_fee() -> None:
    call = LlmCall(MODEL.model_id, (1, 2), 4, 10)
    bare = unsigned(call, sender=address(ALICE), carries_key=True, nonce=0, expiry=9, limits=LIMITS)
    assert least_fee(bare, LIMITS) == bare.fee == 0


def test_a_transfer_goes_through() -> None:
    node = node_of()
    hand_in(node, ready(node, TO_BOB))
    node.mine()
    assert node.world.account(BOB).balance == 1001 * COIN
    second = ready(node, TO_BOB)
    assert (second.key, second.nonce) == (b"", 1)
    hand_in(node, second)
    node.mine()
    assert node.world.account(BOB).balance == 1002 * COIN


def test_nonces_follow_what_waits_and_windows_the_tip() -> None:
    node = node_of()
    for number in range(3):
        found = ready(node, TO_BOB, window=50)
        assert (found.nonce, found.expiry) == (number, 50)
        hand_in(node, found)
    node.mine()
    assert node.world.account(ALICE).nonce == 3
    assert ready(node, TO_BOB).expiry == 1 + 200
    assert ready(node, TO_BOB, window=1 << 40).expiry == (1 << 32) - 1


def test_a_chosen_fee() -> None:
    node = node_of()
    least = prepared(node, REGTEST, text(ALICE), TO_BOB).fee
    assert ready(node, TO_BOB, fee=least + 5).fee == least + 5
    with pytest.raises(MisuseError, match=f"must be {esp_text(least)} at least"):
        ready(node, TO_BOB, fee=least - 1)


def test_funds_are_checked_to_the_unit() -> None:
    node = node_of()
    fee = prepared(node, REGTEST, text(ALICE), TO_BOB).fee
    # Larger amounts take as many bytes as this one.
    all_of_it = Transfer((Output(address(BOB), 1000 * COIN - fee - 8),))
    fee = prepared(node, REGTEST, text(ALICE), all_of_it).fee
    whole = Transfer((Output(address(BOB), 1000 * COIN - fee),))
    hand_in(node, ready(node, whole))
    node.mine()
    assert node.world.account(ALICE).balance == 0
    node = node_of()
    node.immature = tuple(s.Release(height, str(COIN)) for height in (7, 8, 9, 10))
    node.unbonding = (s.Release(30, str(2 * COIN)),)
    one_more = Transfer((Output(address(BOB), 1000 * COIN - fee + 1),))
    with pytest.raises(FundsShortError) as caught:
        ready(node, one_more)
    said = str(caught.value)
    assert "the balance is 1000 ESP, this needs" in said
    assert "fee; 1 ESP mature at height 7; 1 ESP mature at height 8" in said
    assert "more mature later; 2 ESP unbond at height 30" in said
    assert "height 10" not in said
    # As of height 1, and one unit is missing.
    tip = node.world.height
    assert said.endswith(
        f"there is enough at height 7, in {7 - tip} blocks: `esperd generate {7 - tip}` mines them"
    )


def test_an_empty_balance_names_what_fills_it() -> None:
    node = node_of()
    nobody = node.call(GET_ACCOUNT, AccountParams(text(ALICE)))
    nobody = msgspec.structs.replace(nobody, balance="0", address=text(ALICE))
    for account, params, says in (
        (nobody, REGTEST, f"`esperd generate 6 --to {text(ALICE)}`: rewards mature after 5 blocks"),
        (
            msgspec.structs.replace(nobody, address=DEMO),
            REGTEST,
            "mine for this address with `esperd generate 6`: rewards mature after 5 blocks",
        ),
        (nobody, MAINNET, f"have some sent to {text(ALICE)}, or mine for it: rewards mature after"),
    ):
        with pytest.raises(FundsShortError) as caught:
            check_funds(account, 1, 1, params)
        assert "the balance is 0 ESP" in str(caught.value)
        assert says in str(caught.value)


def test_what_comes_is_counted_until_it_is_enough() -> None:
    node = node_of()
    account = node.call(GET_ACCOUNT, AccountParams(text(ALICE)))
    tip = account.as_of.height
    comes = {
        "balance": "0",
        "immature": [s.Release(tip + 3, "2"), s.Release(tip + 9, "2")],
        "unbonding": [s.Release(tip + 5, "2")],
    }
    account = msgspec.structs.replace(account, **comes)
    for needed, blocks in ((1, 3), (3, 5), (4, 5), (5, 9)):
        with pytest.raises(FundsShortError, match=f"enough at height {tip + blocks}, in {blocks} "):
            check_funds(account, needed, 0, REGTEST)
    with pytest.raises(FundsShortError, match="mine for this address"):
        check_funds(account, 7, 0, REGTEST)
    with pytest.raises(FundsShortError) as caught:
        check_funds(account, 1, 0, MAINNET)
    assert str(caught.value).endswith(f"there is enough at height {tip + 3}, in 3 blocks")


def test_what_waits_is_spent_already() -> None:
    node = node_of()
    hand_in(node, ready(node, Transfer((Output(address(BOB), 600 * COIN),))))
    with pytest.raises(FundsShortError, match="are in transactions that wait"):
        ready(node, Transfer((Output(address(BOB), 600 * COIN),)))


def test_dust() -> None:
    node = node_of()
    dust = Transfer((Output(address(NEW), LIMITS.dust - 1),))
    with pytest.raises(DustError, match="is new to the chain"):
        ready(node, dust)
    ready(node, Transfer((Output(address(NEW), LIMITS.dust),)))
    ready(node, Transfer((Output(address(BOB), 1),)))


def test_stake_and_credits() -> None:
    node = staked_node()
    with pytest.raises(StakeShortError, match="100 ESP are staked"):
        ready(node, Unstake(100 * COIN + 1))
    ready(node, Unstake(100 * COIN))
    least = RICH.credits.starting_allowance
    with pytest.raises(DustError, match=r"new to the chain: 0\.999999 credits"):
        ready(node, CreditTransfer(address(NEW), least - 1))
    hand_in(node, ready(node, CreditTransfer(address(NEW), least)))
    hand_in(node, ready(node, CreditTransfer(address(BOB), 1)))
    node.mine()


def reply(**held: int) -> s.AccountReply:
    usual = {"available": 0, "used": 0, "rate_limit": 0, "spendable": 0, "per_block": 0}
    amounts = {name: str(value) for name, value in (usual | held).items()}
    return s.AccountReply(
        address=text(ALICE), balance=str(COIN), pending_out="0", pending_in="0", immature=[],
        stake="0", unbonding=[], nonce=0, next_nonce=0, key_known=True,
        credits=s.Credits(lapsing="0", lapse_height=0, **amounts), as_of=s.AsOf(13, True),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ({}, "there are 0 credits, this needs 0.00018 credits: stake some ESP"),
        ({"per_block": 100}, "earns them in about 2 blocks$"),
        ({"per_block": 10_000}, "earns them in about 1 block$"),
        ({"available": 1000, "rate_limit": 179}, "0.000179 credits of .* wait for height 20"),
        ({"available": 1000, "rate_limit": 1000, "spendable": 179}, "bound by calls that wait"),
    ],
)
def test_credits_that_do_not_reach(held: dict[str, int], says: str) -> None:
    call = LlmCall(MODEL.model_id, (1, 2), 4, 10)
    assert call.reserve == 180
    node = node_of()
    node.account = lambda params: reply(**held)  # type: ignore[method-assign]
    with pytest.raises(CreditsShortError, match=says):
        ready(node, call)
    node.account = lambda params: reply(  # type: ignore[method-assign]
        available=180, rate_limit=180, spendable=180
    )
    ready(node, call)


@pytest.mark.parametrize(
    "fields",
    [
        {"address": "resp1other"},
        {"next_nonce": -1},
        {"nonce": 5},
        {"next_nonce": 1 << 64},
        {"as_of": s.AsOf(-1, True)},
        {"as_of": s.AsOf(1 << 32, True)},
    ],
)
def test_impossible_accounts(fields: dict[str, Any]) -> None:
    node = node_of()
    node.account = lambda params: msgspec.structs.replace(  # type: ignore[method-assign]
        reply(), **fields
    )
    with pytest.raises(NodeContradictionError):
        account_of(node, text(ALICE))


def test_a_node_of_another_network() -> None:
    node = node_of()
    check_same_network(node.status(), REGTEST, GENESIS)
    node.genesis = "11" * 64
    with pytest.raises(OtherNetworkError, match="genesis 1111"):
        check_same_network(node.status(), REGTEST, GENESIS)


def test_only_the_right_key_signs_and_only_what_a_block_takes() -> None:
    bare = prepared(node_of(), REGTEST, text(ALICE), TO_BOB)
    assert bare.key == key_room(1)
    with pytest.raises(NoSecretError, match="another address's"):
        signed(bare, BOB, GENESIS, LIMITS)
    with pytest.raises(ExchangeFileError, match=r"fee is .* at least"):
        signed(replace(bare, fee=bare.fee - 1), ALICE, GENESIS, LIMITS)
    with pytest.raises(ExchangeFileError, match="breaks a rule"):
        signed(replace(bare, payload=Stake(0)), ALICE, GENESIS, LIMITS)
    with pytest.raises(ExchangeFileError, match="breaks a rule"):
        signed(replace(bare, key=BOB.public), ALICE, GENESIS, LIMITS)


# --- calls ---


def statused(news: News) -> str:
    """Where a call stands, in news that are about it."""
    assert isinstance(news, s.CallReply)
    return news.status


def test_a_call_is_answered_and_followed() -> None:
    node = staked_node()
    call, estimate = asked_call(node, RICH, "Once upon a time", 4)
    assert call.price == estimate.bid == 20
    assert call.prompt[0] == MODEL.bos
    txid = hand_in(node, ready(node, call))
    slept: list[float] = []
    seen = list(call_progress(node, txid, slept.append))
    assert [statused(reply) for reply in seen] == [
        "queued", "answering", "proving", "proven", "answered",
    ]  # fmt: skip
    assert slept == [0.5] * 4
    assert [phrase(reply) for reply in seen][::4] == ["queued, 2 before it", "in block 14"]
    assert node.world.account(ALICE).nonce == 2


def test_no_news_is_not_told_twice() -> None:
    node = staked_node()
    call, _ = asked_call(node, RICH, "x", 4)
    txid = hand_in(node, ready(node, call))
    first = node.asked_about(s.TransactionParams(txid))
    later = msgspec.structs.replace(first, as_of=s.AsOf(99, True))
    last = msgspec.structs.replace(first, status="dropped", reason="gone")
    script = iter([first, later, last])
    node.asked_about = lambda params: next(script)  # type: ignore[method-assign]
    seen = list(call_progress(node, txid, lambda _: None))
    assert [statused(reply) for reply in seen] == ["queued", "dropped"]
    assert phrase(seen[-1]) == "dropped: gone"


@pytest.mark.parametrize(
    ("max_tokens", "bid", "error", "says"),
    [
        (0, None, MisuseError, "must be 1 at least"),
        (129, None, MisuseError, "must be 1 to 124 after a prompt of 5 tokens on regtest"),
        (125, None, MisuseError, "must be 1 to 124 after a prompt of 5 tokens on regtest"),
        (4, 9, MisuseError, "--bid is 9, must be 10"),
        (4, 1 << 32, MisuseError, "--bid"),
    ],
)
def test_calls_that_cannot_be(
    max_tokens: int, bid: int | None, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        asked_call(node_of(), REGTEST, "Once upon a time", max_tokens, bid=bid)


def test_a_chat_is_asked_as_messages() -> None:
    node, asked = node_of(), []
    plain = node.estimate_call

    def remembered(params: s.EstimateParams) -> s.Estimate:
        asked.append(params)
        return plain(params)

    node.estimate_call = remembered  # type: ignore[method-assign]
    asked_call(node, REGTEST, "Hi", 4, chat=True)
    asked_call(node, REGTEST, "Hi", 4)
    assert [(params.text, params.messages) for params in asked] == [
        (None, [s.Message("user", "Hi")]),
        ("Hi", None),
    ]


def test_a_node_cannot_make_calls_dear() -> None:
    node = node_of()
    node.suggested_bid = 1001
    with pytest.raises(NodeContradictionError, match="--bid 1001"):
        asked_call(node, REGTEST, "Hi", 4)
    call, _ = asked_call(node, REGTEST, "Hi", 4, bid=1001)
    assert call.price == 1001
    node.suggested_bid = 1
    call, _ = asked_call(node, REGTEST, "Hi", 4)
    assert call.price == REGTEST.credits.minimum_bid


@pytest.mark.parametrize(
    "fields", [{"model_id": "zz"}, {"model_id": "00"}, {"tokens": [-1]}, {"tokens": [1 << 32]}]
)
def test_estimates_that_cannot_be(fields: dict[str, Any]) -> None:
    node = node_of()
    usual = node.estimate_call(s.EstimateParams(4, text="Hi"))
    node.estimate_call = lambda params: msgspec.structs.replace(  # type: ignore[method-assign]
        usual, **fields
    )
    with pytest.raises(NodeContradictionError):
        asked_call(node, REGTEST, "Hi", 4)


def test_an_empty_prompt() -> None:
    node = node_of()
    usual = node.estimate_call(s.EstimateParams(4, text="Hi"))
    node.estimate_call = lambda params: msgspec.structs.replace(  # type: ignore[method-assign]
        usual, tokens=[]
    )
    with pytest.raises(CallShapeError, match="0 tokens"):
        asked_call(node, REGTEST, "Hi", 4)


# --- replacements ---


def test_bump_and_cancel() -> None:
    node = node_of()
    txid = hand_in(node, ready(node, TO_BOB))
    old, sender = waiting(node, REGTEST, txid, {text(ALICE)})
    assert sender == text(ALICE)
    more = bumped(old, LIMITS)
    assert more.payload == old.payload
    check_replacement(node, REGTEST, old, more)
    whole = signed(more, ALICE, GENESIS, LIMITS)
    relay = LIMITS.fee_per_byte * len(whole.to_bytes())
    assert whole.fee == old.fee + max(-(-old.fee // 10), relay)
    txid = hand_in(node, whole)
    old, _ = waiting(node, REGTEST, txid, {text(ALICE)})
    nothing = cancelling(old, LIMITS)
    check_replacement(node, REGTEST, old, nothing)
    hand_in(node, signed(nothing, ALICE, GENESIS, LIMITS))
    node.mine()
    assert node.world.account(ALICE).nonce == 1
    assert node.world.account(ALICE).balance == 1000 * COIN - nothing.fee
    assert node.world.account(BOB).balance == 1000 * COIN


def test_a_large_fee_rises_by_a_tenth() -> None:
    node = node_of()
    old = ready(node, TO_BOB, fee=COIN)
    assert bumped(old, LIMITS).fee == COIN + COIN // 10
    assert bumped(old, LIMITS, 2 * COIN).fee == 2 * COIN
    with pytest.raises(MisuseError, match="to replace the old one"):
        bumped(old, LIMITS, COIN + COIN // 10 - 1)


def test_calls_rise_by_their_bid_and_can_be_cancelled() -> None:
    node = staked_node()
    call, _ = asked_call(node, RICH, "Hi", 4, bid=15)
    txid = hand_in(node, ready(node, call))
    old, _ = waiting(node, RICH, txid, {text(ALICE)})
    more = bumped(old, LIMITS)
    assert isinstance(more.payload, LlmCall)
    assert (more.payload.price, more.fee) == (17, 0)
    check_replacement(node, RICH, old, more)
    with pytest.raises(MisuseError, match="pays no fee"):
        bumped(old, LIMITS, 5)
    nothing = signed(cancelling(old, LIMITS), ALICE, GENESIS, LIMITS)
    size = len(nothing.to_bytes())
    assert nothing.fee == LIMITS.base_fee + 2 * LIMITS.fee_per_byte * size
    dearest = replace(old, payload=replace(call, price=(1 << 32) - 1))
    with pytest.raises(NotReplaceableError, match="largest"):
        bumped(dearest, LIMITS)


def test_replacements_count_what_they_free() -> None:
    node = node_of()
    large = Transfer((Output(address(BOB), 999 * COIN),))
    old = ready(node, large)
    hand_in(node, old)
    check_replacement(node, REGTEST, old, bumped(old, LIMITS))
    with pytest.raises(FundsShortError):
        check_replacement(node, REGTEST, old, bumped(old, LIMITS, 2 * COIN))


def test_what_cannot_be_replaced() -> None:
    node = node_of()
    txid = hand_in(node, ready(node, TO_BOB))
    with pytest.raises(NotReplaceableError, match="not this wallet's"):
        waiting(node, REGTEST, txid, {text(BOB)})
    other = ready(node, Stake(1))
    true = node.transaction(s.TransactionParams(txid))
    for given_hex in (other.to_bytes().hex(), "00", "zz"):
        lie = msgspec.structs.replace(true, hex=given_hex)
        node.transaction = lambda params, lie=lie: lie  # type: ignore[method-assign,misc]
        with pytest.raises(NodeContradictionError):
            waiting(node, REGTEST, txid, {text(ALICE)})
    done = msgspec.structs.replace(true, status="confirmed")
    node.transaction = lambda params: done  # type: ignore[method-assign]
    with pytest.raises(NotReplaceableError, match="is confirmed"):
        waiting(node, REGTEST, txid, {text(ALICE)})


# --- files and descriptions ---


def test_files_round_trip() -> None:
    bare = prepared(node_of(), REGTEST, text(ALICE), TO_BOB)
    data = exchange_bytes(bare, REGTEST, described(bare, REGTEST, {}))
    assert network_named(data) is REGTEST
    again = read_exchange(data, "unsigned transaction", REGTEST)
    assert again == bare
    whole = signed(again, ALICE, GENESIS, LIMITS)
    data = exchange_bytes(whole, REGTEST, [])
    assert read_exchange(data, "signed transaction", REGTEST) == whole
    with pytest.raises(ExchangeFileError, match="holds a signed transaction"):
        read_exchange(data, "unsigned transaction", REGTEST)


def test_files_that_lie_or_are_none() -> None:
    bare = prepared(node_of(), REGTEST, text(ALICE), TO_BOB)
    document = json.loads(exchange_bytes(bare, REGTEST, []))

    def read(**fields: Any) -> Transaction:
        data = json.dumps(document | fields).encode()
        return read_exchange(data, "unsigned transaction", REGTEST)

    assert read() == bare
    with pytest.raises(ExchangeFileError, match="format 2"):
        read(format=2)
    with pytest.raises(OtherNetworkError, match="genesis 0000"):
        read(genesis_hash="00" * 64)
    with pytest.raises(ExchangeFileError, match="unreadable"):
        read(hex="00")
    with pytest.raises(ExchangeFileError, match="are no unsigned"):
        read(hex=signed(bare, ALICE, GENESIS, LIMITS).to_bytes().hex())
    with pytest.raises(ExchangeFileError, match="no transaction"):
        read(more=1)
    with pytest.raises(OtherNetworkError, match="othernet"):
        network_named(json.dumps(document | {"network": "othernet"}).encode())
    with pytest.raises(ExchangeFileError, match="1 MiB"):
        network_named(b" " * ((1 << 20) + 1))
    with pytest.raises(ExchangeFileError, match="no transaction"):
        network_named(b"[" * 100_000)


@given(st.binary(max_size=200))
def test_junk_is_no_file(junk: bytes) -> None:
    with pytest.raises(ExchangeFileError):
        read_exchange(junk, "signed transaction", REGTEST)


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        (TO_BOB, ("send", f"1 ESP to {text(BOB)} (bob)")),
        (Stake(COIN), ("stake", "1 ESP")),
        (Unstake(COIN), ("unstake", "1 ESP, spendable after 20 blocks")),
        (CreditTransfer(address(BOB), 5), ("give", f"0.000005 credits to {text(BOB)} (bob)")),
        (
            LlmCall(MODEL.model_id, (1, 5), 4, 10),
            ("costs", "0.00018 credits at most, bid 10 micro-credits a token"),
        ),
        (LlmCall(MODEL.model_id, (1, 5), 4, 10), ("prompt", "2 tokens: 1 5")),
        (LlmResult(Txid(bytes(64)), (1,)), ("answer of call", "00" * 64)),
    ],
)
def test_descriptions(payload: Payload, line: tuple[str, str]) -> None:
    found = unsigned(
        payload, sender=address(ALICE), carries_key=False, nonce=3, expiry=9, limits=LIMITS
    )
    later = replace(decode_transaction(found.to_bytes(), 1 << 16), not_before=4)
    lines = described(later, REGTEST, {text(BOB): "bob"})
    assert line in lines
    assert ("from", text(ALICE)) in lines
    assert ("not before", "height 4") in lines
    assert ("lapses", "after height 9") in lines


def test_a_dear_fee_is_told() -> None:
    bare = prepared(node_of(), REGTEST, text(ALICE), TO_BOB)
    least = esp_text(bare.fee)
    assert dict(described(bare, REGTEST, {}))["fee"] == least
    dear = replace(bare, fee=COIN)
    assert dict(described(dear, REGTEST, {}))["fee"] == f"1 ESP, the least is {least}"


# --- looking ---


def test_holdings_are_sums() -> None:
    node = node_of()
    hand_in(node, ready(node, TO_BOB))
    node.immature = (s.Release(9, "5"), s.Release(7, "1"))
    file = watching_wallet(REGTEST, [text(ALICE), text(BOB)])
    found = holdings(node, file)
    assert found.available == 2000 * COIN - found.pending_out
    assert found.pending_in == COIN
    assert found.immature == (s.Release(7, "2"), s.Release(9, "10"))
    assert as_of_text(found.as_of, node.status()) == "as of height 0"
    node.synced = False
    found = holdings(node, file)
    assert as_of_text(found.as_of, node.status()).endswith("not synced: the tip is 3 hours old")


def test_a_network_signs_for_itself_alone() -> None:
    bare = prepared(node_of(), REGTEST, text(ALICE), TO_BOB)
    data = exchange_bytes(bare, DEVNET, [])
    with pytest.raises(OtherNetworkError, match="'devnet'"):
        read_exchange(data, "unsigned transaction", REGTEST)
