"""`esper model import`: a checkpoint as it was published becomes a plain Hugging Face folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from esper.cli.esper.models.text_arguments import refuse, shown_path


def import_command(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="GGUF file, or Hugging Face folder.")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a checkpoint that is in OUT.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Unpack a GGUF file, or join a checkpoint in parts, for `esper model export`."""
    from rich.console import Console

    from esper.model.errors import ModelError
    from esper.model.importing.folder import import_model

    try:
        with Console(stderr=True).status("reading the checkpoint"):
            imported = import_model(source, target, overwrite=overwrite)
    except (ModelError, OSError) as error:
        refuse(error, as_json=as_json)
    shape = {name: getattr(imported.shape, name) for name in imported.shape.__slots__}
    if as_json:
        fields = {
            "written": shown_path(target),
            "shape": shape,
            "weights": imported.weights,
            "checkpoint": imported.fingerprint,
            "chat_template": imported.has_template,
        }
        typer.echo(json.dumps(fields))
        return
    typer.echo(f"written        {shown_path(target)}")
    typer.echo(f"shape          {', '.join(f'{name} {size}' for name, size in shape.items())}")
    typer.echo(f"weights        {imported.weights:,}")
    typer.echo(f"chat template  {'yes' if imported.has_template else 'none'}")
