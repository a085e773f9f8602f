"""Signature suites: the registry that every check of a signature goes through.

| suite | scheme | key | signature | library |
|---|---|---|---|---|
| 1 | ML-DSA-65 (FIPS 204) | 1,952 bytes | 3,309 bytes | AWS-LC, in the extension |
| 2 | SLH-DSA-SHA2-128s (FIPS 205) | 32 bytes | 7,856 bytes | pqcrypto |

What is signed is always a 64-byte digest that a tagged hash made, and the schemes' own context
string stays empty: the tag already says what the digest is for, and with an empty context the
libraries agree on every input (one of them refuses valid contexts of 255 bytes). Each suite has one
library that judges it, for good: two that differ on one signature would split the chain.

Verification is a pure function. Making keys and signatures is not: see ``signing``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from pqcrypto.sign import slh_dsa_sha2_128s

from esper._native import ml_dsa_65_holds
from esper.primitives.address import SUITE_ML_DSA_65, SUITE_SLH_DSA_128S
from esper.primitives.hashing import HASH_BYTES

DIGEST_BYTES: Final = HASH_BYTES


class UnknownSuiteError(ValueError):
    """A suite number that stands in no registry of this node."""

    def __init__(self, suite: int) -> None:
        super().__init__(suite)
        self.suite = suite
        """The number."""

    def __str__(self) -> str:
        known = ", ".join(str(number) for number in SCHEMES)
        return f"signature suite {self.suite} is unknown, must be one of {known}"


@dataclass(frozen=True, slots=True)
class Scheme:
    """One suite: its sizes and its check."""

    name: str
    """The standard's name."""
    key_bytes: int
    """Exact size of a public key."""
    signature_bytes: int
    """Exact size of a signature."""
    check: Callable[[bytes, bytes, bytes], bool]
    """Whether (key, digest, signature) fit together; all three have their exact sizes."""


def _check_slh_dsa(key: bytes, digest: bytes, signature: bytes) -> bool:
    try:
        slh_dsa_sha2_128s.verify(key, digest, signature)
    except ValueError:
        # The library's error for a signature that does not fit is a ValueError.
        return False
    return True


SCHEMES: Final = {
    SUITE_ML_DSA_65: Scheme("ML-DSA-65", 1952, 3309, ml_dsa_65_holds),
    SUITE_SLH_DSA_128S: Scheme("SLH-DSA-SHA2-128s", 32, 7856, _check_slh_dsa),
}

MAX_KEY_BYTES: Final = max(scheme.key_bytes for scheme in SCHEMES.values())
MAX_SIGNATURE_BYTES: Final = max(scheme.signature_bytes for scheme in SCHEMES.values())


def scheme_of(suite: int) -> Scheme:
    """The scheme of a suite. Raises UnknownSuiteError."""
    try:
        return SCHEMES[suite]
    except KeyError:
        raise UnknownSuiteError(suite) from None


def verify(suite: int, key: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is the key's over the 64-byte ``digest``.

    False for anything else: unknown suites, wrong sizes, junk. It never raises on what a peer sent;
    a library without the scheme raises, since a node must not judge what it cannot check.
    """
    scheme = SCHEMES.get(suite)
    if scheme is None or len(digest) != DIGEST_BYTES:
        return False
    if len(key) != scheme.key_bytes or len(signature) != scheme.signature_bytes:
        return False
    return scheme.check(key, digest, signature)


@dataclass(frozen=True, slots=True)
class SignatureClaim:
    """A signature that somebody says is valid."""

    suite: int
    """Which scheme."""
    key: bytes
    """The public key."""
    digest: bytes
    """64 bytes: what was signed."""
    signature: bytes
    """The signature."""

    @property
    def holds(self) -> bool:
        """Whether it is valid. Computed anew at every call."""
        return verify(self.suite, self.key, self.digest, self.signature)


class SignatureVerifier(Protocol):
    """Checks many signatures at once, wherever it does so."""

    def first_invalid(self, claims: Sequence[SignatureClaim]) -> int | None:
        """The index of the first claim that does not hold, None if all do."""


@dataclass(frozen=True, slots=True)
class SequentialVerifier:
    """The plain way: one claim after the other, up to the first that fails."""

    def first_invalid(self, claims: Sequence[SignatureClaim]) -> int | None:
        """The index of the first claim that does not hold, None if all do."""
        return next((index for index, claim in enumerate(claims) if not claim.holds), None)
