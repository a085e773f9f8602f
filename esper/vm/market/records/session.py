"""A session: what a payer has put in for one provider, at prices that nobody raises afterwards."""

from dataclasses import dataclass
from typing import Final

from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import FixedBytes, Record, Unsigned, VarBytes
from esper.vm.records import RECORD_VERSION

PRIVATE: Final = 1
"""Flag: nothing is drawn; the payer replays, and keeps the auditors' part."""
MAX_PLACES: Final = 4096
"""Sessions that a provider may have open: a claim is found in a Beat by its place."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """An open session."""

    payer: bytes
    """33 bytes: who gets back what is left."""
    provider: bytes
    """33 bytes."""
    signer: bytes
    """33 bytes: who signs requests for the payer."""
    router: bytes
    """33 bytes: who brought it; empty for nobody."""
    place: int
    """Of its claims in the provider's Beats."""
    flags: int
    """``PRIVATE`` or 0."""
    deposit: int
    """Units put in, beside what was paid at the opening."""
    taken: int
    """Units of acknowledged replies up to which was settled: the next claim begins there."""
    turn: int
    """The turn behind the last one that was settled."""
    paid: int
    """Units of the deposit that are gone; the rest is still held."""
    price_in: int
    price_out: int
    """Units for a thousand tokens, as the offer said."""
    claim: int
    """Units that a claim costs beside its replies, as the offer said."""
    opened: int
    """Slot of the opening."""
    expiry: int
    """Slot after which it takes no replies."""

    @property
    def held(self) -> int:
        """Units that the chain holds for it."""
        return self.deposit - self.paid

    @property
    def private(self) -> bool:
        """Whether nothing of it is drawn."""
        return bool(self.flags & PRIVATE)


_AMOUNT: Final = Unsigned(63)
_PRICE: Final = Unsigned(40)
_SLOT: Final = Unsigned(32)

SESSION_RECORD: Final = Record(
    SessionRecord,
    RECORD_VERSION,
    (
        ("payer", FixedBytes(ADDRESS_BYTES)),
        ("provider", FixedBytes(ADDRESS_BYTES)),
        ("signer", FixedBytes(ADDRESS_BYTES)),
        ("router", VarBytes(ADDRESS_BYTES)),
        ("place", Unsigned(12)),
        ("flags", Unsigned(8)),
        ("deposit", _AMOUNT),
        ("taken", _AMOUNT),
        ("turn", Unsigned(32)),
        ("paid", _AMOUNT),
        ("price_in", _PRICE),
        ("price_out", _PRICE),
        ("claim", _PRICE),
        ("opened", _SLOT),
        ("expiry", _SLOT),
    ),
)
