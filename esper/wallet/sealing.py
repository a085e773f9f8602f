"""Encryption of a wallet's secret part by a password: Argon2id, then ChaCha20-Poly1305."""

import unicodedata
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from esper.wallet.errors import CostError, WrongPasswordError
from esper.wallet.passwords import MAX_PASSWORD_CHARACTERS, untypable

SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32

MAX_MEMORY_KIB: Final = 256 * 1024
"""Of any file: four times what this program asks for, so that no file can exhaust a machine."""
MAX_ITERATIONS: Final = 16
MAX_LANES: Final = 8


@dataclass(frozen=True, slots=True)
class Cost:
    """How dear one guess of the password is."""

    memory_kib: int
    """KiB that Argon2id fills: at least 8 a lane, at most 262,144."""
    iterations: int
    """Passes over them: 1 to 16."""
    lanes: int
    """Parts that may be filled at once: 1 to 8."""

    def check(self) -> None:
        """Raises CostError outside these ranges. Nothing was allocated before."""
        if not 1 <= self.lanes <= MAX_LANES:
            raise CostError(f"seal.lanes is {self.lanes}, must be 1 to {MAX_LANES}")
        if not 1 <= self.iterations <= MAX_ITERATIONS:
            raise CostError(f"seal.iterations is {self.iterations}, must be 1 to {MAX_ITERATIONS}")
        if not 8 * self.lanes <= self.memory_kib <= MAX_MEMORY_KIB:
            raise CostError(
                f"seal.memory_kib is {self.memory_kib}, must be {8 * self.lanes} to "
                f"{MAX_MEMORY_KIB}: do not open this file with a password that matters"
            )


COST: Final = Cost(memory_kib=64 * 1024, iterations=3, lanes=4)
"""RFC 9106's second recommendation: 0.2 s and 64 MiB for each guess, and for each opening."""


def sealed(
    secret: bytes, password: str, associated: bytes, *, cost: Cost, salt: bytes, nonce: bytes
) -> bytes:
    """``secret`` encrypted, 16 bytes longer; ``associated`` is authenticated with it.

    ``salt`` (16 bytes) and ``nonce`` (12 bytes) are random and new for every call.
    Raises CostError.
    """
    return ChaCha20Poly1305(_key(password, cost, salt)).encrypt(nonce, secret, associated)


def opened(
    data: bytes, password: str, associated: bytes, *, cost: Cost, salt: bytes, nonce: bytes
) -> bytes:
    """What was sealed. Raises WrongPasswordError if anything differs, and CostError."""
    key = _key(password, cost, salt)
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, data, associated)
    except InvalidTag:
        odd = untypable(password)
        hint = f"; what was given holds {odd}" if odd else ""
        raise WrongPasswordError(
            "the password does not open this wallet: try again; if you are sure of it, someone "
            f"has changed the file, so restore it from a backup{hint}"
        ) from None


def _key(password: str, cost: Cost, salt: bytes) -> bytes:
    cost.check()
    typed = unicodedata.normalize("NFKC", password[: MAX_PASSWORD_CHARACTERS + 1])
    return Argon2id(
        salt=salt,
        length=KEY_BYTES,
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    ).derive(typed.encode("utf-8", "surrogatepass"))
