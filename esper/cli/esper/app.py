"""The command `esper`: the wallet, models, proofs and their verification.

Exit status: 0 done (or: the proof is valid), 1 refused (or: the proof is invalid), 2 misused.
"""

from __future__ import annotations

import resource

import typer

from esper.cli.esper import model, prove
from esper.cli.esper.wallet_commands import add_wallet_commands

app = typer.Typer(
    name="esper",
    help="The wallet of Esperchain; exact integer inference of language models, and proofs of it.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.add_typer(model.app, name="model")
app.command("prove")(prove.prove_command)
app.command("verify")(prove.verify_command)
add_wallet_commands(app)


def main() -> None:
    """Run the command line; the entry point of the `esper` script."""
    # Keys and passwords are in this process's memory: a crash must not write them to a disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    app()


if __name__ == "__main__":
    main()
