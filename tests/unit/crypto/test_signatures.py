"""Signature suites: known answers, junk, and checking in bulk."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.crypto.signatures import (
    SCHEMES,
    SequentialVerifier,
    SignatureClaim,
    UnknownSuiteError,
    scheme_of,
    verify,
)
from esper.crypto.signing import (
    SeedUnsupportedError,
    SigningError,
    generate_key,
    key_from_secret,
    key_from_seed,
)
from esper.primitives.address import SUITES, Address

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "signatures.json").read_text())
KEY = key_from_seed(1, bytes(range(32)))
DIGEST = bytes(range(64))
CLAIM = SignatureClaim(1, KEY.public, DIGEST, KEY.sign(DIGEST))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"suite {vector['suite']}")
def test_known_answers(vector: dict[str, Any]) -> None:
    suite, key = vector["suite"], bytes.fromhex(vector["key"])
    digest, signature = bytes.fromhex(vector["digest"]), bytes.fromhex(vector["signature"])
    assert verify(suite, key, digest, signature)
    assert Address.of_key(suite, key).to_text("desp") == vector["address"]
    if suite == 1:
        assert key_from_seed(1, bytes.fromhex(vector["secret"])).public == key
    else:
        assert key_from_secret(bytes.fromhex(vector["secret"])).public == key


def test_the_key_of_the_counting_seed_is_the_published_one() -> None:
    # RFC 9881, appendix C: ML-DSA-65 with seed 00 01 ... 1f.
    assert KEY.public.hex().startswith(
        "48683d91978e31eb3dddb8b0473482d2b88a5f625949fd8f58a561e696bd4c27d05b38dbb2edf01e"
    )


@pytest.mark.parametrize("suite", SCHEMES)
def test_every_changed_part_fails(suite: int) -> None:
    pair = KEY if suite == 1 else generate_key(suite)
    scheme = scheme_of(suite)
    signature = pair.sign(DIGEST)
    assert (len(pair.public), len(signature)) == (scheme.key_bytes, scheme.signature_bytes)
    assert verify(suite, pair.public, DIGEST, signature)
    assert pair.sign(DIGEST) != signature
    for place in (0, 31, 63):
        other = bytearray(DIGEST)
        other[place] ^= 1
        assert not verify(suite, pair.public, bytes(other), signature)
    for place in (0, len(signature) // 2, len(signature) - 1):
        forged = bytearray(signature)
        forged[place] ^= 1
        assert not verify(suite, pair.public, DIGEST, bytes(forged))
    stranger = key_from_seed(1, bytes(32)) if suite == 1 else generate_key(suite)
    assert not verify(suite, stranger.public, DIGEST, signature)


sizes = st.sampled_from([0, 1, 31, 32, 33, 63, 64, 65, 1952, 3309, 3310, 7855, 7856])


@given(st.integers(-1, 300), sizes, sizes, sizes, st.integers(0, 255))
def test_junk_is_false_and_never_raises(
    suite: int, key: int, digest: int, signature: int, fill: int
) -> None:
    junk = bytes([fill])
    assert not verify(suite, junk * key, junk * digest, junk * signature)


@pytest.mark.parametrize("suite", SCHEMES)
@pytest.mark.parametrize("fill", [0, 1, 255])
def test_junk_of_the_right_sizes_is_false(suite: int, fill: int) -> None:
    scheme, junk = scheme_of(suite), bytes([fill])
    assert not verify(suite, junk * scheme.key_bytes, DIGEST, junk * scheme.signature_bytes)
    assert not verify(suite, junk * scheme.key_bytes, DIGEST, b"")
    assert not verify(suite, b"", DIGEST, junk * scheme.signature_bytes)


def test_a_digest_has_64_bytes() -> None:
    # Signed outside the house: the scheme would accept any length.
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

    short = MLDSA65PrivateKey.from_seed_bytes(KEY.secret).sign(DIGEST[:32])
    assert not verify(1, KEY.public, DIGEST[:32], short)
    with pytest.raises(SigningError, match="digest has 32 bytes"):
        KEY.sign(DIGEST[:32])


def test_the_registry_and_the_addresses_know_the_same_suites() -> None:
    assert set(SCHEMES) == SUITES


@pytest.mark.parametrize("suite", [0, 3, 255])
def test_unknown_suites_are_refused_by_name(suite: int) -> None:
    with pytest.raises(UnknownSuiteError, match=f"suite {suite} is unknown, must be one of 1, 2"):
        scheme_of(suite)
    with pytest.raises(UnknownSuiteError):
        key_from_seed(suite, bytes(32))
    with pytest.raises(UnknownSuiteError):
        generate_key(suite)
    assert not verify(suite, KEY.public, DIGEST, CLAIM.signature)


def test_keys_from_seeds() -> None:
    assert key_from_seed(1, bytes(32)) == key_from_seed(1, bytes(32))
    assert generate_key(1) != generate_key(1)
    with pytest.raises(SeedUnsupportedError, match="suite 2 cannot be made from a seed"):
        key_from_seed(2, bytes(32))
    with pytest.raises(SigningError, match="seed has 31 bytes"):
        key_from_seed(1, bytes(31))
    with pytest.raises(SigningError, match="secret has 63 bytes"):
        key_from_secret(bytes(63))


def test_secrets_are_not_shown() -> None:
    assert KEY.secret.hex() not in repr(KEY)
    assert repr(KEY.secret) not in repr(KEY)


def test_the_first_failure_is_named() -> None:
    wrong = replace(CLAIM, digest=bytes(64))
    verifier = SequentialVerifier()
    assert verifier.first_invalid([]) is None
    assert verifier.first_invalid([CLAIM, CLAIM]) is None
    assert verifier.first_invalid([CLAIM, wrong, wrong]) == 1
