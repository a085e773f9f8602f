"""Commands that are imported when they are called: a program's table of names, places and help.

A command line that names a command loads that one alone; the others are names with a line of help,
which is all that a list of commands shows. Tests load all and compare the lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import typer

Loaded = Callable[..., None] | typer.Typer
OPTIONS: Final[dict[str, Any]] = {
    # Plain lines: no frames that a terminal's encoding may not have, and nothing to import.
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}
"""What every program and group of commands is made with."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or a module's own group of commands."""

    name: str
    """As it is typed."""
    place: str
    """``module:name`` of its function, or of the group's ``typer.Typer``, below a package."""
    about: str
    """The first line of its help."""
    is_group: bool = False
    """Whether further commands follow its name."""

    def load(self, package: str) -> Loaded:
        """What is at its place."""
        module, _, name = self.place.partition(":")
        loaded: Loaded = getattr(import_module(f"{package}.{module}"), name)
        return loaded


@dataclass(frozen=True, slots=True)
class Group:
    """Commands below a name, each at a place of its own."""

    name: str
    """As it is typed."""
    about: str
    """Its help."""
    commands: tuple[Command | Group, ...]
    """In the order of the help."""


Table = Sequence[Command | Group]


def assembled(
    name: str, about: str, table: Table, package: str, typed: Sequence[str] | None
) -> typer.Typer:
    """A program of these commands: loaded is the one that was ``typed``, all of them for None."""
    app = typer.Typer(name=name, help=about, no_args_is_help=True, **OPTIONS)
    named, rest = _first_word(typed)
    for row in table:
        wanted = typed is None or row.name == named
        if isinstance(row, Group):
            below = None if typed is None else rest if wanted else []
            made = assembled(row.name, row.about, row.commands, package, below)
            app.add_typer(made, short_help=row.about)
        elif row.is_group:
            found = row.load(package) if wanted else typer.Typer(help=row.about, **OPTIONS)
            assert isinstance(found, typer.Typer)
            app.add_typer(found, name=row.name, short_help=row.about)
        else:
            function = row.load(package) if wanted else _unloaded
            assert not isinstance(function, typer.Typer)
            app.command(row.name, short_help=row.about)(function)
    return app


def _first_word(typed: Sequence[str] | None) -> tuple[str | None, Sequence[str]]:
    """The first argument that is no option, and what follows. No option here takes a value."""
    for place, word in enumerate(typed or ()):
        if not word.startswith("-"):
            return word, (typed or ())[place + 1 :]
    return None, ()


def _unloaded() -> None:
    """Stands for a command in a list."""
