"""Golden parts of blocks by their fields, the genesis hash, beacons and the draw between rivals."""

import json
from hashlib import shake_256
from typing import Any

import msgpack
import pytest

from esper.consensus.block import (
    BODY,
    COINBASE,
    calls_root,
    proof_hash,
    result_root,
    transaction_root,
)
from esper.consensus.execution import ParentWork, genesis_beacon, next_beacon
from esper.consensus.fork_choice import BlockTree, ProvenBlock
from esper.consensus.genesis import genesis_hash, genesis_header, parameter_bytes
from esper.consensus.header import HEADER, Header, work_seed
from esper.consensus.registry import genesis_registry
from esper.consensus.tier_records import TIER_STATE
from esper.dao.entry_records import TIER
from esper.primitives.codec import Record
from esper.primitives.ids import NO_BLOCK, BlockId, WorkId
from esper.primitives.work_outputs import WORK_OUTPUTS
from tests.support.vector_reading import check_encoding, tagged
from tests.vectors.fields import built
from tests.vectors.writers import write_chain

DOCUMENT = json.loads(write_chain.FILE.read_text())
CODECS: dict[str, Record[Any]] = {"Tier": TIER, "TierState": TIER_STATE}


def case(vector: dict[str, Any]) -> str:
    return str(vector["case"])


def plain_parameter(value: Any) -> Any:
    """A parameter in MessagePack's own types, by what JSON says of it."""
    match value:
        case {"record": parts}:
            return [plain_parameter(part) for _, part in parts]
        case {"bytes": data}:
            return bytes.fromhex(data)
        case {"wide": digits}:
            return int(digits).to_bytes(64, "big")
        case {"number": digits}:
            return int(digits)
        case list():
            return [plain_parameter(part) for part in value]
        case str():
            return value.encode("ascii")
    return int(value)


@pytest.mark.parametrize("at", range(len(write_chain.NETWORKS)))
def test_parameters_and_genesis(at: int) -> None:
    params, vector = write_chain.NETWORKS[at], DOCUMENT["networks"][at]
    assert write_chain.nested(params) == vector["parameters"]
    data = parameter_bytes(params)
    assert data.hex() == vector["parameter_bytes"]
    assert msgpack.packb(plain_parameter(vector["parameters"])) == data
    assert genesis_hash(params).hex() == vector["genesis_hash"]
    assert tagged("esper/genesis/v1", data) == vector["genesis_hash"]
    assert genesis_header(params).pre.state_root.hex() == vector["genesis_state_root"]


def test_further_tiers_weigh_less_and_more_than_the_first() -> None:
    omegas = {t.omega for p in write_chain.NETWORKS for t in genesis_registry(p).tiers}
    assert min(omegas) < 1 << 16 < max(omegas)


@pytest.mark.parametrize("vector", DOCUMENT["coinbases"], ids=case)
def test_coinbases(vector: dict[str, Any]) -> None:
    check_encoding(COINBASE, vector)
    data = bytes.fromhex(vector["bytes"])
    assert tagged("esper/tx/id/v1", data) == vector["txid"]
    assert tagged("esper/tx/witness-id/v1", data) == vector["wtxid"]


def test_outputs() -> None:
    vector = DOCUMENT["outputs"]
    check_encoding(WORK_OUTPUTS, vector)
    assert built(WORK_OUTPUTS, vector["fields"]).hash.hex() == vector["hash"]
    assert tagged("esper/work/outputs/v1", bytes.fromhex(vector["bytes"])) == vector["hash"]


@pytest.mark.parametrize("vector", DOCUMENT["bodies"], ids=case)
def test_bodies(vector: dict[str, Any]) -> None:
    check_encoding(BODY, vector)


@pytest.mark.parametrize("vector", DOCUMENT["headers"], ids=case)
def test_headers(vector: dict[str, Any]) -> None:
    check_encoding(HEADER, vector)
    header: Header = built(HEADER, vector["fields"])
    assert header.work_id.hex() == vector["work_id"]
    assert work_seed(header.work_id).hex() == vector["seed"]
    assert header.block_id.hex() == vector["block_id"]
    pre, result, vrf_proof, outputs, proof = msgpack.unpackb(bytes.fromhex(vector["bytes"]))
    pre_bytes = msgpack.packb(pre)
    assert tagged("esper/work/v1", pre_bytes) == vector["work_id"]
    seed = shake_256(b"esper/work/seed/v1".ljust(32, b"\0") + bytes.fromhex(vector["work_id"]))
    assert seed.hexdigest(64) == vector["seed"]
    vrf_hash = bytes.fromhex(tagged("esper/vrf/proof/v1", msgpack.packb(vrf_proof)))
    parts = (pre_bytes, result, vrf_hash, outputs, proof)
    assert tagged("esper/header/v1", *parts) == vector["block_id"]


@pytest.mark.parametrize("at", [0, 1])
def test_a_header_commits_to_its_body_and_proof(at: int) -> None:
    header = built(HEADER, DOCUMENT["headers"][at]["fields"])
    body = built(BODY, DOCUMENT["bodies"][at]["fields"])
    assert header.pre.tx_root == transaction_root(body.transactions)
    assert header.pre.result_root == result_root(body.results)
    assert header.pre.calls_root == calls_root(body.call_groups)
    assert header.outputs_hash == body.outputs.hash
    proof = bytes.fromhex(DOCUMENT["proof"])
    assert header.proof_hash == proof_hash(proof)
    assert tagged("esper/work/proof/v1", proof) == header.proof_hash.hex()


@pytest.mark.parametrize("vector", DOCUMENT["tiers"], ids=case)
def test_tiers(vector: dict[str, Any]) -> None:
    check_encoding(CODECS[vector["record"]], vector)


def test_beacons() -> None:
    vector = DOCUMENT["beacons"]
    genesis = bytes.fromhex(vector["genesis_hash"])
    beacon = genesis_beacon(genesis)
    assert beacon.hex() == tagged("esper/beacon/v1", genesis) == vector["beacon"]
    for step in vector["steps"]:
        result, output = (bytes.fromhex(step[name]) for name in ("result", "vrf_output"))
        assert tagged("esper/beacon/v1", beacon, result, output) == step["beacon"]
        beacon = next_beacon(beacon, ParentWork(result, output, paid_tokens=0, proven_tokens=0))
        assert beacon.hex() == step["beacon"]


def test_rivals_draw_these_lots() -> None:
    vector = DOCUMENT["draws"]
    secret, work_ids = (
        bytes.fromhex(vector["secret"]),
        [WorkId(bytes.fromhex(work_id)) for work_id in vector["work_ids"]],
    )
    lots = [tagged("esper/forkchoice/draw/v1", secret, work_id) for work_id in work_ids]
    assert lots == vector["lots"]
    root = ProvenBlock(NO_BLOCK, NO_BLOCK, WorkId(bytes(64)), 1, 0, 0)
    tree = BlockTree(root, height=0, total=1, undo_depth=10, secret=secret)
    for order, work_id in enumerate(work_ids, 1):
        tree.add(
            ProvenBlock(BlockId(work_id[::-1]), root.block_id, work_id, 5, order, received_ms=0)
        )
    assert tree.best_tip() == work_ids[vector["winner"]][::-1]
    assert vector["winner"] != 0, "the first verified would win without a draw"


def test_the_script_writes_this_file() -> None:
    assert write_chain.document() == DOCUMENT
