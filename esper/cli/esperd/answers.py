"""What ``esperd`` answers: lines for people or one JSON object, and how far long work has come."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="As a JSON object.")]

Told = Callable[[int, int], None]
"""Told after each block that was done: how many are, and how many there are."""
SECONDS_BETWEEN: Final = 0.2


def answer(as_json: bool, document: Mapping[str, Any], *lines: str) -> None:
    """The object, or the lines, on standard output."""
    for line in [json.dumps(document)] if as_json else lines:
        typer.echo(line)


@contextmanager
def progress(what: str) -> Iterator[Told]:
    """Shows on a terminal how far something is, how fast and how long it still takes.

    Standard error alone is written to, and nothing where it is no terminal.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield _silent
        return
    # Late: it takes a tenth of a second to import, and most commands show no progress.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("blocks, {task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None, speed="")

        def told(done: int, blocks: int) -> None:
            seconds = max(time.monotonic() - began, 1e-3)
            speed = f"{done / seconds:,.1f} a second"
            shown.update(task, completed=done, total=blocks or None, speed=speed)

        yield told


def _silent(done: int, blocks: int) -> None:
    """Nobody looks."""
