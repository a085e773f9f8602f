"""Slots: which one a height lies in, which height of it is drawn, and where its Beats may stand.

    block i of the first ones is drawn with chance 1 / (first - i),
    by XOF(esper/market/slot/v1, beacon before it || u32 height)

All providers of a network answer for one height, within few blocks: no machine answers for two. The
last of the first blocks is drawn for certain if none was before, so every slot has one.
"""

from typing import Final

from esper.market.parameters import MarketParameters
from esper.primitives.hashing import Xof, make_tag, u32

TAG_SLOT: Final = make_tag("esper/market/slot/v1")


def slot_of(height: int, params: MarketParameters) -> int:
    """The slot that a block of this height lies in, from 0."""
    return height // params.slot_blocks


def first_height(slot: int, params: MarketParameters) -> int:
    """The height of the first block of a slot."""
    return slot * params.slot_blocks


def is_drawn(beacon_before: bytes, height: int, params: MarketParameters) -> bool:
    """Whether a block is the drawn one of its slot, if none before it was.

    ``beacon_before``: 64 bytes, the beacon that its parent left.
    """
    left = params.first_blocks - height % params.slot_blocks
    if left < 1:
        return False
    return Xof(TAG_SLOT, beacon_before, u32(height)).below(left) == 0


def is_beat_height(height: int, drawn_at: int, params: MarketParameters) -> bool:
    """Whether a Beat may stand in a block of this height; ``drawn_at`` is the drawn height."""
    return drawn_at < height <= drawn_at + params.answer_blocks


def is_settle_height(height: int, slot: int, params: MarketParameters) -> bool:
    """Whether a claim of ``slot`` may be settled in a block of this height."""
    return params.settle_from <= slot_of(height, params) - slot <= params.settle_until
