"""The command ``esperd``: run a node, check a chain from its files, show that changes are refused.

Exit status: 0 done, 1 refused or damaged, 2 misused.
"""

from __future__ import annotations

import typer

from esper.cli.esperd import node_commands, offline, steering

app = typer.Typer(
    name="esperd",
    help="The Esperchain node: proof of work by proven inference.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    # Plain help: the other one shows <bool> behind options that take no value.
    rich_markup_mode=None,
)


app.command()(node_commands.init)
app.command()(node_commands.node)
app.command()(node_commands.mine)
app.command()(node_commands.config)
app.command()(steering.mining)
app.command()(steering.pause)
app.command()(steering.resume)
app.command()(steering.threads)
app.command()(steering.stop)
app.command("verify-chain")(offline.verify_chain)
app.command()(offline.reindex)
app.command("demo-tamper")(offline.demo_tamper)


def main() -> None:
    """Run the command line; the entry point of the ``esperd`` script."""
    app()


if __name__ == "__main__":
    main()
