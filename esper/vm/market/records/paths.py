"""Where the market's records stand in the state.

| kind | id | record |
|---|---|---|
| 24 | address, 33 bytes | ProviderRecord |
| 25 | txid of the opening, 64 bytes | SessionRecord |
| 26 | ``market`` | MarketClock |
| 27 | (height div 16) mod 256, one byte | BeaconPage |
| 28 | model id, 64 bytes | MarketModel |
| 29 | model id, slot mod 16 as one byte, index as u32 | StoredPlace of a roster |
| 30 | address, index as u32 | FreePlace |
"""

from typing import Final

from esper.primitives.hashing import u32
from esper.primitives.ids import ModelId, Txid
from esper.vm.state_tree import state_path

KIND_PROVIDER: Final = 24
KIND_SESSION: Final = 25
KIND_MARKET: Final = 26
KIND_BEACONS: Final = 27
KIND_MARKET_MODEL: Final = 28
KIND_ROSTER_PLACE: Final = 29
KIND_FREE_PLACE: Final = 30

PAGE_BLOCKS: Final = 16
"""Beacons of a page."""
PAGES: Final = 256
"""Pages that the state keeps."""
ROSTER_RING: Final = 16
"""Rosters of a model that the state keeps, by slot."""

MARKET_PATH: Final = state_path(KIND_MARKET, b"market")


def provider_path(address: bytes) -> bytes:
    """Where the provider of a 33-byte address stands."""
    return state_path(KIND_PROVIDER, address)


def session_path(session_id: Txid) -> bytes:
    """Where the session that the transaction of this 64-byte id opened stands."""
    return state_path(KIND_SESSION, session_id)


def beacons_path(height: int) -> bytes:
    """Where the page stands that has this height's beacon, until it is overwritten."""
    return state_path(KIND_BEACONS, bytes((height // PAGE_BLOCKS % PAGES,)))


def market_model_path(model_id: ModelId) -> bytes:
    """Where what the market knows of the model of this 64-byte id stands."""
    return state_path(KIND_MARKET_MODEL, model_id)


def roster_place_path(model_id: ModelId, slot: int, index: int) -> bytes:
    """Where a place of a model's roster stands, until the slot's ring comes round."""
    return state_path(KIND_ROSTER_PLACE, model_id + bytes((slot % ROSTER_RING,)) + u32(index))


def free_place_path(address: bytes, index: int) -> bytes:
    """Where it stands which of a provider's places is at this depth of its stack."""
    return state_path(KIND_FREE_PLACE, address + u32(index))
