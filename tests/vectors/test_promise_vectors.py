"""Golden promises: what was asked, what is signed, and models as receipts name them."""

import json
from typing import Any

import pytest

from esper.crypto.signatures import verify
from esper.primitives.address import SUITE_ML_DSA_65
from esper.receipts.form import REQUEST, request_bytes
from esper.receipts.links.model import NAMED_MODEL
from esper.receipts.promise import PROMISE_RECORD, request_hash, signer_of
from tests.support.vector_reading import check_encoding, tagged
from tests.vectors.writers import write_promises

DOCUMENT = json.loads(write_promises.FILE.read_text())
REQUESTS, PROMISES, MODELS = (DOCUMENT[name] for name in ("requests", "promises", "models"))


def case(vector: dict[str, Any]) -> str:
    name: str = vector["case"]
    return name


@pytest.mark.parametrize("vector", REQUESTS, ids=case)
def test_what_was_asked(vector: dict[str, Any]) -> None:
    value = json.loads(vector["bytes"])
    assert list(value) == ["endpoint", "model", "input", "max_tokens", "stop"]
    assert json.dumps(value, separators=(",", ":")) == vector["bytes"]
    read = REQUEST.read(value, "request")
    assert request_bytes(read).decode() == vector["bytes"]
    told = tagged("esper/receipt/request/v1", vector["bytes"].encode("ascii"))
    assert request_hash(read).hex() == told == vector["hash"]


@pytest.mark.parametrize("vector", PROMISES, ids=case)
def test_what_is_signed(vector: dict[str, Any]) -> None:
    check_encoding(PROMISE_RECORD, vector)
    record, key, signature, digest = (
        bytes.fromhex(vector[name]) for name in ("bytes", "key", "signature", "digest")
    )
    assert tagged("esper/receipt/sign/v1", record) == vector["digest"]
    assert verify(SUITE_ML_DSA_65, key, digest, signature)
    gateway = signer_of(record, key, signature)
    assert gateway is not None
    assert gateway.hex() == vector["fields"]["gateway"]
    assert signer_of(record, key, bytes(len(signature))) is None


def test_a_promise_keeps_the_hash_of_what_was_asked() -> None:
    hashes = {vector["hash"] for vector in REQUESTS}
    assert {vector["fields"]["request"] for vector in PROMISES} & hashes


@pytest.mark.parametrize("vector", MODELS, ids=case)
def test_models_by_name(vector: dict[str, Any]) -> None:
    check_encoding(NAMED_MODEL, vector)


def test_the_script_writes_this_file() -> None:
    assert write_promises.document(DOCUMENT) == DOCUMENT
