"""`esper model pack` and `esper model check`: a folder as a package, and what a node finds in it.

Exit status: 0 a node would take it, 1 it would not, with the findings, 2 misused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from esper.cli.esper.models.followed_package import NAME, check_followed
from esper.cli.esper.models.text_arguments import refuse, shown_path, utf8_text
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir
from esper.embedded import bank_file
from esper.primitives.networks import NETWORKS

if TYPE_CHECKING:
    from esper.cli.esper.models.candidate import Candidate
    from esper.dao.registry import Puzzle
    from esper.model.package.body import BodyOptions
    from esper.model.package.package import Progress as Tell
    from esper.primitives.params import NetworkParameters

_errors = Console(stderr=True)
_DEFAULT_NETWORK: Final = "mainnet"

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder with the files of the package.")
]
Network = Annotated[
    str, typer.Option("--network", help=f"Whose rules count: {', '.join(NETWORKS)}.")
]
Tier = Annotated[int, typer.Option(min=0, max=255, help="Tier that the model is for.")]
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
    network: Network = _DEFAULT_NETWORK,
    tier: Tier = 0,
    ticket: Ticket = None,
    as_json: Json = False,
) -> None:
    """Show the package of a folder: root, files, chunks; refused is what nodes would refuse.

    Tiers and parameters are those that the network began with; `esper dao propose --dry-run` judges
    by those in force.
    """
    from esper.cli.esper.models.candidate import bank_for, candidate_of
    from esper.consensus.registry import genesis_registry
    from esper.model.errors import ModelError
    from esper.model.package.manifest import BANK_FILE
    from esper.model.package.own_files import write_whole
    from esper.model.package.store import ModelStore
    from esper.model.prompts import read_bank
    from esper.primitives.errors.dao_errors import PuzzleViolation

    params, options = _options(network, tier, ticket)
    names = tuple(more or ())
    try:
        with _shown() as tell:
            if bank is not None:
                texts = read_bank(bank_file(bank)).texts
                write_whole(folder / BANK_FILE, bank_for(folder, texts, params, options, tell))
            found = candidate_of(folder, params, genesis_registry(params), options, names, tell)
            if into is not None and not found.report.refused:
                with ModelStore.opened(into) as store:
                    kept = store.take_in(folder, names, tell)
                    if found.body is not None:
                        store.verified_as(kept.root, found.body.entry.model_id)
    except (ModelError, OSError, PuzzleViolation) as error:
        refuse(error, as_json=as_json)
    _tell(folder, found, files=True, as_json=as_json)


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
    network: Network = _DEFAULT_NETWORK,
    tier: Tier = 0,
    ticket: Ticket = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Check a folder, or a package in a data directory, as a node does before it is ready.

    Tiers and parameters are those that the network began with; `esper dao propose --dry-run` judges
    by those in force. With an ID: what the node's own checks said of the package of that proposal.
    """
    if NAME.fullmatch(str(folder)) and not folder.exists():
        check_followed(str(folder), datadir, as_json)
        return
    from esper.cli.esper.models.candidate import candidate_of
    from esper.consensus.registry import genesis_registry
    from esper.model.errors import ModelError
    from esper.model.package.kept_folder import kept_folder

    params, options = _options(network, tier, ticket)
    try:
        kept = kept_folder(folder)
        files, names = (folder, tuple(more or ())) if kept is None else (kept.files, kept.names)
        with _shown() as tell:
            found = candidate_of(files, params, genesis_registry(params), options, names, tell)
        if kept is not None and found.package.root != kept.root:
            reason = f"are not those of package {kept.root.hex()[:16]}…: fetch it again"
            found.report.refuse("files", reason)
    except (ModelError, OSError) as error:
        refuse(error, as_json=as_json)
    _tell(folder, found, files=False, as_json=as_json)


def _options(
    network_name: str, tier: int, ticket: str | None
) -> tuple[NetworkParameters, BodyOptions]:
    from esper.model.package.body import BodyOptions

    if network_name not in NETWORKS:
        known = f"is {network_name}, must be one of {', '.join(NETWORKS)}"
        raise typer.BadParameter(known, param_hint="--network")
    puzzle = None if ticket is None else _puzzle(ticket)
    return NETWORKS[network_name], BodyOptions(tier=tier, puzzle=puzzle)


def _puzzle(text: str) -> Puzzle:
    from esper.dao.registry import Puzzle

    parts = text.split(",")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
        raise typer.BadParameter(
            f"is {text!r}, must be four numbers such as 2,64,49,16", param_hint="--ticket"
        )
    numbers = [int(part[:6]) for part in parts]
    if max(numbers) > 0xFFFF:
        raise typer.BadParameter(f"is {text!r}, the numbers are too large", param_hint="--ticket")
    return Puzzle(*numbers)


def _tell(folder: Path, found: Candidate, *, files: bool, as_json: bool) -> None:
    fields = _described(folder, found)
    if as_json:
        typer.echo(json.dumps(fields))
    else:
        _print(fields, files=files)
    if found.report.refused:
        _refused(as_json)


def _refused(as_json: bool) -> NoReturn:
    if not as_json:
        _errors.print("refused: no node would be ready for it", style="red", markup=False)
    raise typer.Exit(1)


def _described(folder: Path, found: Candidate) -> dict[str, Any]:
    manifest, body = found.package.manifest, found.body
    fields: dict[str, Any] = {
        "folder": shown_path(folder),
        "package": found.package.root.hex(),
        "size": manifest.size,
        "chunks": manifest.chunks,
        "files": [
            {"name": one.text, "size": one.size, "chunks": one.chunks} for one in manifest.files
        ],
        "refused": found.report.refused,
        "findings": [asdict(one) for one in found.report.findings],
    }
    if body is not None:
        fields |= {
            "model_id": body.entry.model_id.hex(),
            "tokenizer_id": body.entry.tokenizer_id.hex(),
            "bank": {
                "prompts": body.entry.bank_size,
                "root": body.entry.bank_root.hex(),
                "text": body.bank_text.hex(),
            },
            "omega": body.omega,
            "ticket": asdict(body.puzzle),
        }
    return fields


def _print(fields: dict[str, Any], *, files: bool) -> None:
    typer.echo(f"package    {fields['package']}")
    typer.echo(f"size       {fields['size']:,} bytes, {fields['chunks']} chunks")
    if files:
        for one in fields["files"]:
            typer.echo(f"  {one['name']:<24} {one['size']:>14,} bytes")
    if "model_id" in fields:
        ticket = fields["ticket"]
        typer.echo(f"model id   {fields['model_id']}")
        typer.echo(f"bank       {fields['bank']['prompts']:,} prompts, {fields['bank']['root']}")
        typer.echo(
            f"ticket     {ticket['sequences']} sequences of {ticket['rows']} rows, "
            f"{ticket['input_tokens']} tokens in, {ticket['max_answer']} out"
        )
    for one in fields["findings"]:
        typer.echo(f"{one['weight']:<8} {one['subject']}: {one['words']}")


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
