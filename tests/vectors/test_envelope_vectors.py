"""Golden transactions by their fields: every payload's bytes, the ids and the digest."""

import json
from typing import Any

import msgpack
import pytest

from esper.vm.kinds import KINDS
from esper.vm.transaction import Transaction, decode_transaction, wire_form
from tests.support.vector_reading import check_encoding, tagged
from tests.vectors.fields import built
from tests.vectors.writers import write_envelopes

DOCUMENT = json.loads(write_envelopes.FILE.read_text())
GENESIS = bytes.fromhex(DOCUMENT["genesis_hash"])
VECTORS = DOCUMENT["transactions"]
LIMIT = 1 << 16
BY_NUMBER = {kind.KIND: kind for kind in KINDS}

each = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["case"])


@each
def test_fields_and_bytes(vector: dict[str, Any]) -> None:
    check_encoding(wire_form(BY_NUMBER[vector["fields"]["kind"]]), vector)
    found = decode_transaction(bytes.fromhex(vector["bytes"]), LIMIT)
    assert type(found.payload).__name__ == vector["payload"]


@each
def test_ids_and_digest(vector: dict[str, Any]) -> None:
    transaction: Transaction = built(
        wire_form(BY_NUMBER[vector["fields"]["kind"]]), vector["fields"]
    )
    assert transaction.txid.hex() == vector["txid"]
    assert transaction.wtxid.hex() == vector["wtxid"]
    assert transaction.signing_digest(GENESIS).hex() == vector["digest"]
    data = bytes.fromhex(vector["bytes"])
    unsigned = msgpack.packb(msgpack.unpackb(data)[:-1])
    assert tagged("esper/tx/id/v1", unsigned) == vector["txid"]
    assert tagged("esper/tx/witness-id/v1", data) == vector["wtxid"]
    suite = bytes([vector["fields"]["suite"]])
    assert tagged("esper/tx/sign/v1", GENESIS, suite, unsigned) == vector["digest"]


def test_every_kind_has_a_vector() -> None:
    assert {vector["fields"]["kind"] for vector in VECTORS} == set(BY_NUMBER)


def test_the_script_writes_this_file() -> None:
    assert write_envelopes.document() == DOCUMENT
