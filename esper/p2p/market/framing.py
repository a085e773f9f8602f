"""Frames of the market's protocol: as the node's, with one limit for all types.

frame = length u32 big-endian | type u8 | record       length: of type and record, at least 3
"""

from collections.abc import Iterator
from typing import Final

from esper.p2p.faults import Fault, Offence
from esper.p2p.limits import FRAME_HEAD_BYTES
from esper.p2p.market.messages import MARKET_FRAME_BYTES, MarketMessage, encode_market_message
from esper.p2p.wire.framing import LEAST_LENGTH, Frame

LAST_TYPE: Final = 10
_HEAD: Final = FRAME_HEAD_BYTES + 1


def market_frame_bytes(message: MarketMessage) -> bytes:
    """A message as it is sent. Raises ValueError for values outside its schema or too long."""
    record = encode_market_message(message)
    return (1 + len(record)).to_bytes(FRAME_HEAD_BYTES, "big") + bytes((message.TYPE,)) + record


class MarketFrameReader:
    """Takes bytes as they come, and gives whole frames."""

    def __init__(self) -> None:
        """Nothing is held yet."""
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole with these bytes; take them all before the next call.

        Raises Fault (CODEC) at a head that no frame may have; nothing can be read after it.
        """
        self._held += data
        while len(self._held) >= _HEAD:
            length = int.from_bytes(self._held[:FRAME_HEAD_BYTES], "big")
            kind = self._held[FRAME_HEAD_BYTES]
            if kind > LAST_TYPE:
                raise Fault(Offence.CODEC, f"market message type {kind} is unknown")
            if not LEAST_LENGTH <= length <= 1 + MARKET_FRAME_BYTES:
                raise Fault(
                    Offence.CODEC,
                    f"a frame of {length} bytes, {LEAST_LENGTH} to {1 + MARKET_FRAME_BYTES}",
                )
            end = FRAME_HEAD_BYTES + length
            if len(self._held) < end:
                return
            frame = Frame(kind, bytes(self._held[_HEAD:end]))
            del self._held[:end]
            yield frame
