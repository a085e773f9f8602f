"""The wallet's commands and their names."""

from __future__ import annotations

import typer

from esper.cli.esper import (
    balance,
    call,
    chain,
    spending,
    submitting,
    wallet_keys,
    wallet_scan,
    wallet_upkeep,
)

wallet_app = typer.Typer(
    help="Make wallets and look after them.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
wallet_app.command("new")(wallet_keys.new_command)
wallet_app.command("restore")(wallet_keys.restore_command)
wallet_app.command("list")(wallet_keys.list_command)
wallet_app.command("import")(wallet_keys.import_command)
wallet_app.command("watch")(wallet_keys.watch_command)
wallet_app.command("address")(wallet_upkeep.address_command)
wallet_app.command("label")(wallet_upkeep.label_command)
wallet_app.command("backup")(wallet_upkeep.backup_command)
wallet_app.command("scan")(wallet_scan.scan_command)
wallet_app.command("password")(wallet_upkeep.password_command)


def add_wallet_commands(app: typer.Typer) -> None:
    """Put the wallet's commands beside those of ``app``."""
    app.add_typer(wallet_app, name="wallet")
    app.command("balance")(balance.balance_command)
    app.command("history")(balance.history_command)
    app.command("status")(chain.status_command)
    app.command("send")(spending.send_command)
    app.command("stake")(spending.stake_command)
    app.command("unstake")(spending.unstake_command)
    app.add_typer(spending.credits_app, name="credits")
    app.command("call")(call.call_command)
    app.command("tx")(chain.tx_command)
    app.command("block")(chain.block_command)
    app.command("models")(chain.models_command)
    app.command("cancel")(submitting.cancel_command)
    app.command("bump")(submitting.bump_command)
    app.add_typer(spending.build_app, name="build")
    app.command("sign")(submitting.sign_command)
    app.command("submit")(submitting.submit_command)
