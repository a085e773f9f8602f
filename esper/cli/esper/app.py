"""The command `esper`: the wallet, models, proofs and their verification.

Exit status: 0 done (or: the proof is valid), 1 refused (or: the proof is invalid), 2 misused.
"""

from __future__ import annotations

import resource

import typer

from esper.cli.esper import (
    balance,
    call,
    history,
    looking,
    model,
    prove,
    rpc,
    spending,
    submitting,
    wallet_keys,
    wallet_scan,
    wallet_upkeep,
)
from esper.cli.esper.spend.building import build_app

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

app = typer.Typer(
    name="esper",
    help="The wallet of Esperchain; exact integer inference of language models, and proofs of it.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    # Plain help: the other one shows <bool> behind options that take no value.
    rich_markup_mode=None,
)
app.add_typer(model.app, name="model")
app.command("prove")(prove.prove_command)
app.command("verify")(prove.verify_command)
app.add_typer(wallet_app, name="wallet")
app.command("balance")(balance.balance_command)
app.command("history")(history.history_command)
app.command("status")(looking.status_command)
app.command("send")(spending.send_command)
app.command("stake")(spending.stake_command)
app.command("unstake")(spending.unstake_command)
app.add_typer(spending.credits_app, name="credits")
app.command("call")(call.call_command)
app.command("tx")(looking.tx_command)
app.command("block")(looking.block_command)
app.command("models")(looking.models_command)
app.command("cancel")(submitting.cancel_command)
app.command("bump")(submitting.bump_command)
app.add_typer(build_app, name="build")
app.command("rpc")(rpc.rpc_command)
app.command("sign")(submitting.sign_command)
app.command("submit")(submitting.submit_command)


def main() -> None:
    """Run the command line; the entry point of the `esper` script."""
    # Keys and passwords are in this process's memory: a crash must not write them to a disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    app()


if __name__ == "__main__":
    main()
