"""The two programs as click knows them, with all their commands."""

import click
import typer

from esper.cli.esper.app import app as wallet_app
from esper.cli.esperd.app import app as node_app


def command_line(program: str) -> click.Command:
    """Of `esper` or `esperd`."""
    return typer.main.get_command({"esper": wallet_app, "esperd": node_app}[program])
