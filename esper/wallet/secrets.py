"""What must stay secret: the entropy behind the words, and seeds that were imported."""

from dataclasses import dataclass, field
from string import hexdigits
from typing import Final

import msgspec

from esper.wallet.derivation import SEED_BYTES
from esper.wallet.errors import MisuseError, WalletDamagedError
from esper.wallet.files.given_files import GivenTextError, text_of
from esper.wallet.words import ENTROPY_BYTES

_SEED: Final = f"a seed is {2 * SEED_BYTES} hex digits"


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secret part of a wallet. Its text form shows nothing of it."""

    entropy: bytes = field(default=b"", repr=False)
    """32 bytes behind the words, or nothing if the wallet has none."""
    seeds: tuple[bytes, ...] = field(default=(), repr=False)
    """Imported 32-byte ML-DSA-65 seeds."""

    def to_bytes(self) -> bytes:
        """What is sealed: a JSON object of hex texts."""
        return msgspec.json.encode(_Plain(self.entropy.hex(), [s.hex() for s in self.seeds]))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Secrets":
        """Read what was sealed. Raises WalletDamagedError."""
        try:
            plain = msgspec.json.decode(data, type=_Plain)
            found = cls(bytes.fromhex(plain.entropy), tuple(map(bytes.fromhex, plain.seeds)))
        except (msgspec.DecodeError, ValueError):
            # The library's message could quote the secret.
            raise WalletDamagedError("the sealed part of the wallet is unreadable") from None
        if len(found.entropy) not in (0, ENTROPY_BYTES) or any(
            len(seed) != SEED_BYTES for seed in found.seeds
        ):
            raise WalletDamagedError("the sealed part of the wallet has keys of a wrong length")
        return found


def seed_of(data: bytes, what: str) -> bytes:
    """The seed that 64 hex digits spell, with or without ``0x`` and blanks between them.

    ``what`` names where they come from. Raises MisuseError, whose text shows none of it.
    """
    if not data.strip():
        raise MisuseError(f"{what} is empty: {_SEED}")
    try:
        digits = "".join(text_of(data).split())
    except GivenTextError as error:
        raw = len(data) == SEED_BYTES
        problem = f"holds {SEED_BYTES} bytes as they are, not in hex" if raw else str(error)
        raise MisuseError(f"{what} {problem}: {_SEED}") from None
    if digits[:2] in ("0x", "0X"):
        digits = digits[2:]
    if not set(digits) <= set(hexdigits):
        raise MisuseError(f"{what} holds no hex: {_SEED}")
    if len(digits) != 2 * SEED_BYTES:
        raise MisuseError(f"{what} holds {len(digits)} hex digits: {_SEED}")
    return bytes.fromhex(digits)


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    entropy: str
    seeds: list[str]
