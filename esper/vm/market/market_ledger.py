"""Typed reading and writing of the market's records, with the coins that they hold counted."""

from dataclasses import dataclass, replace

from esper.market.roster import RosterPlace, place_behind
from esper.primitives.ids import ModelId, Txid
from esper.vm.ledger import Ledger
from esper.vm.market.records.clock import BEACON_PAGE, MARKET_CLOCK, BeaconPage, MarketClock
from esper.vm.market.records.paths import (
    MARKET_PATH,
    PAGE_BLOCKS,
    beacons_path,
    free_place_path,
    market_model_path,
    provider_path,
    roster_place_path,
    session_path,
)
from esper.vm.market.records.provider import PROVIDER_RECORD, ProviderRecord
from esper.vm.market.records.rosters import (
    FREE_PLACE,
    MARKET_MODEL,
    STORED_PLACE,
    FreePlace,
    MarketModel,
    RosterSize,
    StoredPlace,
)
from esper.vm.market.records.session import SESSION_RECORD, SessionRecord


class MarketLedger:
    """The records of the market on a ledger."""

    __slots__ = ("_ledger",)

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def find_provider(self, address: bytes) -> ProviderRecord | None:
        """The provider of a 33-byte address, None if it is none or has left."""
        return self._ledger.read(PROVIDER_RECORD, provider_path(address))

    def provider(self, address: bytes) -> ProviderRecord:
        """One that another record names. Raises KeyError for a state that contradicts itself."""
        return self._ledger.required(PROVIDER_RECORD, provider_path(address))

    def set_provider(self, address: bytes, record: ProviderRecord | None) -> None:
        """Add, replace or remove a provider: bond and deposit are counted as coins."""
        old = self.find_provider(address)
        self._ledger.coins += 0 if record is None else record.bond + record.deposit
        self._ledger.coins -= 0 if old is None else old.bond + old.deposit
        self._ledger.write(PROVIDER_RECORD, provider_path(address), record)

    def find_session(self, session_id: Txid) -> SessionRecord | None:
        """An open session, None if there is none or it has ended."""
        return self._ledger.read(SESSION_RECORD, session_path(session_id))

    def set_session(self, session_id: Txid, record: SessionRecord | None) -> None:
        """Add, replace or remove a session: what it holds is counted as coins."""
        old = self.find_session(session_id)
        self._ledger.coins += 0 if record is None else record.held
        self._ledger.coins -= 0 if old is None else old.held
        self._ledger.write(SESSION_RECORD, session_path(session_id), record)

    @property
    def clock(self) -> MarketClock:
        """The running slot and its drawn height."""
        return self._ledger.read(MARKET_CLOCK, MARKET_PATH) or MarketClock()

    def set_clock(self, clock: MarketClock) -> None:
        """Replace it."""
        self._ledger.write(MARKET_CLOCK, MARKET_PATH, clock)

    def beacon(self, height: int) -> bytes | None:
        """64 bytes: a height's beacon; None if it was overwritten, or is not there yet."""
        page = self._ledger.read(BEACON_PAGE, beacons_path(height))
        if page is None or not page.first <= height < page.first + len(page.beacons):
            return None
        return page.beacons[height - page.first]

    def add_beacon(self, height: int, beacon: bytes) -> None:
        """Write the next height's; a page of older heights is begun anew."""
        path = beacons_path(height)
        page = self._ledger.read(BEACON_PAGE, path)
        if page is None or page.first + len(page.beacons) != height or height % PAGE_BLOCKS == 0:
            page = BeaconPage(height, ())
        self._ledger.write(BEACON_PAGE, path, BeaconPage(page.first, (*page.beacons, beacon)))

    def find_model(self, model_id: ModelId) -> MarketModel | None:
        """What the market knows of a model, None if nobody serves it."""
        return self._ledger.read(MARKET_MODEL, market_model_path(model_id))

    def model(self, model_id: ModelId) -> MarketModel:
        """That of a model that a provider serves. Raises KeyError for a broken state."""
        return self._ledger.required(MARKET_MODEL, market_model_path(model_id))

    def set_model(self, record: MarketModel) -> None:
        """Replace it; one that nobody serves any more is removed."""
        path = market_model_path(record.entry.model_id)
        self._ledger.write(MARKET_MODEL, path, record if record.providers else None)

    def roster(self, model_id: ModelId, slot: int) -> "StateRoster":
        """Who may be drawn in a slot to replay what providers of a model claim."""
        model = self.find_model(model_id)
        size = RosterSize(slot, 0, 0) if model is None else model.roster(slot)
        return StateRoster(self._ledger, model_id, size)

    def join_roster(self, slot: int, address: bytes, provider: ProviderRecord, own: int) -> None:
        """Append a provider to its model's roster of a slot, with ``own`` units, 1 at least."""
        model = self.model(provider.model_id)
        size = model.roster(slot)
        place = place_behind(size.weight, address, provider.owner, own)
        stored = StoredPlace(slot, place.provider, place.owner, place.cumulative)
        path = roster_place_path(provider.model_id, slot, size.count)
        self._ledger.write(STORED_PLACE, path, stored)
        grown = RosterSize(slot, size.count + 1, place.cumulative)
        self.set_model(model.with_roster(grown))

    def take_place(self, address: bytes, index: int) -> int:
        """The free place of a provider at a depth of its stack: its own number if none was left."""
        found = self._ledger.read(FREE_PLACE, free_place_path(address, index))
        return index if found is None else found.place

    def leave_place(self, address: bytes, index: int, place: int) -> None:
        """Put a place on the stack at a depth; one at its own number needs no record."""
        record = None if place == index else FreePlace(place)
        self._ledger.write(FREE_PLACE, free_place_path(address, index), record)


@dataclass(frozen=True, slots=True)
class StateRoster:
    """A roster as the state has it; see ``market.roster.Roster``."""

    ledger: Ledger
    model_id: ModelId
    size: RosterSize

    @property
    def count(self) -> int:
        """Places."""
        return self.size.count

    @property
    def weight(self) -> int:
        """Units of load of all places together."""
        return self.size.weight

    def place(self, index: int) -> RosterPlace:
        """The place with this index. Raises KeyError for a roster that the ring has overwritten."""
        path = roster_place_path(self.model_id, self.size.slot, index)
        stored = self.ledger.required(STORED_PLACE, path)
        if stored.slot != self.size.slot:
            raise KeyError(f"the roster of slot {self.size.slot} is overwritten by {stored.slot}")
        return RosterPlace(stored.provider, stored.owner, stored.cumulative)


def opened(ledger: MarketLedger, address: bytes, provider: ProviderRecord) -> int:
    """Count one more open session of a provider; returns its place."""
    place = ledger.take_place(address, provider.open)
    ledger.set_provider(address, replace(provider, open=provider.open + 1))
    return place


def closed(ledger: MarketLedger, address: bytes, provider: ProviderRecord, place: int) -> None:
    """Count one less, whose place is free."""
    ledger.leave_place(address, provider.open - 1, place)
    ledger.set_provider(address, replace(provider, open=provider.open - 1))
