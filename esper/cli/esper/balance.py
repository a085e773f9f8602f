"""`esper balance, history, credits`: what the wallet has, and how current that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import typer

from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    Session,
    WalletName,
    session,
)
from esper.cli.esper.shown_text import in_a_line
from esper.rpc.methods import GET_HISTORY
from esper.rpc.schema import Event, HistoryParams, Release
from esper.wallet.amounts import credits_text, esp_text
from esper.wallet.describing import labels_of
from esper.wallet.errors import WalletError
from esper.wallet.holdings import available_of, holdings
from esper.wallet.labels import address_called, address_of_any_network
from esper.wallet.moments import as_of_text, time_text

SHOWN_PROMPT: Final = 60
"""Characters of a prompt in a line of history."""
CREDIT_EVENTS: Final = frozenset({"credits-sent", "credits-received", "called", "answered"})


def balance_command(
    wallet: WalletName = None, datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False
) -> None:
    """What the wallet holds. Needs no password."""
    with session(datadir, wallet, as_json) as s:
        found = holdings(s.node, s.file)
        labels = [own.label for own in s.file.addresses]
        as_of = as_of_text(found.as_of, s.status)
        lines = [as_of, f"available  {esp_text(found.available)}"]
        if found.pending_out:
            lines.append(f"going out  {esp_text(found.pending_out)}, fees included")
        if found.pending_in:
            lines.append(f"coming in  {esp_text(found.pending_in)}")
        lines += _releases("immature ", found.immature)
        if found.stake:
            lines.append(f"staked     {esp_text(found.stake)}")
        lines += _releases("unbonding", found.unbonding)
        if found.credits:
            lines.append(f"credits    {credits_text(found.credits)}")
        if len(found.accounts) > 1:
            lines += [
                f"{account.address}  {esp_text(available_of(account))}  {label}".rstrip()
                for account, label in zip(found.accounts, labels, strict=True)
            ]
        document = {
            "wallet": s.name,
            "as_of": msgspec.to_builtins(found.as_of),
            "why_not_synced": s.status.why_not_synced,
            "available": str(found.available),
            "pending_out": str(found.pending_out),
            "pending_in": str(found.pending_in),
            "immature": msgspec.to_builtins(found.immature),
            "stake": str(found.stake),
            "unbonding": msgspec.to_builtins(found.unbonding),
            "credits": str(found.credits),
            "accounts": [
                msgspec.to_builtins(account) | {"label": label}
                for account, label in zip(found.accounts, labels, strict=True)
            ],
        }
        s.answer(document, *lines)


def show_credits(s: Session) -> None:
    """Credits, address by address."""
    found = holdings(s.node, s.file)
    lines = [as_of_text(found.as_of, s.status)]
    labels = [own.label for own in s.file.addresses]
    for account, label in zip(found.accounts, labels, strict=True):
        held = account.credits
        lines.append(f"{account.address}  {label}".rstrip())
        lines.append(f"  usable now    {credits_text(held.spendable)}")
        lines.append(f"  held          {credits_text(held.available)}")
        if int(held.lapsing):
            lines.append(
                f"  lapsing       {credits_text(held.lapsing)} at height {held.lapse_height}"
            )
        lines.append(
            f"  this epoch    {credits_text(held.used)} used of {credits_text(held.rate_limit)}"
        )
        lines.append(f"  stake earns   {credits_text(held.per_block)} a block")
    accounts = [
        {"address": account.address, "credits": msgspec.to_builtins(account.credits)}
        for account in found.accounts
    ]
    s.answer({"as_of": msgspec.to_builtins(found.as_of), "accounts": accounts}, *lines)


def history_command(
    address: Annotated[
        str | None,
        typer.Argument(help="Any address, or its label; all of the wallet's without it."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Events an address.")] = 50,
    before: Annotated[
        str | None, typer.Option(help="Cursor of the page before, with an address.")
    ] = None,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """What happened, newest first."""
    with session(datadir, wallet, as_json) as s:
        other = None if address is None else _address(s, address)
        names = _names(s, needed=other is None)
        asked = [own.address for own in s.file.addresses] if other is None else [other]
        node = s.any_node if address else s.node
        pages = {
            text: node.call(GET_HISTORY, HistoryParams(text, limit=limit, before=before))
            for text in asked
        }
        events = [event for page in pages.values() for event in page.events]
        events.sort(key=lambda event: -event.height)
        lines = [_event_line(event, names) for event in events]
        lines += [
            f"more of {text}: --before {page.cursor}" for text, page in pages.items() if page.cursor
        ]
        document = {text: msgspec.to_builtins(page) for text, page in pages.items()}
        s.answer({"history": document}, *(lines or ["nothing happened yet"]))


def _releases(name: str, found: Sequence[Release]) -> list[str]:
    """One line however many there are: a miner has one for each of its last blocks."""
    if not found:
        return []
    total = sum(int(one.amount) for one in found)
    first, last = found[0], found[-1]
    if len(found) == 1:
        return [f"{name}  {esp_text(total)} until height {first.height}"]
    return [
        f"{name}  {esp_text(total)}: {esp_text(first.amount)} until height {first.height}, "
        f"the last until {last.height}"
    ]


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


def _event_line(event: Event, names: dict[str, str]) -> str:
    text = credits_text if event.what in CREDIT_EVENTS else esp_text
    fee = f", fee {esp_text(event.fee)}" if int(event.fee) else ""
    name = f" ({names[event.other]})" if event.other in names else ""
    other = f"  {event.other}{name}" if event.other else ""
    asked = f"  asked {in_a_line(event.prompt, SHOWN_PROMPT)!r}" if event.prompt else ""
    return (
        f"{event.height:>7}  {time_text(event.time_ms)}  {event.what:16} "
        f"{text(event.amount)}{fee}{other}{asked}  {event.txid[:16]}"
    ).rstrip()
