"""multistream-select 1.0: how two sides agree on what a stream carries, as machines.

A message is its length as a varint, the text, and a line feed. Both sides begin with the name of
the selection itself; the asker proposes, the answerer echoes the proposal or says "na". Nothing is
offered beside what the caller names, and a list ("ls") is not given.
"""

from collections.abc import Collection
from typing import Final

from esper.p2p.faults import Fault, Offence

SELECTION: Final = "/multistream/1.0.0"
REFUSAL: Final = "na"
LONGEST: Final = 1024
"""Bytes of a message: a varint of two bytes says more than this."""


def message(text: str) -> bytes:
    """The bytes of a message. ``text`` has fewer than 127 bytes."""
    data = text.encode() + b"\n"
    assert len(data) < 128
    return bytes([len(data)]) + data


def _violation(reason: str) -> Fault:
    return Fault(Offence.CODEC, reason)


def _take(data: bytearray) -> str | None:
    """Take the first message off ``data``; None while it is not whole. Raises Fault."""
    if not data:
        return None
    size, begin = data[0], 1
    if size >= 128:
        if len(data) < 2:
            return None
        size, begin = size - 128 + (data[1] << 7), 2
        if data[1] >= 128 or size > LONGEST:
            raise _violation("a long message while a protocol is chosen")
    if size == 0:
        raise _violation("an empty message while a protocol is chosen")
    if len(data) < begin + size:
        return None
    text = bytes(data[begin : begin + size])
    del data[: begin + size]
    if text[-1:] != b"\n":
        raise _violation("a message without its end while a protocol is chosen")
    return text[:-1].decode("utf-8", "replace")


class Answerer:
    """The side that is asked."""

    def __init__(self, offered: Collection[str]) -> None:
        self._offered = offered
        self._begun = False
        self.agreed: str | None = None
        """What the stream carries from here on."""

    def receive(self, data: bytearray) -> bytes:
        """Take whole messages off ``data`` until one is agreed on; what to send. Raises Fault."""
        reply = b""
        while self.agreed is None and (text := _take(data)) is not None:
            if not self._begun:
                if text != SELECTION:
                    raise _violation("no selection of a protocol")
                self._begun = True
                reply += message(SELECTION)
            elif text in self._offered:
                self.agreed = text
                reply += message(text)
            else:
                reply += message(REFUSAL)
        return reply


class Asker:
    """The side that asks, for one protocol."""

    def __init__(self, protocol: str) -> None:
        self._expected = [SELECTION, protocol]
        self.proposal: bytes = message(SELECTION) + message(protocol)
        """To be sent first: both at once, which saves a round trip."""
        self.refused = False
        """The other side does not know the protocol."""

    @property
    def agreed(self) -> bool:
        """Whether the stream carries the protocol from here on."""
        return not self._expected

    def receive(self, data: bytearray) -> None:
        """Take messages off ``data`` until the protocol is agreed on or refused. Raises Fault."""
        while self._expected and not self.refused and (text := _take(data)) is not None:
            if text == self._expected[0]:
                del self._expected[0]
            elif text == REFUSAL and len(self._expected) == 1:
                self.refused = True
            else:
                raise _violation("another protocol than was asked for")
