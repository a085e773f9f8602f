"""ML-DSA-65 (FIPS 204) in plain arithmetic, for signatures that no library would make.

It signs with any seed rho, with any response z and with any hints, since its signer may know a key
whose t1 is zero: there w' = A z whatever the challenge is, and everybody can sign. It keeps no
secret and skips the rejections that only hide one.

A polynomial is an array of 256 integers, a vector of them an array of shape (length, 256).
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

Q = 8_380_417
N = 256
K, L = 6, 5
D = 13
ETA = 4
TAU = 49
BETA = TAU * ETA
GAMMA1 = 1 << 19
GAMMA2 = (Q - 1) // 32
OMEGA = 55
CHALLENGE_BYTES = 48
RHO_BYTES = 32

Array = np.ndarray[Any, np.dtype[np.int64]]

# NTT(f)[i] is f(1753^(2 brv(i) + 1)), brv(i) the eight bits of i turned round.
_ODD = [2 * int(f"{i:08b}"[::-1], 2) + 1 for i in range(N)]
_NTT = np.array([[pow(1753, odd * j, Q) for j in range(N)] for odd in _ODD])
_INVERSE = np.array(
    [[pow(1753, -odd * j, Q) * pow(N, -1, Q) % Q for odd in _ODD] for j in range(N)]
)


def ntt(vector: Array) -> Array:
    """Each polynomial at the 256 roots."""
    values: Array = vector % Q @ _NTT.T % Q
    return values


def inverse_ntt(vector: Array) -> Array:
    """The polynomials with these values, coefficients in [0, q)."""
    coefficients: Array = vector % Q @ _INVERSE.T % Q
    return coefficients


def candidates(rho: bytes, row: int, column: int) -> Array:
    """The numbers of 23 bits that an entry of A takes those below q from, in their order."""
    stream = hashlib.shake_128(rho + bytes([column, row])).digest(5 * 168)
    low, middle, high = np.frombuffer(stream, np.uint8).astype(np.int64).reshape(-1, 3).T
    return low | middle << 8 | (high & 127) << 16


def expand_a(rho: bytes) -> Array:
    """A with shape (K, L, 256), in the NTT's domain (algorithms 30 and 32)."""
    found = [[candidates(rho, row, column) for column in range(L)] for row in range(K)]
    return np.array([[entry[entry < Q][:N] for entry in row] for row in found])


def times(matrix: Array, vector: Array) -> Array:
    """A v for a vector of L polynomials."""
    return inverse_ntt((matrix * ntt(vector) % Q).sum(axis=1))


def decompose(w: Array) -> tuple[Array, Array]:
    """High and low parts of coefficients in [0, q) (algorithm 36)."""
    low = w % (2 * GAMMA2)
    low = np.where(low > GAMMA2, low - 2 * GAMMA2, low)
    last = w - low == Q - 1
    return np.where(last, 0, (w - low) // (2 * GAMMA2)), low - last


def use_hint(hints: Array, w: Array) -> Array:
    """High parts, one further or one less where there is a hint (algorithm 40)."""
    high, low = decompose(w)
    return (high + hints * np.where(low > 0, 1, -1)) % 16


def sample_in_ball(challenge: bytes) -> Array:
    """The polynomial of a challenge: 49 coefficients of 1 or -1 (algorithm 29)."""
    stream = hashlib.shake_256(challenge).digest(8 + 1024)
    signs = int.from_bytes(stream[:8], "little")
    places = iter(stream[8:])
    c = np.zeros(N, np.int64)
    for count, i in enumerate(range(N - TAU, N)):
        j = next(place for place in places if place <= i)
        c[i] = c[j]
        c[j] = 1 - 2 * (signs >> count & 1)
    return c


def pack(values: Array, width: int) -> bytes:
    """Numbers of ``width`` bits, the lowest bit first."""
    bits = values.reshape(-1, 1) >> np.arange(width) & 1
    return np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()


def encode_key(rho: bytes, t1: Array) -> bytes:
    """A public key (algorithm 22)."""
    return rho + pack(t1, 10)


def decode_key(key: bytes) -> tuple[bytes, Array]:
    """The seed rho and t1 (algorithm 23)."""
    bits = np.unpackbits(np.frombuffer(key[RHO_BYTES:], np.uint8), bitorder="little")
    t1 = (bits.reshape(-1, 10).astype(np.int64) << np.arange(10)).sum(axis=1)
    return key[:RHO_BYTES], t1.reshape(K, N)


def encode_hints(places: Sequence[Sequence[int]]) -> bytes:
    """Places of the hints of each polynomial, in the order that is given (algorithm 20)."""
    listed = bytes(place for polynomial in places for place in polynomial)
    counts = bytes(np.cumsum([len(polynomial) for polynomial in places]).tolist())
    return listed.ljust(OMEGA, b"\0") + counts


def hints_at(places: Sequence[Sequence[int]]) -> Array:
    """The vector with ones at these places."""
    hints = np.zeros((K, N), np.int64)
    for polynomial, at in zip(hints, places, strict=True):
        polynomial[list(at)] = 1
    return hints


def challenge_of(key: bytes, digest: bytes, w1: Array) -> bytes:
    """What a signer of ``digest`` with an empty context is asked once w1 stands."""
    represented = hashlib.shake_256(key).digest(64) + bytes(2) + digest
    mu = hashlib.shake_256(represented).digest(64)
    return hashlib.shake_256(mu + pack(w1, 4)).digest(CHALLENGE_BYTES)


def encode_signature(challenge: bytes, z: Array, hints: bytes) -> bytes:
    """A signature (algorithm 26); coefficients of z in (-gamma1, gamma1]."""
    return challenge + pack(GAMMA1 - z, 20) + hints


def short_vector(seed: bytes, length: int, bound: int) -> Array:
    """Coefficients in [-bound, bound], drawn from a stream."""
    stream = hashlib.shake_256(seed + bytes([length])).digest(4 * length * N)
    drawn = np.frombuffer(stream, "<u4").astype(np.int64) % (2 * bound + 1) - bound
    return drawn.reshape(length, N)


def make_key(rho: bytes, s1: Array, s2: Array) -> bytes:
    """The public key of A s1 + s2."""
    t = (times(expand_a(rho), s1) + s2) % Q
    return encode_key(rho, (t + (1 << (D - 1)) - 1) >> D)


def sign(key: bytes, s1: Array, digest: bytes) -> bytes:
    """A signature; no hints are hidden, so the public key and s1 suffice."""
    rho, t1 = decode_key(key)
    matrix = expand_a(rho)
    for y in _masks(key):
        w1, _ = decompose(times(matrix, y))
        challenge = challenge_of(key, digest, w1)
        c = ntt(sample_in_ball(challenge))
        s1_part = inverse_ntt(c * ntt(s1))
        z = y + np.where(s1_part > Q // 2, s1_part - Q, s1_part)
        w = (times(matrix, z) - inverse_ntt(c * ntt(t1 << D))) % Q
        hints = decompose(w)[0] != w1
        if np.abs(z).max() >= GAMMA1 - BETA or hints.sum() > OMEGA:
            continue
        if (use_hint(hints, w) == w1).all():
            places = [np.flatnonzero(polynomial).tolist() for polynomial in hints]
            return encode_signature(challenge, z, encode_hints(places))
    raise AssertionError("the masks never end")


def _masks(key: bytes) -> Iterator[Array]:
    for attempt in range(1 << 16):
        yield short_vector(key + attempt.to_bytes(2, "big"), L, GAMMA1 - 1)


def open_key(rho: bytes) -> bytes:
    """A key whose t1 is zero, which anybody can sign for."""
    return encode_key(rho, np.zeros((K, N), np.int64))


def sign_open(
    rho: bytes, digest: bytes, z: Array, hints: Array, encoded_hints: bytes | None = None
) -> bytes:
    """The signature of the open key of ``rho`` with this response and these hints.

    ``encoded_hints`` stand in the signature in the place of an honest encoding of ``hints``.
    """
    if encoded_hints is None:
        encoded_hints = encode_hints([np.flatnonzero(row).tolist() for row in hints])
    w1 = use_hint(hints, times(expand_a(rho), z))
    return encode_signature(challenge_of(open_key(rho), digest, w1), z, encoded_hints)
