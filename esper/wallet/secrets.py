"""What must stay secret: the entropy behind the words, and seeds that were imported."""

from dataclasses import dataclass, field

import msgspec

from esper.wallet.derivation import SEED_BYTES
from esper.wallet.errors import WalletDamagedError
from esper.wallet.words import ENTROPY_BYTES


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


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    entropy: str
    seeds: list[str]
