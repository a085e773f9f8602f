"""Golden hidden sets, draws and openings, by an independent computation."""

import hashlib
import json
from typing import Any

import pytest

from esper.dao.benchmarks.item import ITEM
from esper.dao.hidden.hidden_set import (
    SET_BODY,
    WITHDRAW_BODY,
    drawn_items,
    read_set,
    read_withdrawal,
    set_bytes,
    withdrawal_bytes,
)
from esper.dao.hidden.openings import HIDDEN_PROOF, hidden_proof_bytes, read_hidden_proof
from esper.dao.hidden.rounds import auto_rollback_id
from esper.primitives.ids import Txid
from tests.support.vector_reading import check_encoding, tagged
from tests.vectors.writers import write_hidden

DOCUMENT = json.loads(write_hidden.FILE.read_text())


def by_case(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", DOCUMENT[name], ids=lambda vector: vector["case"])


@by_case("sets")
def test_sets(vector: dict[str, Any]) -> None:
    check_encoding(SET_BODY, vector)
    data = bytes.fromhex(vector["bytes"])
    assert set_bytes(read_set(data)) == data


@by_case("withdrawals")
def test_withdrawals(vector: dict[str, Any]) -> None:
    check_encoding(WITHDRAW_BODY, vector)
    data = bytes.fromhex(vector["bytes"])
    assert withdrawal_bytes(read_withdrawal(data)) == data


@by_case("leaves")
def test_leaves(vector: dict[str, Any]) -> None:
    check_encoding(ITEM, vector)
    salt, item = bytes.fromhex(vector["salt"]), bytes.fromhex(vector["bytes"])
    assert tagged("esper/hidden/v1", salt, item) == vector["leaf"]


def test_the_root_over_leaves() -> None:
    level = [
        tagged("esper/merkle/leaf/v1", bytes.fromhex(vector["leaf"]))
        for vector in DOCUMENT["leaves"]
    ]
    count = len(level)
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [
            tagged("esper/merkle/node/v1", bytes.fromhex("".join(pair)))
            if len(pair) == 2
            else pair[0]
            for pair in pairs
        ]
    use = b"esper/hidden/set/v1".ljust(32, b"\0")
    top = bytes.fromhex(level[0])
    root = tagged("esper/merkle/root/v1", use, count.to_bytes(8, "big"), top)
    assert root == DOCUMENT["root"]


@by_case("proofs")
def test_openings(vector: dict[str, Any]) -> None:
    check_encoding(HIDDEN_PROOF, vector)
    data = bytes.fromhex(vector["bytes"])
    assert hidden_proof_bytes(read_hidden_proof(data)) == data


@pytest.mark.parametrize("vector", DOCUMENT["draws"], ids=lambda one: str(one["drawn"]))
def test_draws(vector: dict[str, Any]) -> None:
    set_id, seed = bytes.fromhex(vector["set"]), bytes.fromhex(vector["seed"])
    count, used, wanted = vector["count"], vector["used"], vector["wanted"]
    found = drawn_items(Txid(set_id), seed, count, used, wanted)
    assert list(found) == vector["drawn"]
    stream = hashlib.shake_256(b"esper/hidden/draw/v1".ljust(32, b"\0") + seed + set_id)
    data = stream.digest(8000)
    limit = (1 << 64) // count * count
    words = [int.from_bytes(data[at : at + 8], "big") for at in range(0, len(data), 8)]
    fresh = [word % count for word in words if word < limit and word % count not in used]
    assert list(dict.fromkeys(fresh))[: min(wanted, 64 - len(used))] == vector["drawn"]


@pytest.mark.parametrize("vector", DOCUMENT["rollbacks"], ids=lambda one: str(one["round"]))
def test_rollbacks(vector: dict[str, Any]) -> None:
    proposal, number = bytes.fromhex(vector["proposal"]), vector["round"]
    assert auto_rollback_id(Txid(proposal), number).hex() == vector["id"]
    assert tagged("esper/dao/auto/v1", proposal, bytes([number])) == vector["id"]


def test_the_script_writes_this_file() -> None:
    assert write_hidden.document() == DOCUMENT
