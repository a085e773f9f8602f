"""What must hold of a Beat, given what the state says of its provider.

1. height and slot              4. load
2. beacon                       5. opened load answer
3. one in a slot
"""

from typing import Final

from esper.dao.benchmarks.answers import SHOWN_ANSWER
from esper.market.load import TAG_LOADS, LoadOpening
from esper.market.parameters import MarketParameters
from esper.market.records.beat import is_load_root
from esper.market.slots import is_beat_height, slot_of
from esper.primitives.codec import encode
from esper.primitives.errors.market_errors import (
    BeatBeaconViolation,
    BeatOpeningViolation,
    BeatTwiceViolation,
    BeatWindowViolation,
    LoadViolation,
)
from esper.primitives.merkle import verify_path

BEACON_BYTES: Final = 32
"""Of a beacon, as a Beat names it: the first half."""


def check_beat_window(slot: int, height: int, drawn_at: int, params: MarketParameters) -> None:
    """It stands in its slot, soon after the drawn height. Raises BeatWindowViolation."""
    if slot != slot_of(height, params) or not is_beat_height(height, drawn_at, params):
        raise BeatWindowViolation(height, slot, drawn_at + 1, drawn_at + params.answer_blocks)


def check_beat_beacon(beacon: bytes, drawn: bytes) -> None:
    """It names this branch; ``drawn``: 64 bytes, the drawn height's. Raises BeatBeaconViolation."""
    if beacon != drawn[:BEACON_BYTES]:
        raise BeatBeaconViolation(beacon, drawn[:BEACON_BYTES])


def check_beat_once(slot: int, last_slot: int | None) -> None:
    """Its provider sent none in this slot. Raises BeatTwiceViolation."""
    if last_slot is not None and slot <= last_slot:
        raise BeatTwiceViolation(slot)


def check_load(load: int, offered: int) -> None:
    """Raises LoadViolation for more than was offered."""
    if load > offered:
        raise LoadViolation(load, offered)


def check_load_opening(opening: LoadOpening, index: int, answers: int, last_root: bytes) -> None:
    """It opens answer ``index`` of the ``answers`` under the root of the last Beat.

    Whether the answer is the model's, a proof of fault says. Raises BeatOpeningViolation.
    """
    if not is_load_root(last_root, opening.load_root, opening.path):
        raise BeatOpeningViolation("the load answers are not those of the last Beat")
    leaf = encode(SHOWN_ANSWER, opening.answer)
    if not verify_path(TAG_LOADS, opening.load_root, answers, index, leaf, opening.siblings):
        raise BeatOpeningViolation(f"it is not answer {index} of {answers}")
