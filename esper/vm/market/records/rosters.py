"""A model's providers and rosters, and the stack of a provider's free places."""

from dataclasses import dataclass
from typing import Final

from esper.dao.entry_records import MODEL_ENTRY, PUZZLE
from esper.dao.registry import Puzzle
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned
from esper.primitives.model_entry import ModelEntry
from esper.vm.market.records.paths import ROSTER_RING
from esper.vm.records import RECORD_VERSION


@dataclass(frozen=True, slots=True)
class RosterSize:
    """How large the roster of a slot is."""

    slot: int
    count: int
    """Places."""
    weight: int
    """Units of all of them together."""


@dataclass(frozen=True, slots=True)
class MarketModel:
    """A model that providers serve: judged by this, whatever the DAO has made of it since."""

    entry: ModelEntry
    puzzle: Puzzle
    """The shape of a load answer."""
    providers: int
    """Provider records of it."""
    rosters: tuple[RosterSize, ...]
    """Of the last slots, by ascending slot."""

    def roster(self, slot: int) -> RosterSize:
        """That of a slot; one without places if nobody stands in it."""
        found = (one for one in self.rosters if one.slot == slot)
        return next(found, RosterSize(slot, 0, 0))

    def with_roster(self, size: RosterSize) -> "MarketModel":
        """With a roster that has grown, or begins; the oldest is forgotten."""
        others = tuple(one for one in self.rosters if one.slot != size.slot)
        kept = sorted((*others, size), key=lambda one: one.slot)[-ROSTER_RING:]
        return MarketModel(self.entry, self.puzzle, self.providers, tuple(kept))


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """A place of a roster. One of another slot is what the ring has left there."""

    slot: int
    provider: bytes
    """33 bytes."""
    owner: bytes
    """33 bytes."""
    cumulative: int
    """Weight of all places up to this one."""


@dataclass(frozen=True, slots=True)
class FreePlace:
    """What stands on the stack of a provider's free places at a depth."""

    place: int


MARKET_MODEL: Final = Record(
    MarketModel,
    RECORD_VERSION,
    (
        ("entry", MODEL_ENTRY),
        ("puzzle", PUZZLE),
        ("providers", Unsigned(32)),
        (
            "rosters",
            Array(
                Record(
                    RosterSize,
                    None,
                    (("slot", Unsigned(32)), ("count", Unsigned(32)), ("weight", Unsigned(64))),
                ),
                ROSTER_RING,
            ),
        ),
    ),
)
STORED_PLACE: Final = Record(
    StoredPlace,
    RECORD_VERSION,
    (
        ("slot", Unsigned(32)),
        ("provider", FixedBytes(ADDRESS_BYTES)),
        ("owner", FixedBytes(ADDRESS_BYTES)),
        ("cumulative", Unsigned(64)),
    ),
)
FREE_PLACE: Final = Record(FreePlace, RECORD_VERSION, (("place", Unsigned(12)),))
