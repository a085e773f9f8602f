"""The wallet's commands and their names."""

from __future__ import annotations

import typer

from esper.cli import (
    wallet_call,
    wallet_care,
    wallet_chain,
    wallet_keys,
    wallet_looking,
    wallet_scanning,
    wallet_spending,
    wallet_submitting,
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
wallet_app.command("address")(wallet_care.address_command)
wallet_app.command("label")(wallet_care.label_command)
wallet_app.command("backup")(wallet_care.backup_command)
wallet_app.command("scan")(wallet_scanning.scan_command)
wallet_app.command("password")(wallet_care.password_command)


def add_wallet_commands(app: typer.Typer) -> None:
    """Put the wallet's commands beside those of ``app``."""
    app.add_typer(wallet_app, name="wallet")
    app.command("balance")(wallet_looking.balance_command)
    app.command("history")(wallet_looking.history_command)
    app.command("status")(wallet_chain.status_command)
    app.command("send")(wallet_spending.send_command)
    app.command("stake")(wallet_spending.stake_command)
    app.command("unstake")(wallet_spending.unstake_command)
    app.add_typer(wallet_spending.credits_app, name="credits")
    app.command("call")(wallet_call.call_command)
    app.command("tx")(wallet_chain.tx_command)
    app.command("block")(wallet_chain.block_command)
    app.command("models")(wallet_chain.models_command)
    app.command("cancel")(wallet_submitting.cancel_command)
    app.command("bump")(wallet_submitting.bump_command)
    app.add_typer(wallet_spending.build_app, name="build")
    app.command("sign")(wallet_submitting.sign_command)
    app.command("submit")(wallet_submitting.submit_command)
