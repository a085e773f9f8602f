"""What every streamed reply has: a begin, pieces, and one end, whole or broken."""

from enum import Enum
from typing import Protocol

from esper.gateway.refusals import Refused
from esper.gateway.replies.parts import Ending, Piece


class StreamOrderError(Exception):
    """A part of a stream at the wrong time: a fault of who drives it."""


class ReplyStream(Protocol):
    """A reply as bytes to send, in the order begin, piece…, finish or fail."""

    def begin(self) -> bytes:
        """What a client is told at admission."""

    def piece(self, piece: Piece) -> bytes:
        """A further run of the answer; empty bytes where it says nothing."""

    def finish(self, ending: Ending) -> bytes:
        """The end of a whole answer."""

    def fail(self, refused: Refused) -> bytes:
        """The end of a broken one, in the form that clients raise on."""


class _Stage(Enum):
    BEFORE = "before its begin"
    OPEN = "open"
    ENDED = "after its end"


class StreamOrder:
    """Keeps the order of a stream. Each step raises StreamOrderError where it does not belong."""

    def __init__(self) -> None:
        self._stage = _Stage.BEFORE

    def begins(self) -> None:
        """Once, before all else."""
        self._move(_Stage.BEFORE, _Stage.OPEN)

    def goes_on(self) -> None:
        """Between begin and end."""
        self._move(_Stage.OPEN, _Stage.OPEN)

    def ends(self) -> None:
        """Once, after the begin."""
        self._move(_Stage.OPEN, _Stage.ENDED)

    def _move(self, wanted: _Stage, after: _Stage) -> None:
        if self._stage is not wanted:
            raise StreamOrderError(f"the stream is {self._stage.value}, must be {wanted.value}")
        self._stage = after
