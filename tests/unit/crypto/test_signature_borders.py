"""Signatures at the borders of FIPS 204: this node's judge, and another one, say the same."""

import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

from esper._native import ml_dsa_65_first_invalid
from esper.crypto.signatures import verify
from tests.vectors.writers import write_signature_borders

DOCUMENT = json.loads(write_signature_borders.FILE.read_text())
DIGEST = bytes.fromhex(DOCUMENT["digest"])
BORDERS = [
    pytest.param(
        bytes.fromhex(DOCUMENT["keys"][case["key"]]),
        bytes.fromhex(case["signature"]),
        case["valid"],
        id=case["name"],
    )
    for case in DOCUMENT["signatures"]
]


def holds_elsewhere(key: bytes, signature: bytes) -> bool:
    try:
        MLDSA65PublicKey.from_public_bytes(key).verify(signature, DIGEST)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize(("key", "signature", "valid"), BORDERS)
def test_both_judge_as_the_name_says(key: bytes, signature: bytes, valid: bool) -> None:
    assert verify(1, key, DIGEST, signature) is valid
    assert holds_elsewhere(key, signature) is valid
    found = ml_dsa_65_first_invalid([(key, DIGEST, signature)] * 3, 2)
    assert found == (None if valid else 0)


def test_a_key_may_begin_like_another_encoding_of_a_key() -> None:
    # AWS-LC reads a bare key that begins so as one of ML-DSA-44, and refuses it.
    heads = [bytes.fromhex(key)[:22] for key in DOCUMENT["keys"][:3]]
    assert heads == [bytes.fromhex(head) for head in write_signature_borders.HEADS.values()]
    assert all(border.values[2] for border in BORDERS[:3])


def test_the_file_is_what_its_writer_writes() -> None:
    assert write_signature_borders.document() == DOCUMENT
