"""What subscribers ask for, read from their bytes. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from esper.events.log import TOPICS

MOST_NAMES: Final = 32
"""Topics in one request."""
_BOOT: Final = "[0-9a-f]{1,32}"
_EVENT_ID: Final = re.compile(rf"({_BOOT})-([0-9]{{1,19}})")
_TOPICS: Final = ", ".join(TOPICS)


class SubscribeError(ValueError):
    """A request that has no meaning; the message says what to ask, and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a subscriber wants."""

    topics: frozenset[str]
    """At least one."""
    boot: str | None = None
    """Of the run that ``start`` counts in; None: none of before."""
    start: int | None = None
    """Number of the first event that is wanted; None: the next that happens."""


class _Subscribe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``{subscribe: [topics], boot, from}``."""

    subscribe: Annotated[list[str], Meta(max_length=MOST_NAMES)]
    boot: Annotated[str, Meta(pattern=rf"^{_BOOT}$(?!\n)")] | None = None
    start: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] | None = msgspec.field(
        name="from", default=None
    )


def read_subscribe(text: str) -> Wanted:
    """A message of a websocket. Raises SubscribeError."""
    try:
        asked = msgspec.json.decode(text.encode(), type=_Subscribe)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise SubscribeError(
            'send {"subscribe": [topics]}, or {"subscribe": [topics], "boot": boot, "from": seq} '
            "to begin with what happened before"
        ) from None
    if (asked.boot is None) != (asked.start is None):
        raise SubscribeError("boot and from go together: a number means nothing in another run")
    return Wanted(_topics(asked.subscribe), asked.boot, asked.start)


def read_query(query: Iterable[tuple[str, str]], last_event_id: str | None) -> Wanted:
    """A request for a stream: its query, and the header Last-Event-ID. Raises SubscribeError."""
    given: dict[str, str] = {}
    for name, value in query:
        if name != "topics" or name in given:
            raise SubscribeError("the query is topics=NAME,NAME and nothing else")
        given[name] = value
    names = given["topics"].split(",", MOST_NAMES) if "topics" in given else list(TOPICS)
    topics = _topics(names)
    if not last_event_id:
        return Wanted(topics)
    found = _EVENT_ID.fullmatch(last_event_id)
    if found is None:
        raise SubscribeError("Last-Event-ID is BOOT-SEQ, as the last event had it")
    return Wanted(topics, found[1], int(found[2]) + 1)


def event_id(boot: str, seq: int) -> str:
    """The id of an event in a stream."""
    return f"{boot}-{seq}"


def _topics(names: Iterable[str]) -> frozenset[str]:
    found = frozenset(names)
    if not found or not found <= _KNOWN:
        raise SubscribeError(f"topics are {_TOPICS}")
    return found


_KNOWN: Final[frozenset[str]] = frozenset(TOPICS)
