"""The two programs with all their commands, as they are parsed."""

from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from esper.cli.esper.app import application as wallet_app
from esper.cli.esperd.app import application as node_app


def command_line(program: str) -> Any:
    """Of `esper` or `esperd`."""
    return typer.main.get_command({"esper": wallet_app, "esperd": node_app}[program]())


def check_command(words: list[str]) -> None:
    """Parse a command line of ours as the program would, without running it.

    Raises AssertionError for a command that does not exist, typer's errors for its arguments.
    """
    program, *rest = words
    command = command_line(Path(program).name)
    assert isinstance(command, TyperGroup)
    while isinstance(command, TyperGroup):
        assert rest, f"{' '.join(words)}: a command is missing"
        name, *rest = rest
        found = command.commands.get(name)
        assert found is not None, f"{' '.join(words)}: there is no command {name}"
        command = found
    command.make_context(program, rest)
