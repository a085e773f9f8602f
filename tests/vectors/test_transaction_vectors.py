"""Golden transactions: bytes, digest and ids, also by a decoder and a hash that are not ours."""

import json
from dataclasses import replace
from hashlib import sha3_512
from typing import Any

import msgpack
import pytest

from esper.crypto.signatures import MAX_SIGNATURE_BYTES, verify
from esper.primitives.errors.transaction_errors import UnreadableTransactionViolation
from esper.vm.kinds import KINDS
from esper.vm.transaction import Transaction, decode_transaction
from tests.vectors.writers import write_transactions

DOCUMENT = json.loads(write_transactions.FILE.read_text())
GENESIS = bytes.fromhex(DOCUMENT["genesis_hash"])
VECTORS = DOCUMENT["transactions"]
LIMIT = 1 << 16

each = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])


def read(vector: dict[str, Any]) -> Transaction:
    return decode_transaction(bytes.fromhex(vector["bytes"]), LIMIT)


def plain(value: object) -> object:
    """Records, tuples and numbers as MessagePack's own types."""
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    if isinstance(value, bytes | int):
        return value
    return [plain(getattr(value, name)) for name in value.__slots__]  # type: ignore[attr-defined]


@each
def test_bytes_digest_and_ids(vector: dict[str, Any]) -> None:
    transaction = read(vector)
    assert transaction.to_bytes().hex() == vector["bytes"]
    assert (transaction.kind, transaction.suite) == (vector["kind"], vector["suite"])
    assert transaction.signing_digest(GENESIS).hex() == vector["digest"]
    assert transaction.txid.hex() == vector["txid"]
    assert transaction.wtxid.hex() == vector["wtxid"]


@each
def test_signature(vector: dict[str, Any]) -> None:
    key, digest = bytes.fromhex(vector["public_key"]), bytes.fromhex(vector["digest"])
    assert verify(vector["suite"], key, digest, read(vector).signature)


@each
def test_another_library_reads_and_writes_the_same(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["bytes"])
    fields = msgpack.unpackb(data, strict_map_key=True)
    transaction = read(vector)
    assert fields == [
        1,
        vector["kind"],
        transaction.suite,
        transaction.sender,
        transaction.key,
        transaction.nonce,
        transaction.fee,
        transaction.not_before,
        transaction.expiry,
        plain(transaction.payload),
        transaction.signature,
    ]
    assert msgpack.packb(fields) == data


def tagged(tag: str, *parts: bytes) -> str:
    return sha3_512(tag.encode().ljust(32, b"\0") + b"".join(parts)).hexdigest()


@each
def test_hashes_are_what_the_page_says(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["bytes"])
    fields = msgpack.unpackb(data)
    unsigned = msgpack.packb(fields[:-1])
    suite = bytes([fields[2]])
    assert tagged("esper/tx/sign/v1", GENESIS, suite, unsigned) == vector["digest"]
    assert tagged("esper/tx/id/v1", unsigned) == vector["txid"]
    assert tagged("esper/tx/witness-id/v1", data) == vector["wtxid"]


@each
def test_other_forms_of_the_same_numbers_are_refused(vector: dict[str, Any]) -> None:
    # The kind, below 128, as an integer of two bytes.
    data = bytes.fromhex(vector["bytes"])
    longer = data[:2] + b"\xcc" + data[2:]
    assert msgpack.unpackb(longer) == msgpack.unpackb(data)
    with pytest.raises(UnreadableTransactionViolation, match="shortest form"):
        decode_transaction(longer, LIMIT)


@pytest.mark.parametrize("size", [0, 1, 255, 256, MAX_SIGNATURE_BYTES])
def test_what_is_signed_is_the_same_whether_read_or_made(size: int) -> None:
    made = replace(read(VECTORS[0]), signature=bytes(size))
    found = decode_transaction(made.to_bytes(), LIMIT)
    assert found.unsigned_bytes() == made.unsigned_bytes()
    assert found.txid == made.txid == read(VECTORS[0]).txid


def test_every_kind_has_a_vector() -> None:
    assert {vector["kind"] for vector in VECTORS} == {kind.KIND for kind in KINDS}


def test_the_script_writes_this_file() -> None:
    assert write_transactions.document(DOCUMENT) == DOCUMENT
    # New signatures change nothing but the bytes with them and the witness ids.
    volatile = {"bytes", "wtxid"}
    for new, old in zip(write_transactions.document({})["transactions"], VECTORS, strict=True):
        assert {k: v for k, v in new.items() if k not in volatile} == {
            k: v for k, v in old.items() if k not in volatile
        }
