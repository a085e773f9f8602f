"""Golden bodies, draws, rehearsals and bindings of the DAO, by an independent computation."""

import hashlib
import json
from typing import Any

import pytest

from esper.dao import bodies as b
from esper.dao.evidence import EVIDENCE, PUNISHED, evidence_bytes, read_evidence
from esper.dao.ready import READY_BODY, audit_binding, read_ready, ready_bytes, rehearsal_seed
from esper.primitives.codec import Record, encode
from esper.primitives.ids import Txid
from tests.support.vector_reading import check_encoding, tagged
from tests.vectors.writers import write_dao

DOCUMENT = json.loads(write_dao.FILE.read_text())


@pytest.mark.parametrize("vector", DOCUMENT["draws"], ids=lambda one: one["seed"][:8])
def test_seeds_and_activation_heights(vector: dict[str, Any]) -> None:
    tag = b"esper/dao/seed/v1".ljust(32, b"\0")
    data = bytes.fromhex(vector["beacon"] + vector["proposal"])
    seed = hashlib.sha3_512(tag + data).digest()
    assert seed.hex() == vector["seed"]
    for name, active in vector["active"].items():
        periods = DOCUMENT["periods"][name]
        jitter = int.from_bytes(seed, "big") % periods["jitter"]
        assert active == vector["final"] + periods["grace"] + jitter


CODECS: dict[str, Record[Any]] = {
    "ModelBody": b.MODEL_BODY,
    "ChangeBody": b.CHANGE_BODY,
    "RollbackBody": b.ROLLBACK_BODY,
}


@pytest.mark.parametrize("vector", DOCUMENT["bodies"], ids=lambda v: f"{v['record']}: {v['case']}")
def test_bodies(vector: dict[str, Any]) -> None:
    check_encoding(CODECS[vector["record"]], vector)
    subject = list(CODECS).index(vector["record"]) + 1
    data = bytes.fromhex(vector["bytes"])
    assert encode(CODECS[vector["record"]], b.read_body(subject, data)) == data


@pytest.mark.parametrize("vector", DOCUMENT["ready"], ids=lambda vector: vector["case"])
def test_rehearsed_tickets(vector: dict[str, Any]) -> None:
    check_encoding(READY_BODY, vector)
    data = bytes.fromhex(vector["bytes"])
    assert ready_bytes(read_ready(data)) == data


@pytest.mark.parametrize(
    "vector", DOCUMENT["evidence"], ids=lambda v: f"{v['record']}: {v['case']}"
)
def test_evidence_and_what_is_kept_of_it(vector: dict[str, Any]) -> None:
    codecs: dict[str, Record[Any]] = {"Evidence": EVIDENCE, "Punished": PUNISHED}
    codec = codecs[vector["record"]]
    check_encoding(codec, vector)
    data = bytes.fromhex(vector["bytes"])
    if codec is EVIDENCE:
        assert evidence_bytes(read_evidence(data)) == data


@pytest.mark.parametrize("vector", DOCUMENT["rehearsals"], ids=lambda one: one["seed"][:8])
def test_seeds_of_rehearsals(vector: dict[str, Any]) -> None:
    names = ("genesis_hash", "proposal", "sender", "drawn")
    genesis, proposal, sender, drawn = parts = [bytes.fromhex(vector[name]) for name in names]
    assert rehearsal_seed(genesis, Txid(proposal), sender, drawn).hex() == vector["seed"]
    tag = b"esper/rehearsal/v1".ljust(32, b"\0")
    assert hashlib.shake_256(tag + b"".join(parts)).hexdigest(64) == vector["seed"]


@pytest.mark.parametrize("vector", DOCUMENT["audits"], ids=lambda one: one["binding"][:8])
def test_what_proofs_of_transactions_are_bound_to(vector: dict[str, Any]) -> None:
    names = ("genesis_hash", "sender", "target", "body")
    genesis, sender, target, body = (bytes.fromhex(vector[name]) for name in names)
    subject, kind = vector["subject"], vector["kind"]
    assert audit_binding(genesis, sender, subject, target, body, kind).hex() == vector["binding"]
    told = bytes.fromhex(tagged("esper/audit/body/v1", body))
    parts = (genesis, sender, bytes([subject]), target, told, bytes([kind]))
    assert tagged("esper/audit/v1", *parts) == vector["binding"]


@pytest.mark.parametrize(("name", "of"), [("rehearsals", "seed"), ("audits", "binding")])
def test_every_part_counts(name: str, of: str) -> None:
    vectors = DOCUMENT[name]
    assert len({vector[of] for vector in vectors}) == len(vectors)
    assert all(len({str(vector[part]) for vector in vectors}) > 1 for part in vectors[0])


def test_the_script_writes_this_file() -> None:
    assert write_dao.document() == DOCUMENT
