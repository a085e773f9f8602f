"""Write signatures of suite 1 at the borders of what FIPS 204 accepts.

    python -m tests.vectors.writers.write_signature_borders

Each is consistent but for what its name says: the challenge is the hash of what a verifier computes
that does not look. Everything is drawn from fixed seeds, so running this again changes nothing.
"""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.vectors.ml_dsa_65 import (
    BETA,
    CHALLENGE_BYTES,
    ETA,
    GAMMA1,
    GAMMA2,
    OMEGA,
    RHO_BYTES,
    Array,
    K,
    L,
    N,
    Q,
    candidates,
    encode_hints,
    expand_a,
    hints_at,
    make_key,
    open_key,
    short_vector,
    sign,
    sign_open,
    times,
)

FILE = Path(__file__).parents[1] / "signature_borders.json"

DIGEST = bytes(range(64))
RHO = bytes(range(32))
MATRIX = expand_a(RHO)
LIMIT = GAMMA1 - BETA
"""What every coefficient of z is below."""
Z = short_vector(b"response", L, LIMIT - 1)
NO_HINTS = hints_at([[]] * K)

HEADS = {
    "ML-DSA-44": "30820532300b06096086480165030403110382052100",
    "ML-DSA-65": "308207b2300b0609608648016503040312038207a100",
    "ML-DSA-87": "30820a32300b060960864801650304031303820a2100",
}
"""What stands before a key in a SubjectPublicKeyInfo (RFC 9881)."""


class Border(NamedTuple):
    """One signature over ``DIGEST``."""

    name: str
    key: bytes
    signature: bytes
    valid: bool


def heads() -> Iterator[Border]:
    """Keys whose owner chose the head of another encoding for their seed."""
    s1, s2 = short_vector(b"first", L, ETA), short_vector(b"second", K, ETA)
    for name, head in HEADS.items():
        key = make_key(bytes.fromhex(head).ljust(RHO_BYTES, b"\0"), s1, s2)
        yield Border(f"key with the head of {name}", key, sign(key, s1, DIGEST), True)


def constant_keys() -> Iterator[Border]:
    """Keys that anybody can sign for: t1 2^d is 0 or -1 everywhere."""
    nothing = np.zeros((L, N), np.int64)
    for byte in (0, 255):
        key = bytes([byte]) * (RHO_BYTES + K * N * 10 // 8)
        yield Border(f"key of bytes {byte}", key, sign(key, nothing, DIGEST), True)


def opened(
    name: str, valid: bool, z: Array = Z, hints: Array = NO_HINTS, encoded: bytes | None = None
) -> Border:
    """A signature of the open key."""
    return Border(name, open_key(RHO), sign_open(RHO, DIGEST, z, hints, encoded), valid)


def responses() -> Iterator[Border]:
    """The ends of what z may be, and of what its 20 bits may say."""
    ends = {LIMIT - 1: (0, 0), LIMIT: (0, 0), GAMMA1: (2, 128)}
    others = {1 - LIMIT: (L - 1, N - 1), -LIMIT: (L - 1, N - 1), 1 - GAMMA1: (2, 127)}
    for value, place in (ends | others).items():
        z = Z.copy()
        z[place] = value
        yield opened(f"z{list(place)} = {value}", abs(value) < LIMIT, z)


def hints() -> Iterator[Border]:
    """As many hints as there may be, one more, and other encodings of the same hints."""
    spread = [list(range(i, N, 29)) for i in range(K)]
    spread[-1].append(240)
    crowd = [[], list(range(N - OMEGA, N)), [], [], [], []]
    for name, places in {"spread": spread, "in one polynomial": crowd}.items():
        assert sum(map(len, places)) == OMEGA
        yield opened(f"55 hints, {name}", True, hints=hints_at(places))
    # The 56th place stands where the first count does, and is the same number.
    many = [list(range(40)), [], [], [], [], [*range(15), 40]]
    encoded = encode_hints(many)
    yield opened("56 hints", False, hints=hints_at(many), encoded=encoded[:OMEGA] + encoded[-K:])
    few = hints_at([[7, 9], [], [], [], [], []])
    honest = encode_hints([[7, 9], [], [], [], [], []])
    padded, falling = bytearray(honest), bytearray(honest)
    padded[OMEGA - 1] = 1
    falling[OMEGA + 1] = 1
    yield opened("hints as they should be", True, hints=few, encoded=honest)
    turned = encode_hints([[9, 7], [], [], [], [], []])
    yield opened("hints turned round", False, hints=few, encoded=turned)
    twice = encode_hints([[7, 9, 9], [], [], [], [], []])
    yield opened("a hint twice", False, hints=few, encoded=twice)
    yield opened("a place behind the last hint", False, hints=few, encoded=bytes(padded))
    yield opened("a count below the one before", False, hints=few, encoded=bytes(falling))
    again = hints_at([[7, 9], [], [9], [], [], []])
    yield opened("a count below, read again", False, hints=again, encoded=bytes(falling))


def roundings() -> Iterator[Border]:
    """Numbers at the ends of what is rounded to the same high part, with a hint and without."""
    unit, base = np.zeros((L, N), np.int64), Z.copy()
    unit[0, 0], base[0, 0] = 1, 0
    steps, start = times(MATRIX, unit), times(MATRIX, base)
    for number in (0, GAMMA2, GAMMA2 + 1, Q - 1 - GAMMA2, Q - GAMMA2, Q - 1):
        # Where one coefficient of z that is short enough leads to the number.
        for place in np.ndindex(K, N):
            short = (number - int(start[place])) * pow(int(steps[place]), -1, Q) % Q
            if short < LIMIT:
                break
        z, hinted = base + short * unit, NO_HINTS.copy()
        assert times(MATRIX, z)[place] == number
        hinted[place] = 1
        yield opened(f"w = {number}", True, z)
        yield opened(f"w = {number} with a hint", True, z, hinted)


def samples() -> Iterator[Border]:
    """Seeds that make A draw the largest number that is taken, and the smallest that is not."""
    z = np.ones((L, N), np.int64)
    for number in (Q - 1, Q):
        seeds = (bytes([0]) * 28 + tried.to_bytes(4, "big") for tried in count())
        rho = next(seed for seed in seeds if _draws(seed, number))
        yield Border(f"A draws {number}", open_key(rho), sign_open(rho, DIGEST, z, NO_HINTS), True)


def _draws(rho: bytes, number: int) -> bool:
    return any(number in candidates(rho, row, column)[:N] for row, column in np.ndindex(K, L))


def challenges() -> Iterator[Border]:
    """The last bit of the hash decides too."""
    honest = opened("honest", True)
    changed = bytearray(honest.signature)
    changed[CHALLENGE_BYTES - 1] ^= 128
    yield Border("last bit of the challenge", honest.key, bytes(changed), False)


def document() -> dict[str, Any]:
    """What is signed, the keys, and the signatures with the places of their keys."""
    groups = (heads, constant_keys, responses, hints, roundings, samples, challenges)
    borders = [border for group in groups for border in group()]
    keys = list(dict.fromkeys(border.key for border in borders))
    return {
        "digest": DIGEST.hex(),
        "keys": [key.hex() for key in keys],
        "signatures": [
            {
                "name": border.name,
                "key": keys.index(border.key),
                "signature": border.signature.hex(),
                "valid": border.valid,
            }
            for border in borders
        ],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
