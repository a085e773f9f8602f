"""Golden answers and call groups: bytes, roots of the lists, and what proofs are bound to."""

import json
from typing import Any

import msgpack
import pytest

from esper.consensus.block import calls_root, result_root
from esper.consensus.call_groups import (
    CALL_GROUP,
    TAG_CALL_LIST,
    decode_call_group,
    decode_result,
    encode_result,
    group_binding,
    lane_binding,
)
from esper.primitives.ids import model_id_of, txid_of
from esper.primitives.merkle import merkle_root
from tests.support.vector_reading import check_encoding, tagged
from tests.vectors.writers import write_calls

DOCUMENT = json.loads(write_calls.FILE.read_text())
RESULTS, GROUPS = DOCUMENT["results"], DOCUMENT["groups"]
GENESIS, PAYEE = (bytes.fromhex(DOCUMENT[name]) for name in ("genesis_hash", "payee"))
MODEL_ID = model_id_of(DOCUMENT["model_id"])


def data_of(vectors: list[dict[str, Any]]) -> list[bytes]:
    return [bytes.fromhex(vector["bytes"]) for vector in vectors]


@pytest.mark.parametrize("vector", RESULTS, ids=lambda vector: vector["case"])
def test_results(vector: dict[str, Any]) -> None:
    data, tokens = bytes.fromhex(vector["bytes"]), vector["tokens"]
    assert encode_result(tuple(tokens) or None) == data
    assert decode_result(data, len(data)) == (tuple(tokens) or None)
    assert msgpack.unpackb(data) == tokens
    assert msgpack.packb(tokens) == data


@pytest.mark.parametrize("vector", GROUPS, ids=lambda vector: vector["case"])
def test_groups(vector: dict[str, Any]) -> None:
    check_encoding(CALL_GROUP, vector)
    data = bytes.fromhex(vector["bytes"])
    assert decode_call_group(data, len(data)).to_bytes() == data


def test_roots_of_a_blocks_lists() -> None:
    assert result_root(data_of(RESULTS)).hex() == DOCUMENT["result_root"]
    assert calls_root(data_of(GROUPS)).hex() == DOCUMENT["calls_root"]


@pytest.mark.parametrize("vector", DOCUMENT["own_bindings"], ids=lambda v: len(v["call_ids"]))
def test_what_own_calls_are_bound_to(vector: dict[str, Any]) -> None:
    call_ids = [txid_of(call_id) for call_id in vector["call_ids"]]
    assert group_binding(GENESIS, PAYEE, MODEL_ID, call_ids).hex() == vector["binding"]
    root = bytes.fromhex(vector["list_root"])
    assert merkle_root(TAG_CALL_LIST, call_ids) == root
    assert tagged("esper/call/group/v1", GENESIS, PAYEE, MODEL_ID, root) == vector["binding"]


def test_what_a_lane_is_bound_to() -> None:
    vector = DOCUMENT["lane_binding"]
    call_id, sender = txid_of(vector["call_id"]), bytes.fromhex(vector["sender"])
    assert lane_binding(GENESIS, call_id, sender).hex() == vector["binding"]
    assert tagged("esper/call/lane/v1", GENESIS, call_id, sender) == vector["binding"]


def test_groups_of_every_kind_with_logits_of_both_signs() -> None:
    calls = [call for vector in GROUPS for call in vector["fields"]["calls"]]
    logits = {int(logit) for call in calls for logit in call["logits"]}
    assert {vector["fields"]["kind"] for vector in GROUPS} == {0, 1, 2}
    assert {vector["fields"]["version"] for vector in GROUPS} == {2}
    assert (min(logits), max(logits)) == (1 - (1 << 62), (1 << 62) - 1)


def test_the_script_writes_this_file() -> None:
    assert write_calls.document() == DOCUMENT
