"""`esper model fetch ID` and `esper model check ID`: a proposed package, as the node follows it.

Exit status: 0 it is whole and not refused, 1 it is refused or cannot come, 2 misused.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, Session, session
from esper.cli.esper.typed_ids import LEAST_DIGITS
from esper.rpc.methods import MODEL_PROGRESS
from esper.rpc.schema import ModelPackage, ModelPackages, NoParams

INTERVAL_S: Final = 1.0
NAME: Final = re.compile(r"[0-9]{1,10}|[0-9a-f]{8,128}")
"""The number of a proposal, or the beginning of its id, of its package's root or its model's id."""
ID_HELP: Final = (
    "Number of the proposal, or the beginning of its id, of its package's root or its model's id."
)
COMING: Final = frozenset({"waiting", "fetching", "checking"})

Shown = Callable[[ModelPackage], None]


def fetch_command(
    which: Annotated[str, typer.Argument(metavar="ID", help=ID_HELP)],
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Watch the node fetch and check a proposed model's package, until that is done."""
    with session(datadir, None, as_json) as s:
        with _shown() as show:
            found = _found(s, which)
            while found.state in COMING:
                show(found)
                time.sleep(INTERVAL_S)
                found = _found(s, which)
        if found.state == "absent":
            s.refuse("Absent", _why_absent(s, found))
        _answer(s, found)


def check_followed(which: str, datadir: Path, as_json: bool) -> None:
    """Tell the verdict of the node's checks; ``which`` is a NAME."""
    with session(datadir, None, as_json) as s:
        _answer(s, _found(s, which))


def _found(s: Session, which: str) -> ModelPackage:
    """The newest proposal that is named so."""
    if not NAME.fullmatch(which):
        s.refuse("Unknown", f"{which!r} is no id: give the {ID_HELP[0].lower()}{ID_HELP[1:]}")
    told: ModelPackages = s.any_node.call(MODEL_PROGRESS, NoParams())
    by_number = [one for one in told.packages if str(one.number) == which]
    found = by_number or [one for one in told.packages if _is_named(one, which)]
    if not found:
        s.refuse(
            "Unknown",
            f"the node follows no package {which}: it does from the opening of its proposal until "
            "no block can be mined with it",
        )
    return found[-1]


def _is_named(one: ModelPackage, which: str) -> bool:
    names = (one.proposal, one.root, one.model_id)
    return len(which) >= LEAST_DIGITS and any(name.startswith(which) for name in names)


def _why_absent(s: Session, found: ModelPackage) -> str:
    told: ModelPackages = s.any_node.call(MODEL_PROGRESS, NoParams())
    if not told.fetches:
        return "this node fetches no packages: start it with --keep-models, or let it mine"
    if found.until is not None:
        return f"it is needed no more, and forgotten at height {found.until}"
    return "it is fetched once its vote has closed and the node is synced"


def _answer(s: Session, found: ModelPackage) -> None:
    lines = [
        f"package   {found.root}",
        f"model     {found.model_id}, of proposal {found.number}",
        f"chunks    {found.done} of {found.total or '?'} are here",
        f"verdict   {verdict_words(found)}",
    ]
    lines += [f"          {one}" for one in found.words.split("; ") if one]
    lines += [f"trouble   {found.trouble}"] if found.trouble else []
    lines += [] if found.until is None else [f"stays     until height {found.until}"]
    s.answer(msgspec.to_builtins(found), *lines)
    if found.verdict == "refused":
        raise typer.Exit(1)


def verdict_words(found: ModelPackage) -> str:
    """What the node's checks say, in a phrase."""
    if found.verdict == "verified":
        return "it is what its proposal says"
    if found.verdict == "refused":
        return "refused: this node would not be ready for it"
    return {
        "checking": "it is being checked",
        "whole": "it is here, and not checked yet",
        "fetching": "none yet: it is being fetched",
        "waiting": "none yet: its fetching waits",
    }.get(found.state, "none: it is not here")


@contextmanager
def _shown() -> Iterator[Shown]:
    """A bar on standard error, where that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("chunks{task.fields[more]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("waiting", total=None, more="")

        def show(found: ModelPackage) -> None:
            speed = f", {found.bytes_per_second / (1 << 20):.1f} MiB/s" if found.peers else ""
            more = f"{speed}, {found.peers} peers" if found.state == "fetching" else ""
            more += f", {found.trouble}" if found.trouble else ""
            bar.update(
                task,
                description=found.state,
                completed=found.done,
                total=found.total or None,
                more=more,
            )

        yield show
