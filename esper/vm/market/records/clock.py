"""The market's clock: the running slot with its drawn height, and the beacons of last blocks."""

from dataclasses import dataclass
from typing import Final

from esper.primitives.codec import Array, FixedBytes, Record, Unsigned
from esper.primitives.hashing import HASH_BYTES
from esper.vm.market.records.paths import PAGE_BLOCKS
from esper.vm.records import RECORD_VERSION


@dataclass(frozen=True, slots=True)
class MarketClock:
    """The last slot that has begun."""

    slot: int = 0
    drawn: int = 0
    """Its drawn height; 0 while none is."""


@dataclass(frozen=True, slots=True)
class BeaconPage:
    """Beacons of blocks in a row."""

    first: int
    """Height of the first one."""
    beacons: tuple[bytes, ...]
    """64 bytes each."""


MARKET_CLOCK: Final = Record(
    MarketClock, RECORD_VERSION, (("slot", Unsigned(32)), ("drawn", Unsigned(32)))
)
BEACON_PAGE: Final = Record(
    BeaconPage,
    RECORD_VERSION,
    (("first", Unsigned(32)), ("beacons", Array(FixedBytes(HASH_BYTES), PAGE_BLOCKS))),
)
