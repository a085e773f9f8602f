"""Two judges of suite 1 say the same of whatever stands near a signature that holds."""

import json

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey
from hypothesis import given
from hypothesis import strategies as st

from esper.crypto.signatures import verify
from tests.vectors.ml_dsa_65 import (
    BETA,
    CHALLENGE_BYTES,
    ETA,
    GAMMA1,
    OMEGA,
    RHO_BYTES,
    K,
    L,
    N,
    hints_at,
    make_key,
    open_key,
    short_vector,
    sign,
    sign_open,
)
from tests.vectors.writers import write_signature_borders

LIMIT = GAMMA1 - BETA


def signed(seed: bytes) -> tuple[bytes, bytes, bytes]:
    """A key as others have, a digest and its signature."""
    s1, s2 = short_vector(seed + b"1", L, ETA), short_vector(seed + b"2", K, ETA)
    key = make_key(seed.ljust(RHO_BYTES), s1, s2)
    digest = seed.ljust(64)
    return key, digest, sign(key, s1, digest)


DOCUMENT = json.loads(write_signature_borders.FILE.read_text())
HONEST = [signed(b"%d" % number) for number in range(4)]
BORDERS = [
    tuple(
        bytes.fromhex(part)
        for part in (DOCUMENT["keys"][case["key"]], DOCUMENT["digest"], case["signature"])
    )
    for case in DOCUMENT["signatures"]
]
SIZES = dict(enumerate(map(len, HONEST[0])))
HINTS = SIZES[2] - OMEGA - K


def judged(key: bytes, digest: bytes, signature: bytes) -> bool:
    """What both say; they must say the same."""
    try:
        MLDSA65PublicKey.from_public_bytes(key).verify(signature, digest)
        elsewhere = True
    except InvalidSignature:
        elsewhere = False
    assert verify(1, key, digest, signature) is elsewhere
    return elsewhere


def places(part: int, start: int, end: int) -> st.SearchStrategy[tuple[int, int]]:
    """Bytes of the key (0), the digest (1) or the signature (2)."""
    return st.tuples(st.just(part), st.integers(start, end - 1))


fields = st.one_of(
    places(0, 0, RHO_BYTES),
    places(0, RHO_BYTES, SIZES[0]),
    places(1, 0, SIZES[1]),
    places(2, 0, CHALLENGE_BYTES),
    places(2, CHALLENGE_BYTES, HINTS),
    places(2, HINTS, HINTS + OMEGA),
    places(2, HINTS + OMEGA, SIZES[2]),
)
values = st.one_of(st.sampled_from([0, 1, 54, 55, 56, 128, 255]), st.integers(0, 255))


@given(
    st.sampled_from(HONEST) | st.sampled_from(BORDERS),
    st.lists(st.tuples(fields, values), min_size=1, max_size=3),
)
def test_edits(parts: tuple[bytes, bytes, bytes], edits: list[tuple[tuple[int, int], int]]) -> None:
    edited = [bytearray(part) for part in parts]
    for (part, place), value in edits:
        edited[part][place] = value
    key, digest, signature = map(bytes, edited)
    if parts in HONEST:
        # Every byte of the three is bound.
        assert judged(key, digest, signature) is ((key, digest, signature) == parts)
    else:
        judged(key, digest, signature)


coefficients = st.one_of(
    st.sampled_from([LIMIT - 1, LIMIT, 1 - LIMIT, -LIMIT, GAMMA1, 1 - GAMMA1]),
    st.integers(1 - LIMIT, LIMIT - 1),
)


@given(
    st.binary(min_size=RHO_BYTES, max_size=RHO_BYTES),
    st.binary(min_size=64, max_size=64),
    st.sampled_from([0, 1, 1000, LIMIT - 1]),
    st.dictionaries(st.tuples(st.integers(0, L - 1), st.integers(0, N - 1)), coefficients),
    st.sets(st.tuples(st.integers(0, K - 1), st.integers(0, N - 1)), max_size=OMEGA),
)
def test_any_response_and_any_hints(
    rho: bytes,
    digest: bytes,
    bound: int,
    response: dict[tuple[int, int], int],
    hinted: set[tuple[int, int]],
) -> None:
    z = short_vector(rho, L, bound)
    for place, value in response.items():
        z[place] = value
    hints = hints_at([[at for row, at in hinted if row == polynomial] for polynomial in range(K)])
    signature = sign_open(rho, digest, z, hints)
    assert judged(open_key(rho), digest, signature) is bool(np.abs(z).max() < LIMIT)
