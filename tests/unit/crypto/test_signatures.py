"""Signature suites: known answers, junk, and checking in bulk."""

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.crypto.batch import BatchVerifier
from esper.crypto.processes import CHUNK, ProcessVerifier, VerifierClosedError
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


def test_processes_agree_with_the_plain_way() -> None:
    wrong = replace(CLAIM, signature=bytes(3309))
    with ProcessVerifier(workers=2, threshold=2) as verifier:
        good = [CLAIM] * (2 * CHUNK + 3)
        assert verifier.first_invalid(good) is None
        for place in (0, CHUNK - 1, CHUNK, 2 * CHUNK + 2):
            claims = list(good)
            claims[place] = wrong
            assert verifier.first_invalid(claims) == place
            claims[-1] = wrong
            assert verifier.first_invalid(claims) == place


def test_what_was_begun_is_no_verdict_on_other_claims() -> None:
    wrong = replace(CLAIM, signature=bytes(3309))
    good = [CLAIM] * (CHUNK + 1)
    with ProcessVerifier(workers=1, threshold=2) as verifier:
        verifier.begin(good)
        assert verifier.first_invalid([*good[:-1], wrong]) == CHUNK
        verifier.begin([*good[:-1], wrong])
        assert verifier.first_invalid([*good[:-1], wrong]) == CHUNK
        verifier.begin([wrong, *good])
        assert verifier.first_invalid(good) is None
        verifier.begin(good)
        assert verifier.first_invalid([wrong]) == 0
    with pytest.raises(VerifierClosedError):
        verifier.begin(good)


def test_short_lists_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a short list went to the workers")

    monkeypatch.setattr(ProcessPoolExecutor, "map", refuse)
    with ProcessVerifier(workers=1, threshold=3) as verifier:
        assert verifier.first_invalid([CLAIM, replace(CLAIM, suite=2)]) == 1
        with pytest.raises(AssertionError, match="went to the workers"):
            verifier.first_invalid([CLAIM] * 3)


def test_a_closed_verifier_gives_no_verdict() -> None:
    verifier = ProcessVerifier(workers=1)
    with pytest.raises(VerifierClosedError):
        verifier.first_invalid([])
    verifier.open()
    verifier.open()
    assert verifier.first_invalid([]) is None
    verifier.close()
    verifier.close()
    with pytest.raises(VerifierClosedError):
        verifier.first_invalid([CLAIM])
    with pytest.raises(ValueError, match="0 workers"):
        ProcessVerifier(workers=0)


def slh_claim() -> SignatureClaim:
    vector = next(vector for vector in VECTORS if vector["suite"] == 2)
    parts = (bytes.fromhex(vector[name]) for name in ("key", "digest", "signature"))
    return SignatureClaim(2, *parts)


def spoilt(claim: SignatureClaim) -> SignatureClaim:
    return replace(claim, digest=bytes(64))


@pytest.mark.parametrize("begun", [False, True])
def test_a_batch_agrees_with_the_plain_way(begun: bool) -> None:
    other = slh_claim()
    good = [CLAIM, other, CLAIM, CLAIM, other, CLAIM]
    lists = [[], [CLAIM], good, [CLAIM] * 6, [other] * 6]
    # Both kinds of failures before, behind and beside each other.
    for first in range(6):
        for second in range(first, 6):
            claims = list(good)
            claims[first], claims[second] = spoilt(claims[first]), spoilt(claims[second])
            lists.append(claims)
    # What no scheme is asked about.
    lists += [[*good, replace(CLAIM, suite=3)], [*good, replace(CLAIM, digest=bytes(32))]]
    lists += [[*good, replace(CLAIM, key=b"")], [*good, replace(CLAIM, signature=b"")]]
    with BatchVerifier(2, ProcessVerifier(1, threshold=100), threshold=2) as verifier:
        for claims in lists:
            if begun:
                verifier.begin(claims)
            assert verifier.first_invalid(claims) == SequentialVerifier().first_invalid(claims)


def test_a_digest_of_another_size_is_no_digest_in_a_batch_either() -> None:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

    short = MLDSA65PrivateKey.from_seed_bytes(KEY.secret).sign(DIGEST[:32])
    claims = [CLAIM, replace(CLAIM, digest=DIGEST[:32], signature=short)]
    with BatchVerifier(1, ProcessVerifier(1), threshold=2) as verifier:
        assert verifier.first_invalid(claims) == 1


def test_a_batch_that_was_begun_is_no_verdict_on_another() -> None:
    good, bad = [CLAIM] * 4, [CLAIM, CLAIM, spoilt(CLAIM), CLAIM]
    with BatchVerifier(1, ProcessVerifier(1), threshold=2) as verifier:
        for begun, asked, answer in ((good, bad, 2), (bad, good, None), (bad, bad[1:], 1)):
            verifier.begin(begun)
            assert verifier.first_invalid(asked) == answer
        verifier.begin(bad)
        assert verifier.first_invalid([CLAIM]) is None
        assert verifier.first_invalid(good) is None


def test_the_threads_take_what_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def count(claims: list[tuple[bytes, bytes, bytes]], threads: int) -> None:
        asked.append((len(claims), threads))

    monkeypatch.setattr("esper.crypto.batch.ml_dsa_65_first_invalid", count)
    with BatchVerifier(3, ProcessVerifier(1), threshold=2) as verifier:
        verifier.begin([CLAIM])
        assert verifier.first_invalid([CLAIM]) is None
        verifier.begin([CLAIM, CLAIM])
        assert verifier.first_invalid([CLAIM, CLAIM]) is None
        assert asked == [(2, 3)]
        assert verifier.first_invalid([CLAIM, CLAIM]) is None
        assert asked == [(2, 3), (2, 3)]


def test_long_lists_of_the_second_suite_go_to_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    lists: list[int] = []

    def count(_: ProcessVerifier, claims: list[SignatureClaim]) -> None:
        lists.append(len(claims))

    monkeypatch.setattr(ProcessVerifier, "begin", count)
    with BatchVerifier(1, ProcessVerifier(1), threshold=2) as verifier:
        verifier.begin([CLAIM, slh_claim(), slh_claim()])
        assert lists == [2]


def test_a_closed_batch_gives_no_verdict() -> None:
    processes = ProcessVerifier(1)
    verifier = BatchVerifier(1, processes)
    with pytest.raises(VerifierClosedError):
        verifier.first_invalid([])
    verifier.open()
    verifier.open()
    assert verifier.first_invalid([]) is None
    assert processes.first_invalid([]) is None
    verifier.begin([CLAIM] * 10)
    verifier.close()
    verifier.close()
    with pytest.raises(VerifierClosedError):
        verifier.begin([CLAIM] * 10)
    with pytest.raises(VerifierClosedError):
        processes.first_invalid([])
    with pytest.raises(ValueError, match="0 threads"):
        BatchVerifier(0, processes)
