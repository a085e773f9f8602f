"""A provider: what it serves and asks for, what stands for it, its last Beats, and its history."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from esper.market.parameters import KEPT_SLOTS
from esper.market.records.offer import MARKET_OFFER, MarketOffer
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, VarBytes
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import ModelId
from esper.vm.records import RECORD_VERSION


class ProviderState(IntEnum):
    """Where a provider stands."""

    STARTED = 0
    """It has offered, and sent no Beat."""
    RUNNING = 1
    """It has sent a Beat."""
    OFF = 2
    """It leaves: no session is opened or extended."""
    EXPELLED = 3
    """A fault was proven."""


@dataclass(frozen=True, slots=True)
class SentBeat:
    """What the state keeps of a Beat."""

    slot: int
    height: int
    """Of the block in which it stands: H."""
    root: bytes
    """64 bytes: over load answers, claims and reports."""
    load: int
    """Units that it says its provider can do."""
    weight: int
    """Units that its provider weighs in the roster of the next slot."""
    amount: int
    """Units that its claims come to, as it says."""
    bonded: int
    """1 if a bond stood when it was sent, else 0."""


@dataclass(frozen=True, slots=True)
class ProviderTotals:
    """What became of a provider's claims, in units, since it began. Never reset."""

    settled: int = 0
    """Of claims that were settled."""
    burned: int = 0
    """Of them, what nobody has any more."""
    answered: int = 0
    """Of claims, by the part of their draws that was answered."""
    unanswered: int = 0
    """By the part that was not."""
    audited: int = 0
    """What it was paid for replaying what others claimed."""
    rated: int = 0
    """Ratings, 0 to 10 each, times the units of the claim that it stands for."""


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """A provider."""

    owner: bytes
    """33 bytes: who earns by it, for good."""
    model_id: ModelId
    """64 bytes: what it serves, for good."""
    state: int
    """See ``ProviderState``."""
    offer: MarketOffer
    bond: int
    """Units that a fault takes."""
    deposit: int
    """Units that come back when it has left."""
    open: int
    """Sessions that are open."""
    since: int
    """Slot of its first offer."""
    left: int
    """Slot in which it went off, or was expelled; 0 before."""
    slots: int
    """Beats that it has sent in all."""
    beats: tuple[SentBeat, ...]
    """The last ones, by ascending slot."""
    totals: ProviderTotals
    fault: bytes
    """64 bytes, txid of what proved it; empty without one."""

    @property
    def off(self) -> bool:
        """Whether it opens no session any more."""
        return self.state in (ProviderState.OFF, ProviderState.EXPELLED)

    @property
    def last_beat(self) -> SentBeat | None:
        """The last one, None before the first."""
        return self.beats[-1] if self.beats else None

    def beat(self, slot: int) -> SentBeat | None:
        """That of a slot, None if it sent none or it is forgotten."""
        return next((one for one in self.beats if one.slot == slot), None)

    def first_beat_from(self, slot: int) -> SentBeat | None:
        """The first Beat of this slot or a later one."""
        return next((one for one in self.beats if one.slot >= slot), None)

    def slot_before(self, slot: int) -> int | None:
        """The slot of the last Beat before this slot's, None if none is known."""
        before = [one.slot for one in self.beats if one.slot < slot]
        return before[-1] if before else None


_SLOT: Final = Unsigned(32)
_AMOUNT: Final = Unsigned(63)

SENT_BEAT: Final = Record(
    SentBeat,
    None,
    (
        ("slot", _SLOT),
        ("height", Unsigned(32)),
        ("root", FixedBytes(HASH_BYTES)),
        ("load", Unsigned(32)),
        ("weight", Unsigned(32)),
        ("amount", _AMOUNT),
        ("bonded", Unsigned(1)),
    ),
)
PROVIDER_TOTALS: Final = Record(
    ProviderTotals,
    None,
    (
        ("settled", _AMOUNT),
        ("burned", _AMOUNT),
        ("answered", _AMOUNT),
        ("unanswered", _AMOUNT),
        ("audited", _AMOUNT),
        ("rated", _AMOUNT),
    ),
)
PROVIDER_RECORD: Final = Record(
    ProviderRecord,
    RECORD_VERSION,
    (
        ("owner", FixedBytes(ADDRESS_BYTES)),
        ("model_id", FixedBytes(HASH_BYTES)),
        ("state", Unsigned(2)),
        ("offer", MARKET_OFFER),
        ("bond", _AMOUNT),
        ("deposit", _AMOUNT),
        ("open", Unsigned(16)),
        ("since", _SLOT),
        ("left", _SLOT),
        ("slots", _SLOT),
        ("beats", Array(SENT_BEAT, KEPT_SLOTS)),
        ("totals", PROVIDER_TOTALS),
        ("fault", VarBytes(HASH_BYTES)),
    ),
)
