"""`esper model pack` and `esper model check`: a folder as a package, and what a node finds in it.

Exit status: 0 a node would take it, 1 it would not, with the findings, 2 misused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from esper.cli.esper.models.candidate_text import candidate_fields, candidate_lines
from esper.cli.esper.models.followed_package import NAME, check_followed
from esper.cli.esper.models.package_options import Ticket, With, puzzle_of
from esper.cli.esper.models.terms import Terms, terms_of
from esper.cli.esper.models.text_arguments import refuse, shown_path, utf8_text
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, printable, session
from esper.embedded import bank_file
from esper.primitives.networks import NETWORKS

if TYPE_CHECKING:
    from esper.cli.esper.models.candidate import Candidate
    from esper.model.package.body import BodyOptions
    from esper.model.package.package import Progress as Tell

_errors = Console(stderr=True)

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder with the files of the package.")
]
Network = Annotated[
    str | None,
    typer.Option(
        "--network",
        help=f"Whose rules count: {', '.join(NETWORKS)}. Without it those of the node, as votes "
        "have moved them, or mainnet's where there is none.",
    ),
]
Tier = Annotated[int, typer.Option(min=0, max=255, help="Tier that the model is for.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def pack_command(
    folder: Folder,
    bank: Annotated[
        str | None,
        typer.Option(
            callback=utf8_text,
            metavar="FILE",
            help="Write DIR/bank.json first, from the texts of this bank (`genesis`: the embedded "
            "one) that leave room for salt, in the model's own tokens.",
        ),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="DATADIR", help="Keep the package in a node's data directory, to be fetched."
        ),
    ] = None,
    more: With = None,
    network: Network = None,
    tier: Tier = 0,
    ticket: Ticket = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Show the package of a folder: root, files, chunks; refused is what nodes would refuse.

    Tiers and parameters are those in force, if a node answers, else those that the network began
    with; which ones is said.
    """
    from esper.cli.esper.models.candidate import bank_for, candidate_of
    from esper.model.errors import ModelError
    from esper.model.package.manifest import BANK_FILE
    from esper.model.package.own_files import write_whole
    from esper.model.package.store import ModelStore
    from esper.model.prompts import read_bank
    from esper.primitives.errors.dao_errors import PuzzleViolation

    options, terms = _options(tier, ticket), _terms(network, datadir, as_json)
    names, place = tuple(more or ()), None
    try:
        with _shown() as tell:
            if bank is not None:
                texts = read_bank(bank_file(bank)).texts
                write_whole(
                    folder / BANK_FILE, bank_for(folder, texts, terms.params, options, tell)
                )
            found = candidate_of(folder, terms.params, terms.tiers, options, names, tell)
            if into is not None and not found.report.refused:
                with ModelStore.opened(into) as store:
                    kept = store.take_in(folder, names, tell)
                    place = store.files_of(kept.root).parent
                    if found.body is not None:
                        store.verified_as(kept.root, found.body.entry.model_id)
    except (ModelError, OSError, PuzzleViolation) as error:
        refuse(error, as_json=as_json)
    _tell(folder, found, terms, files=True, as_json=as_json, place=place)


def check_command(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|ID",
            help="Folder with the files of the package; or a proposal's number, or the beginning "
            "of its id, of a package's root or a model's id, to ask the node.",
        ),
    ],
    more: With = None,
    network: Network = None,
    tier: Tier = 0,
    ticket: Ticket = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Check a folder, or a package in a data directory, as a node does before it is ready.

    Tiers and parameters are those in force, if a node answers, else those that the network began
    with; which ones is said. With an ID: what the node's own checks said of the package of that
    proposal.
    """
    if NAME.fullmatch(str(folder)) and not folder.exists():
        check_followed(str(folder), datadir, as_json)
        return
    from esper.cli.esper.models.candidate import candidate_of
    from esper.model.errors import ModelError
    from esper.model.package.kept_folder import kept_folder

    options, terms = _options(tier, ticket), _terms(network, datadir, as_json)
    try:
        kept = kept_folder(folder)
        files, names = (folder, tuple(more or ())) if kept is None else (kept.files, kept.names)
        with _shown() as tell:
            found = candidate_of(files, terms.params, terms.tiers, options, names, tell)
        if kept is not None and found.package.root != kept.root:
            reason = f"are not those of package {kept.root.hex()[:16]}…: fetch it again"
            found.report.refuse("files", reason)
    except (ModelError, OSError) as error:
        refuse(error, as_json=as_json)
    _tell(folder, found, terms, files=False, as_json=as_json)


def _terms(network: str | None, datadir: Path, as_json: bool) -> Terms:
    if network is not None and network not in NETWORKS:
        known = f"is {network}, must be one of {', '.join(NETWORKS)}"
        raise typer.BadParameter(known, param_hint="--network")
    with session(datadir, None, as_json) as s:
        return terms_of(s, network)


def _options(tier: int, ticket: str | None) -> BodyOptions:
    from esper.model.package.body import BodyOptions

    return BodyOptions(tier=tier, puzzle=puzzle_of(ticket))


def _tell(
    folder: Path,
    found: Candidate,
    terms: Terms,
    *,
    files: bool,
    as_json: bool,
    place: Path | None = None,
) -> None:
    fields = candidate_fields(folder, found, terms)
    if place is not None:
        fields["kept"] = shown_path(place)
    if as_json:
        typer.echo(json.dumps(fields))
    else:
        for line in candidate_lines(fields, files=files):
            typer.echo(line)
        if place is not None:
            new = "" if (place.parent.parent / "chain.json").exists() else ", where no node ran yet"
            typer.echo(printable(f"kept     {place}{new}"))
    if found.report.refused:
        _refused(as_json)


def _refused(as_json: bool) -> NoReturn:
    if not as_json:
        _errors.print("refused: no node would be ready for it", style="red", markup=False)
    raise typer.Exit(1)


@contextmanager
def _shown() -> Iterator[Tell]:
    """A bar on standard error, where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=_errors, transient=True, disable=not _errors.is_terminal
    ) as bar:
        task = bar.add_task("reading the files", total=None)

        def show(step: str, done: int, total: int) -> None:
            bar.update(task, description=step, completed=done, total=total)

        yield show
