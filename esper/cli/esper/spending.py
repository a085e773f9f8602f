"""`esper send, stake, unstake, credits`, and the same on paper: `esper build`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    Session,
    WalletName,
    Yes,
    session,
)
from esper.cli.esper.submitting import build_file, hand_in, own_address
from esper.cli.lazy_commands import OPTIONS
from esper.primitives.params import NetworkParameters
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from esper.wallet.amounts import parse_credits, parse_esp
from esper.wallet.intents import DEFAULT_WINDOW, prepared
from esper.wallet.labels import address_called, parsed_address

MakePayload = Callable[[NetworkParameters], Payload]

Receiver = Annotated[str, typer.Argument(help="Address of who gets it, or its label.")]
Esp = Annotated[str, typer.Argument(help="ESP, such as 1.5.")]
CreditAmount = Annotated[str, typer.Argument(help="Credits, such as 0.5.")]
From = Annotated[
    str | None, typer.Option("--from", help="Own address or label; the first without it.")
]
Expires = Annotated[int, typer.Option(min=1, help="Blocks until it lapses untaken.")]
Fee = Annotated[str | None, typer.Option(help="ESP; the least without it.")]
Out = Annotated[Path, typer.Option("--out", help="File to write, unsigned.")]

build_app = typer.Typer(
    help="Build a transaction for a wallet elsewhere to sign.", no_args_is_help=True, **OPTIONS
)
credits_app = typer.Typer(
    help="Credits, which pay for calls.", invoke_without_command=True, **OPTIONS
)


def send_command(
    address: Receiver,
    amount: Esp,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Send ESP to an address."""
    with session(datadir, wallet, as_json, yes) as s:
        _spend(s, sending(address_called(s.file, address), amount), sender, expires, fee)


def stake_command(
    amount: Esp,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Stake ESP, which then earns credits."""
    with session(datadir, wallet, as_json, yes) as s:
        _spend(s, lambda _: Stake(parse_esp(amount)), sender, expires, fee)


def unstake_command(
    amount: Esp,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Take ESP back from the stake; it can be spent after the unbonding time."""
    with session(datadir, wallet, as_json, yes) as s:
        _spend(s, lambda _: Unstake(parse_esp(amount)), sender, expires, fee)


@credits_app.callback()
def credits_command(
    context: typer.Context,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """What may be spent on calls now, and what the stake earns."""
    if context.invoked_subcommand is not None:
        return
    from esper.cli.esper.balance import show_credits

    with session(datadir, wallet, as_json) as s:
        show_credits(s)


@credits_app.command("send")
def credits_send_command(
    address: Receiver,
    amount: CreditAmount,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Give credits to an address, with the right to use them in this epoch."""
    with session(datadir, wallet, as_json, yes) as s:
        _spend(s, giving(address_called(s.file, address), amount), sender, expires, fee)


@build_app.command("send")
def build_send_command(
    address: Receiver,
    amount: Esp,
    out: Out,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Build a transfer of ESP."""
    with session(datadir, wallet, as_json) as s:
        _build(s, sending(address_called(s.file, address), amount), out, sender, expires, fee)


@build_app.command("stake")
def build_stake_command(
    amount: Esp,
    out: Out,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Build a stake."""
    with session(datadir, wallet, as_json) as s:
        _build(s, lambda _: Stake(parse_esp(amount)), out, sender, expires, fee)


@build_app.command("unstake")
def build_unstake_command(
    amount: Esp,
    out: Out,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Build an unstake."""
    with session(datadir, wallet, as_json) as s:
        _build(s, lambda _: Unstake(parse_esp(amount)), out, sender, expires, fee)


@build_app.command("credits")
def build_credits_command(
    address: Receiver,
    amount: CreditAmount,
    out: Out,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Build a gift of credits."""
    with session(datadir, wallet, as_json) as s:
        _build(s, giving(address_called(s.file, address), amount), out, sender, expires, fee)


def sending(address: str, amount: str) -> MakePayload:
    """A transfer of ``amount`` ESP; parsed once the network is known."""
    return lambda params: Transfer(
        (Output(parsed_address(address, params).to_bytes(), parse_esp(amount)),)
    )


def giving(address: str, amount: str) -> MakePayload:
    """A transfer of ``amount`` credits; parsed once the network is known."""
    return lambda params: CreditTransfer(
        parsed_address(address, params).to_bytes(), parse_credits(amount)
    )


def _spend(
    s: Session, payload: MakePayload, sender: str | None, window: int, fee: str | None
) -> None:
    made = payload(s.params)
    units = None if fee is None else parse_esp(fee)
    transaction = prepared(s.node, s.params, own_address(s, sender), made, window=window, fee=units)
    hand_in(s, transaction)


def _build(
    s: Session, payload: MakePayload, out: Path, sender: str | None, window: int, fee: str | None
) -> None:
    made = payload(s.params)
    units = None if fee is None else parse_esp(fee)
    transaction = prepared(s.node, s.params, own_address(s, sender), made, window=window, fee=units)
    build_file(s, transaction, out)
