"""`esper history`: what waits and what happened, of one address or all of a wallet."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any, Final

import msgspec
import typer

from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, Session, WalletName, session
from esper.cli.esper.shown_text import in_a_line
from esper.rpc.methods import GET_HISTORY, GET_PENDING
from esper.rpc.schema import AccountParams, AsOf, Event, HistoryParams, Pending, PendingEvent
from esper.wallet.amounts import counted, credits_text, esp_text
from esper.wallet.describing import labels_of
from esper.wallet.errors import MisuseError, WalletError
from esper.wallet.labels import address_called, address_of_any_network
from esper.wallet.moments import time_text
from esper.wallet.node_port import Node

SHOWN_PROMPT: Final = 60
"""Characters of a prompt in a line of history."""
CREDIT_EVENTS: Final = frozenset({"credits-sent", "credits-received", "called", "answered"})
KINDS: Final = {
    "transfer": ("sent", "received"),
    "stake": ("staked",),
    "unstake": ("unstaked",),
    "credit-transfer": ("credits-sent", "credits-received"),
    "call": ("called", "answered"),
    "dao": (
        *("proposed", "claimed", "voted", "delegated", "proved", "bond-returned", "bond-burned"),
        *("penalty-taken", "penalty-paid"),
    ),
}
"""Events of the kinds of transactions; an event may be named itself as well."""
EVENTS: Final = (*(event for events in KINDS.values() for event in events), "mined", "other")
DEFAULT_LIMIT: Final = 50
PAGE: Final = 200
"""Events that a node gives at once at most."""
LOOKED_THROUGH: Final = 10_000
"""Events that one command reads at most, for one kind that is rare, or from a node without end."""


def history_command(
    address: Annotated[
        str | None,
        typer.Argument(help="Any address, or its label; all of the wallet's without it."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help=f"Only these: {', '.join(KINDS)}, mined; may be repeated."),
    ] = None,
    pending: Annotated[bool, typer.Option("--pending", help="Only what waits.")] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=1000, help="Events at most, and as many that wait.")
    ] = DEFAULT_LIMIT,
    before: Annotated[str | None, typer.Option(help="Cursor of the page before.")] = None,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """What waits, and what happened, newest first."""
    with session(datadir, wallet, as_json) as s:
        wanted = _events_of(kind)
        other = None if address is None else _address(s, address)
        names = _names(s, needed=other is None)
        asked = [own.address for own in s.file.addresses] if other is None else [other]
        node = s.any_node if address else s.node
        waiting = {} if before else _waiting(node, asked)
        if not pending:
            page = _page(node, asked, wanted, limit, before)
        else:
            page = _Page([], None, {text: one.as_of for text, one in waiting.items()})
        coming = {
            text: [event for event in one.events if wanted is None or event.what in wanted]
            for text, one in waiting.items()
        }
        lines = [_pending_line(event, names) for events in coming.values() for event in events]
        if len(lines) > limit:
            rest = counted(len(lines) - limit, "event")
            lines[limit:] = [f"{rest} more of what waits: --pending with a larger --limit"]
        lines += [_event_line(event, names) for _, event in page.events]
        nothing = "nothing waits" if pending else "nothing happened yet"
        if wanted is not None or before:
            nothing = "nothing of that kind" if wanted is not None else "nothing before that"
        lines = lines or [nothing]
        if page.cursor is not None:
            lines.append(f"more: {_following(s, address, kind, limit, page.cursor)}")
        s.answer(_document(asked, coming, page), *lines)


@dataclass(frozen=True, slots=True)
class _Page:
    """Events of several addresses together."""

    events: list[tuple[str, Event]]
    """With their addresses, newest first."""
    cursor: str | None
    """Where the next page begins, None on the last."""
    as_of: dict[str, AsOf]
    """By address."""


@dataclass(slots=True)
class _Stream:
    """Events of one address, page after page."""

    node: Node
    address: str
    before: str | None
    size: int
    as_of: AsOf | None = field(default=None)

    def __iter__(self) -> Iterator[tuple[str, Event]]:
        before = self.before
        while True:
            asked = HistoryParams(self.address, limit=self.size, before=before)
            reply = self.node.call(GET_HISTORY, asked)
            self.as_of = self.as_of or reply.as_of
            for event in reply.events:
                yield self.address, event
            # A node without an end of pages that hold nothing would be asked for ever.
            if not reply.events or not reply.cursor or reply.cursor == before:
                return
            before = reply.cursor


def _page(
    node: Node, asked: Sequence[str], wanted: frozenset[str] | None, limit: int, before: str | None
) -> _Page:
    size = PAGE if wanted is not None else min(limit + 1, PAGE)
    streams = [_Stream(node, address, before, size) for address in asked]
    # Cursors of all addresses sort alike, by height and place in the block.
    merged = heapq.merge(*streams, key=lambda one: one[1].cursor, reverse=True)
    found: list[tuple[str, Event]] = []
    cursor: str | None = None
    for number, (address, event) in enumerate(islice(merged, LOOKED_THROUGH + 1)):
        if len(found) == limit or number == LOOKED_THROUGH:
            break
        cursor = event.cursor
        if wanted is None or event.what in wanted:
            found.append((address, event))
    else:
        cursor = None
    as_of = {one.address: one.as_of for one in streams if one.as_of is not None}
    return _Page(found, cursor, as_of)


def _waiting(node: Node, asked: Sequence[str]) -> dict[str, Pending]:
    return {text: node.call(GET_PENDING, AccountParams(text)) for text in asked}


def _events_of(kinds: Sequence[str] | None) -> frozenset[str] | None:
    """Names of events, None for all. Raises MisuseError."""
    if not kinds:
        return None
    names: set[str] = set()
    for kind in kinds:
        if kind not in KINDS and kind not in EVENTS:
            raise MisuseError(
                f"--kind {kind[:40]!r}: must be one of {', '.join(KINDS)}, or one of the events "
                f"{', '.join(EVENTS)}"
            )
        names.update(KINDS.get(kind, (kind,)))
    return frozenset(names)


def _document(
    asked: Sequence[str], waiting: dict[str, list[PendingEvent]], page: _Page
) -> dict[str, Any]:
    history = {
        text: {
            "events": [msgspec.to_builtins(event) for owner, event in page.events if owner == text],
            "cursor": page.cursor,
            "as_of": msgspec.to_builtins(page.as_of.get(text)),
        }
        for text in asked
    }
    return {
        "pending": {text: msgspec.to_builtins(events) for text, events in waiting.items()},
        "history": history,
        "cursor": page.cursor,
    }


def _following(
    s: Session, address: str | None, kinds: Sequence[str] | None, limit: int, cursor: str
) -> str:
    """The command that shows the next page."""
    words = ["history", *([address] if address else [])]
    for kind in kinds or ():
        words += ["--kind", kind]
    if limit != DEFAULT_LIMIT:
        words += ["--limit", str(limit)]
    return s.command(*words, "--before", cursor, wallet=address is None)


def _amount(what: str, amount: str, fee: str) -> str:
    text = credits_text if what in CREDIT_EVENTS else esp_text
    return text(amount) + (f", fee {esp_text(fee)}" if int(fee) else "")


def _event_line(event: Event, names: dict[str, str]) -> str:
    asked = f"  asked {in_a_line(event.prompt, SHOWN_PROMPT)!r}" if event.prompt else ""
    return (
        f"{event.height:>7}  {time_text(event.time_ms)}  {event.what:16} "
        f"{_amount(event.what, event.amount, event.fee)}{_named(event.other, names)}{asked}  "
        f"{event.txid[:16]}"
    ).rstrip()


def _pending_line(event: PendingEvent, names: dict[str, str]) -> str:
    return (
        f"{'waits':>7}  {f'until block {event.expiry}':19}  {event.what:16} "
        f"{_amount(event.what, event.amount, event.fee)}{_named(event.other, names)}  "
        f"{event.txid[:16]}"
    ).rstrip()


def _named(address: str, names: dict[str, str]) -> str:
    name = f" ({names[address]})" if address in names else ""
    return f"  {address}{name}" if address else ""


def _address(s: Session, text: str) -> str:
    """An address of whatever network, for which no wallet is needed, or the one of a label."""
    return address_of_any_network(text) or address_called(s.file, text)


def _names(s: Session, *, needed: bool) -> dict[str, str]:
    """Labels by address; none where no wallet is needed and none can be read."""
    try:
        return labels_of(s.file)
    except (WalletError, OSError):
        if needed:
            raise
        return {}
