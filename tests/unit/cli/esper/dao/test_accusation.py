"""What `esper dao accuse` judges by itself: what was signed, what is said, what may be taken."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from esper.cli.esper.dao.accusation import (
    SOON,
    NoPromiseError,
    NothingToTakeError,
    PromiseTooOldError,
    Takings,
    UnprovableError,
    answer_of,
    blocks_left,
    contradiction,
    evidence_of,
    first_difference,
    provable_tokens,
    signed_answer,
    takings,
)
from esper.dao.evidence import MAX_REWARDS, MAX_UNBONDINGS, UnbondingPlace
from esper.dao.promise import promise_digest
from esper.primitives.networks import REGTEST as PARAMS
from esper.receipts.form import MAX_BYTES, encode_receipt
from esper.receipts.parts import (
    FORMAT,
    PROMISE,
    PROOF,
    VERSION,
    AnswerReceipt,
    AskedFor,
    Listed,
    NamedNetwork,
    ProvenGroup,
    Signed,
    Words,
)
from esper.rpc.schema import Release
from tests.support.evidence_cases import FALSE, PROMPT, promise, shown
from tests.support.vm_world import ALICE, BOB, GENESIS, MODEL

UNBONDING = PARAMS.reward.unbonding
MATURITY = PARAMS.reward.maturity
PENALTY = PARAMS.governance.penalty


def receipt(key: Any = BOB, **fields: Any) -> bytes:
    """A receipt of a promise of Bob's, signed by ``key``."""
    record = promise(BOB, **fields).to_bytes()
    return encode_receipt(
        AnswerReceipt(
            format=FORMAT,
            version=VERSION,
            kind=PROMISE,
            network=NamedNetwork("regtest", GENESIS),
            models=None,
            request=AskedFor("completions", "esper-t0", "Once", 8, ()),
            text=Words(bytes(64), (), ""),
            instant=Signed(record, key.public, key.sign(promise_digest(record)), None),
            call=None,
            answer=None,
            group=None,
            block_id=None,
            header=None,
            work=None,
            anchor=None,
        )
    )


def test_a_signed_answer_is_read_with_what_shows_that_it_is_signed() -> None:
    found = signed_answer(receipt(), GENESIS)
    assert found.promise == promise(BOB)
    assert found.digest == promise_digest(promise(BOB).to_bytes())
    said = shown(7, 8, 9)
    body = evidence_of(found, said, Takings((3,), 5, (UnbondingPlace(9, 1),), 5))
    assert (body.receipt, body.key, body.signature) == (
        *(found.promise, BOB.public, found.signature),
    )
    assert (body.answer, body.rewards, body.unbondings) == (said, (3,), (UnbondingPlace(9, 1),))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "name the file of a receipt"),
        (b"{}", "name the file of a receipt"),
        (b"[" * MAX_BYTES + b"[", "has more than"),
        (receipt(ALICE), "not the gateway's"),
        (receipt(genesis_hash=bytes(64)), "another network"),
        (receipt(answer=()), "without prompt or answer"),
        (receipt(prompt=()), "without prompt or answer"),
    ],
    ids=["empty", "other", "long", "signature", "network", "answer", "prompt"],
)
def test_what_no_gateway_stands_for_accuses_nobody(data: bytes, said: str) -> None:
    with pytest.raises(NoPromiseError, match=said) as caught:
        signed_answer(data, GENESIS)
    assert caught.value.misuse


def test_a_proof_without_a_promise_accuses_nobody() -> None:
    proven = AnswerReceipt(
        format=FORMAT,
        version=VERSION,
        kind=PROOF,
        network=NamedNetwork("regtest", GENESIS),
        models=(),
        request=None,
        text=Words(bytes(64), (), ""),
        instant=None,
        call=Listed(b"call", 0, 1, ()),
        answer=None,
        group=ProvenGroup(b"group", 0, 1, (), 2, 0, ()),
        block_id=bytes(64),
        header=b"header",
        work=None,
        anchor=None,
    )
    with pytest.raises(NoPromiseError, match="no signature of a gateway"):
        signed_answer(encode_receipt(proven), GENESIS)


@pytest.mark.parametrize("field", ["record", "key", "signature"])
def test_a_changed_part_is_no_signature(field: str) -> None:
    document = json.loads(receipt())
    part = bytearray(base64.b64decode(document["instant"][field]))
    part[-1] ^= 1
    document["instant"][field] = base64.b64encode(part).decode()
    data = json.dumps(document, separators=(",", ":")).encode()
    with pytest.raises(NoPromiseError, match="not the gateway's"):
        signed_answer(data, GENESIS)


def test_evidence_has_its_time() -> None:
    signed = promise(BOB, height=10)
    assert blocks_left(signed, 9, PARAMS) == UNBONDING + 1
    assert blocks_left(signed, 10, PARAMS) == UNBONDING
    assert blocks_left(signed, 10 + UNBONDING - 1, PARAMS) == 1
    for height in (8, 10 + UNBONDING):
        with pytest.raises(PromiseTooOldError):
            blocks_left(signed, height, PARAMS)


def model(**fields: Any) -> Any:
    return SimpleNamespace(shape=replace(MODEL.shape, **fields))


def test_only_what_can_be_proven_is_asked() -> None:
    signed = promise(BOB)
    assert provable_tokens(signed, model(), PARAMS) == len(FALSE)
    most = min(PARAMS.governance.audit_rows, MODEL.shape.max_seq)
    for shorter in range(len(FALSE)):
        long = replace(signed, prompt=(1,) * (most - len(FALSE) + 1 + shorter))
        assert provable_tokens(long, model(), PARAMS) == len(FALSE) - shorter
    with pytest.raises(UnprovableError, match="rows"):
        provable_tokens(replace(signed, prompt=(1,) * (most + 1)), model(), PARAMS)
    with pytest.raises(UnprovableError, match="does not know"):
        provable_tokens(signed, model(vocab=max(PROMPT)), PARAMS)
    with pytest.raises(UnprovableError, match="rows"):
        provable_tokens(signed, model(max_seq=2), PARAMS)


def test_no_more_tokens_are_asked_than_evidence_shows() -> None:
    padded = replace(promise(BOB), answer=(1,) * 1000)
    rules = replace(PARAMS, governance=replace(PARAMS.governance, audit_rows=4096))
    assert provable_tokens(padded, model(max_seq=4096), rules) == 128


def test_the_model_is_asked_for_so_many_tokens() -> None:
    asked: list[Any] = []

    def generate(*what: Any) -> Any:
        asked.append(what)
        return [([7, 8, 9], [[(7, 100)], [(8, 100)], [(9, 100)]])]

    native: Any = SimpleNamespace(native=SimpleNamespace(generate=generate))
    assert answer_of(promise(BOB, max_tokens=99), native, 3, 2) == shown(7, 8, 9)
    assert asked == [([PROMPT], 3, 1, 2)]


END = 2


@pytest.mark.parametrize(
    ("signed", "said", "shows"),
    [
        ((5, 6, 7), (5, 8, 9), (5, 8)),
        ((5, 6, 7), (4, 6, 7), (4,)),
        ((5, 6, 7), (5, 6, 8), (5, 6, 8)),
        ((5, 6, 7), (5, END), (5, END)),
        ((5, END, 7), (5, END), (5, END)),
        ((5, 6, 7), (5, 6, 7), None),
        ((5, END), (5, END), None),
    ],
)
def test_no_more_is_shown_than_up_to_a_false_token(
    signed: tuple[int, ...], said: tuple[int, ...], shows: tuple[int, ...] | None
) -> None:
    expected = None if shows is None else shown(*shows)
    assert contradiction(signed, shown(*said), END) == expected


def test_an_honest_beginning_is_no_verdict_about_the_rest() -> None:
    with pytest.raises(UnprovableError, match="first 2 of 3 tokens"):
        contradiction((5, 6, 7), shown(5, 6), END)


@pytest.mark.parametrize(
    ("signed", "said", "place"),
    [((1, 2), (1, 3), 1), ((1, 2), (1,), 1), ((5,), (6,), 0), ((1, 2, 3), (1, 2, 4), 2)],
)
def test_where_they_differ(signed: tuple[int, ...], said: tuple[int, ...], place: int) -> None:
    assert first_difference(signed, said) == place


def account(
    *, immature: list[Release] | None = None, stake: int = 0, unbonding: list[Release] | None = None
) -> Any:
    return SimpleNamespace(
        address="resp1bob",
        immature=immature or [],
        stake=str(stake),
        unbonding=unbonding or [],
        as_of=SimpleNamespace(height=100),
    )


def test_what_stays_longest_is_named_and_what_goes_soon_is_not() -> None:
    soon = 100 + SOON
    rewards = [Release(soon + n, "2") for n in range(MAX_REWARDS + 2)]
    going = [Release(soon, "1000"), *(Release(soon + 5, str(n), n) for n in range(1, 7))]
    found = takings(account(immature=rewards, stake=7, unbonding=going), PARAMS)
    last = soon + MAX_REWARDS + 1
    assert found.rewards == tuple(last - n - MATURITY for n in range(MAX_REWARDS))
    assert found.unbondings == tuple(
        UnbondingPlace(soon + 5, n) for n in range(6, 6 - MAX_UNBONDINGS, -1)
    )
    assert (found.stake, found.units) == (7, 2 * MAX_REWARDS + 7 + 6 + 5 + 4 + 3)
    assert takings(account(stake=2 * PENALTY), PARAMS).units == PENALTY
    # One that matures soon is worth nothing, however large.
    with pytest.raises(NothingToTakeError):
        takings(account(immature=[Release(soon, "9")], unbonding=going[:1]), PARAMS)
