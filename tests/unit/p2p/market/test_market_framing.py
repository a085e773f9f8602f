"""Frames of the market's protocol, however their bytes come."""

import pytest

from esper.p2p.faults import Fault
from esper.p2p.market.framing import MarketFrameReader, market_frame_bytes
from esper.p2p.market.messages import (
    MARKET_FRAME_BYTES,
    MarketMessage,
    Refuse,
    Tokens,
    market_message_of,
)

MESSAGES: list[MarketMessage] = [Tokens(1, (5, 6)), Refuse(2, 3)]
SENT = b"".join(map(market_frame_bytes, MESSAGES))


@pytest.mark.parametrize("size", [1, 3, len(SENT)])
def test_frames_come_whole_from_pieces(size: int) -> None:
    reader = MarketFrameReader()
    frames = [
        frame for at in range(0, len(SENT), size) for frame in reader.feed(SENT[at : at + size])
    ]
    assert [market_message_of(one.kind, one.record) for one in frames] == MESSAGES


@pytest.mark.parametrize("length", [0, 2, MARKET_FRAME_BYTES + 2, 2**32 - 1])
def test_a_length_that_no_frame_has_is_refused_at_its_head(length: int) -> None:
    with pytest.raises(Fault, match=f"a frame of {length} bytes"):
        list(MarketFrameReader().feed(length.to_bytes(4, "big") + b"\3"))


def test_an_unknown_type_is_refused_at_its_head() -> None:
    with pytest.raises(Fault, match="type 11 is unknown"):
        list(MarketFrameReader().feed(b"\0\0\0\3\x0b"))
