"""What commands about a package are told beside its folder: a tier, a ticket, further files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from esper.dao.registry import Puzzle

Ticket = Annotated[
    str | None,
    typer.Option(
        metavar="N,ROWS,INPUT,ANSWER",
        help="Sequences, rows, input tokens and answer tokens of a ticket. Without it what the "
        "network has, smaller where the model needs it.",
    ),
]
With = Annotated[
    list[str] | None, typer.Option("--with", help="A further file of the package; may be repeated.")
]


def puzzle_of(ticket: str | None) -> Puzzle | None:
    """The ticket as typed, None for none. Raises typer.BadParameter for another text."""
    from esper.dao.registry import Puzzle

    if ticket is None:
        return None
    parts = ticket.split(",")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
        raise typer.BadParameter(
            f"is {ticket!r}, must be four numbers such as 2,64,49,16", param_hint="--ticket"
        )
    numbers = [int(part[:6]) for part in parts]
    if max(numbers) > 0xFFFF:
        raise typer.BadParameter(f"is {ticket!r}, the numbers are too large", param_hint="--ticket")
    return Puzzle(*numbers)
