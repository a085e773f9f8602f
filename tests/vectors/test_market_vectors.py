"""Golden values of the market, by an independent computation where one is short."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

import pytest

from esper.dao.promise import signer_of
from esper.market.draws import drawn, picked
from esper.market.load import LOAD_OPENING, opened_load, read_load
from esper.market.parameters import MARKETS, SettleShares
from esper.market.records.acks import is_acknowledged
from esper.market.records.beat import BeatPath, is_claim, is_load_root, is_report
from esper.market.records.claim import SESSION_CLAIM, SessionClaim, decode_claim
from esper.market.records.offer import MARKET_OFFER, decode_offer, reply_cost
from esper.market.records.opening import (
    DRAW_OPENING,
    SHOWN_CLAIM,
    decode_opening,
    decode_shown_claim,
)
from esper.market.records.record import MARKET_RECORD, decode_record
from esper.market.records.report import REPLAY_REPORT, decode_report
from esper.market.records.request import MARKET_REQUEST, decode_request, requester_of
from esper.market.records.statuses import DrawStatus, read_statuses, statuses_bytes
from esper.market.records.windows import (
    ANSWER_WINDOW,
    PROMPT_WINDOW,
    TRACE_WINDOW,
    answer_tree,
    prompt_tree,
    read_trace_window,
    seal,
    trace_tree,
)
from esper.market.roster import RosterPlace
from esper.market.slots import is_drawn
from esper.market.split import split
from esper.primitives.codec import Record, encode
from esper.primitives.work_outputs import Candidate
from tests.support.market_world import SIGNER, ListedRoster
from tests.support.vector_reading import check_encoding, tagged
from tests.vectors.writers import write_market

DOCUMENT = json.loads(write_market.FILE.read_text())

ENCODINGS: dict[str, Any] = {
    "requests": (MARKET_REQUEST, decode_request),
    "records": (MARKET_RECORD, decode_record),
    "claims": (SESSION_CLAIM, decode_claim),
    "reports": (REPLAY_REPORT, decode_report),
    "offers": (MARKET_OFFER, decode_offer),
    "shown_claims": (SHOWN_CLAIM, decode_shown_claim),
    "openings": (DRAW_OPENING, decode_opening),
    "load_openings": (LOAD_OPENING, read_load),
}


def unhex(value: Any) -> Any:
    return [unhex(one) for one in value] if isinstance(value, list) else bytes.fromhex(value)


@pytest.mark.parametrize("name", ENCODINGS)
def test_encodings_and_digests(name: str) -> None:
    codec, read = ENCODINGS[name]
    for vector in DOCUMENT[name]:
        check_encoding(codec, vector)
        data = bytes.fromhex(vector["bytes"])
        assert encode(codec, read(data)) == data
        if "digest" in vector:
            assert tagged("esper/market/digest/v1", data) == vector["digest"]


def test_windows() -> None:
    codecs: tuple[Record[Any], ...] = (PROMPT_WINDOW, ANSWER_WINDOW, TRACE_WINDOW)
    for codec, vector in zip(codecs, DOCUMENT["windows"], strict=True):
        check_encoding(codec, vector)
    data = bytes.fromhex(DOCUMENT["windows"][2]["bytes"])
    assert encode(TRACE_WINDOW, read_trace_window(data)) == data


def test_what_is_signed_and_by_whom() -> None:
    for name, tag, signer in (
        ("requests", "esper/market/request/v1", requester_of),
        ("records", "esper/receipt/sign/v1", signer_of),
    ):
        for vector in DOCUMENT[name]:
            data = bytes.fromhex(vector["bytes"])
            assert tagged(tag, data) == vector["signed"]
            found = signer(data, *unhex([vector["key"], vector["signature"]]))
            assert found == SIGNER
            assert signer(data + b"\0", *unhex([vector["key"], vector["signature"]])) is None


def test_roots_of_tokens() -> None:
    for vector in DOCUMENT["roots"]:
        salt, ids = bytes.fromhex(vector["salt"]), vector["ids"]
        best = [[Candidate(*pair) for pair in listed] for listed in vector["best"]]
        trace = trace_tree(ids, best).root
        assert prompt_tree(salt, ids).root.hex() == vector["prompt_root"]
        assert answer_tree(ids).root.hex() == vector["answer_root"]
        assert trace.hex() == vector["trace_root"]
        assert seal(salt, trace).hex() == vector["seal"]
        assert tagged("esper/market/seal/v1", salt, trace) == vector["seal"]


def test_acks() -> None:
    for vector in DOCUMENT["acks"]:
        root, digests = bytes.fromhex(vector["root"]), unhex(vector["digests"])
        count = len(digests)
        for turn, path in enumerate(unhex(vector["paths"])):
            for place, one in enumerate(digests):
                assert is_acknowledged(root, count, turn, one, path) == (place == turn)


def test_beats() -> None:
    for vector in DOCUMENT["beats"]:
        root, paths = bytes.fromhex(vector["root"]), unhex(vector["paths"])
        ways = [BeatPath(len(paths), tuple(path)) for path in paths]
        assert is_load_root(root, bytes.fromhex(vector["load_root"]), ways[0])
        for place, data in vector["claims"]:
            claim = decode_claim(bytes.fromhex(data))
            assert [at for at, way in enumerate(ways) if is_claim(root, place, claim, way)] == [
                1 + place
            ]
        for at, one in enumerate(unhex(vector["reports"])):
            index = len(paths) - len(vector["reports"]) + at
            assert is_report(root, index, one, ways[index])


def test_statuses() -> None:
    for vector in DOCUMENT["statuses"]:
        statuses = tuple(DrawStatus(one) for one in vector["statuses"])
        data = bytes.fromhex(vector["bytes"])
        assert statuses_bytes(statuses) == data
        assert read_statuses(data, len(statuses)) == statuses


def test_costs() -> None:
    for vector in DOCUMENT["costs"]:
        assert reply_cost(*vector["prices"], *vector["tokens"]) == vector["cost"]


@pytest.mark.parametrize("vector", DOCUMENT["slots"], ids=lambda one: one["network"])
def test_slots(vector: dict[str, Any]) -> None:
    params = MARKETS[vector["network"]]
    assert (params.slot_blocks, params.answer_blocks) == (
        vector["slot_blocks"],
        vector["answer_blocks"],
    )
    first = vector["slot"] * params.slot_blocks
    found = [
        height
        for height in range(first, first + params.slot_blocks)
        if is_drawn(write_market.beacon_of(height), height, params)
    ]
    assert found[0] == vector["drawn"]


def test_draws() -> None:
    for vector in DOCUMENT["draws"]:
        session, beacon, owner = unhex([vector[one] for one in ("session", "beacon", "owner")])
        amounts = int(vector["from"]), int(vector["to"])
        claim = SessionClaim(session, 0, 1, *amounts, bytes(64))
        places = [
            RosterPlace(bytes.fromhex(one), bytes.fromhex(other), weight)
            for one, other, weight in vector["roster"]
        ]
        found = drawn(
            claim, vector["slot"], beacon, len(vector["draws"]), ListedRoster(tuple(places)), owner
        )
        assert [write_market.plain_draw(one) for one in found] == vector["draws"]


def test_picks() -> None:
    for vector in DOCUMENT["picks"]:
        session, beacon = unhex([vector["session"], vector["beacon"]])
        statuses = [DrawStatus(one) for one in vector["statuses"]]
        found = picked(session, vector["slot"], beacon, statuses, 2)
        assert list(found) == vector["picked"]


def test_opened_loads() -> None:
    for vector in DOCUMENT["loads"]["opened"]:
        beacon, provider = unhex([vector["beacon"], vector["provider"]])
        assert opened_load(beacon, provider, vector["answers"]) == vector["index"]
        tag = b"esper/market/load/pick/v1".ljust(32, b"\0")
        word = int.from_bytes(hashlib.shake_256(tag + beacon + provider).digest(8), "big")
        assert word % vector["answers"] == vector["index"]


def test_splits() -> None:
    for vector in DOCUMENT["splits"]:
        amount, price, draws, unanswered = (
            vector[one] for one in ("amount", "price", "draws", "unanswered")
        )
        shares = SettleShares(*vector["shares"])
        routed, private = bool(vector["routed"]), bool(vector["private"])
        found = split(amount, price, draws, unanswered, shares, routed=routed, private=private)
        told = {name: vector[name] for name in vector if name in asdict(found)}
        assert asdict(found) == told | {"answered": draws - unanswered}


def test_the_script_writes_this_file() -> None:
    assert write_market.document(DOCUMENT) == DOCUMENT
