"""Making keys and signatures, for wallets. Draws on the libraries' randomness; no rule calls it.

Keys of suite 1 grow from a 32-byte seed, so that words on paper restore them. The generator of
suite 2 takes no seed: such a key is generated and must be backed up itself. Signing is hedged in
both: two signatures of one digest differ, which is why a transaction's id leaves them out.
"""

from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from pqcrypto.sign import slh_dsa_sha2_128s

from esper.crypto.signatures import DIGEST_BYTES, scheme_of
from esper.primitives.address import SUITE_ML_DSA_65, SUITE_SLH_DSA_128S, Address

SEED_BYTES: Final = 32
SLH_SECRET_BYTES: Final = 64


class SigningError(ValueError):
    """A seed, secret or digest that nothing can be signed with, with the reason."""


class SeedUnsupportedError(SigningError):
    """A suite whose keys cannot be made from a seed: generate one and keep its secret."""

    def __init__(self, suite: int) -> None:
        super().__init__(f"keys of suite {suite} cannot be made from a seed: generate one")
        self.suite = suite
        """The number."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key that can sign. Its text form leaves the secret out."""

    suite: int
    """Which scheme."""
    public: bytes
    """The public key: 1,952 or 32 bytes."""
    secret: bytes = field(repr=False)
    """Suite 1: the 32-byte seed. Suite 2: 64 bytes, the public key in its second half."""

    @property
    def address(self) -> Address:
        """Where this key is paid."""
        return Address.of_key(self.suite, self.public)

    def sign(self, digest: bytes) -> bytes:
        """A signature of 3,309 or 7,856 bytes over a 64-byte digest; another at every call.

        Raises SigningError for a digest of another length.
        """
        if len(digest) != DIGEST_BYTES:
            raise SigningError(f"digest has {len(digest)} bytes, must have {DIGEST_BYTES}")
        if self.suite == SUITE_ML_DSA_65:
            return MLDSA65PrivateKey.from_seed_bytes(self.secret).sign(digest, b"")
        return bytes(slh_dsa_sha2_128s.sign(self.secret, digest))


def key_from_seed(suite: int, seed: bytes) -> KeyPair:
    """The key that a 32-byte seed stands for, the same on every machine.

    Raises UnknownSuiteError, SeedUnsupportedError for suite 2, and SigningError for a seed of
    another length.
    """
    scheme_of(suite)
    if suite != SUITE_ML_DSA_65:
        raise SeedUnsupportedError(suite)
    if len(seed) != SEED_BYTES:
        raise SigningError(f"seed has {len(seed)} bytes, must have {SEED_BYTES}")
    return KeyPair(
        suite, MLDSA65PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw(), seed
    )


def key_from_secret(secret: bytes) -> KeyPair:
    """The suite 2 key that was generated with this 64-byte secret. Raises SigningError."""
    if len(secret) != SLH_SECRET_BYTES:
        raise SigningError(f"secret has {len(secret)} bytes, must have {SLH_SECRET_BYTES}")
    public_bytes = scheme_of(SUITE_SLH_DSA_128S).key_bytes
    return KeyPair(SUITE_SLH_DSA_128S, secret[-public_bytes:], secret)


def generate_key(suite: int) -> KeyPair:
    """A new key from the operating system's randomness. Raises UnknownSuiteError."""
    scheme_of(suite)
    if suite == SUITE_ML_DSA_65:
        return key_from_seed(suite, MLDSA65PrivateKey.generate().private_bytes_raw())
    _, secret = slh_dsa_sha2_128s.keygen()
    return key_from_secret(bytes(secret))
