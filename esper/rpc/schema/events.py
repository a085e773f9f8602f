"""What happened in a node, by number."""

from typing import Annotated, Any, Final

from msgspec import Meta

from esper.rpc.schema.common import Reply, Request

MAX_EVENTS: Final = 1_000
"""In one answer."""


class EventsParams(Request, frozen=True):
    """Events behind a number, the oldest first."""

    after: Annotated[int, Meta(ge=0, le=(1 << 53) - 1)] = 0
    """Number of the last one that is known; 0: all that are kept."""
    n: Annotated[int, Meta(ge=1, le=MAX_EVENTS)] = 100
    """How many at most."""


class Happened(Reply, frozen=True):
    """An event, as sockets and streams tell it."""

    seq: int
    """From 1, since the node's start."""
    topic: str
    """block, undone, tx_in, tx_out, call or result."""
    data: dict[str, Any]
    """What happened: see events.md."""


class EventsReply(Reply, frozen=True):
    """Some of the log."""

    boot: str
    """Which run of the node the numbers are of: another one begins again with 1."""
    oldest: int
    """Number of the oldest event that is kept; if `after` is less than the one before it, some are
    missing."""
    next: int
    """Number that the next event gets."""
    events: list[Happened]
