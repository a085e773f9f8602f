"""`esper balance, credits`: what the wallet has, and how current that is."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    Session,
    WalletName,
    session,
)
from esper.rpc.schema import Release
from esper.wallet.amounts import credits_text, esp_text
from esper.wallet.holdings import available_of, holdings
from esper.wallet.moments import as_of_text


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
