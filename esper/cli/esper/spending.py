"""`esper send, stake, unstake, credits`: what moves coins and credits."""

from __future__ import annotations

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
from esper.cli.esper.spend.fee_options import Expires, Fee, From, MaxFee
from esper.cli.esper.spend.paying import own_address, pay, tell_submitted
from esper.cli.esper.spend.wish_words import MakeWish, giving, sending, staking, unstaking
from esper.cli.lazy_commands import OPTIONS
from esper.wallet.labels import address_called
from esper.wallet.making.fee_terms import DEFAULT_MAX_FEE, FeeTerms
from esper.wallet.making.intents import DEFAULT_WINDOW

Receiver = Annotated[str, typer.Argument(help="Address of who gets it, or its label.")]
Esp = Annotated[str, typer.Argument(help="ESP, such as 1.5, or all.")]
CreditAmount = Annotated[str, typer.Argument(help="Credits, such as 0.5, or all.")]

credits_app = typer.Typer(
    help="Credits, which pay for calls.", invoke_without_command=True, **OPTIONS
)


def send_command(
    address: Receiver,
    amount: Esp,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Send ESP to an address; all leaves nothing behind, the fee deducted."""
    with session(datadir, wallet, as_json, yes) as s:
        wish = sending(address_called(s.file, address), amount)
        _spend(s, wish, sender, expires, FeeTerms.parsed(fee, max_fee))


def stake_command(
    amount: Esp,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Stake ESP, which then earns credits."""
    with session(datadir, wallet, as_json, yes) as s:
        _spend(s, staking(amount), sender, expires, FeeTerms.parsed(fee, max_fee))


def unstake_command(
    amount: Esp,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Take ESP back from the stake; it can be spent after the unbonding time."""
    with session(datadir, wallet, as_json, yes) as s:
        _spend(s, unstaking(amount), sender, expires, FeeTerms.parsed(fee, max_fee))


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
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Give credits to an address, with the right to use them in this epoch."""
    with session(datadir, wallet, as_json, yes) as s:
        wish = giving(address_called(s.file, address), amount)
        _spend(s, wish, sender, expires, FeeTerms.parsed(fee, max_fee))


def _spend(s: Session, wish: MakeWish, sender: str | None, window: int, fees: FeeTerms) -> None:
    made = wish(s.params)
    tell_submitted(s, pay(s, own_address(s, sender), made, window, fees))
