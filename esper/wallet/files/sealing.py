"""Encryption of a wallet's secret part by a password: Argon2id, then ChaCha20-Poly1305."""

import unicodedata
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from esper.wallet.errors import WrongPasswordError
from esper.wallet.files.cost import Cost
from esper.wallet.files.passwords import MAX_PASSWORD_CHARACTERS, untypable

SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32


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
