"""`esper plan`: time, memory, bytes, spacing and price of a proof, by the shape of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from esper.cli.esper.models.text_arguments import refuse, utf8_text
from esper.planning.limits import LIMITS, LIMITS_OF_PARTS
from esper.planning.shapes import NAMED
from esper.primitives.networks import NETWORKS

_NETWORK: Final = "mainnet"
_MOST_SPACING_S: Final = 86_400.0
_SAMPLE: Final = "`esper plan --sample-machine > machine.json` writes one to change"


def plan_command(
    model: Annotated[
        str | None,
        typer.Option(
            metavar="SHAPE",
            callback=utf8_text,
            help=f"{', '.join(NAMED)}; a model's folder, a config.json, or `genesis`.",
        ),
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(min=2, max=LIMITS["rows"], help="Of prompt and answer together.")
    ] = None,
    answers: Annotated[
        int | None,
        typer.Option(
            min=1, max=LIMITS["rows"], help="Of them the answer's. Without it a quarter of them."
        ),
    ] = None,
    segments: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=LIMITS_OF_PARTS["parts"],
            help="Parts that the model is proven in. Without it the fewest that do.",
        ),
    ] = None,
    spacing: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=_MOST_SPACING_S,
            help="Seconds between blocks. Without it the network's.",
        ),
    ] = None,
    network: Annotated[
        str, typer.Option(help=f"Whose limits and spacing: {', '.join(NETWORKS)}.")
    ] = _NETWORK,
    machine: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The machine that is to prove, as JSON.")
    ] = None,
    sample_machine: Annotated[
        bool, typer.Option("--sample-machine", help="Print a machine's file and plan nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Foretell what proofs of a model take on a machine: time, memory, size, spacing and price.

    Only the sizes of the model are needed. Nothing is run: figures follow from constants that
    were measured, and are right to within a quarter for the models that were compared.
    """
    from esper.planning.sample_machine import sample_text

    if sample_machine:
        typer.echo(sample_text(), nl=False)
        return
    if network not in NETWORKS:
        raise typer.BadParameter(
            f"is {network!r}, must be one of {', '.join(NETWORKS)}", param_hint="--network"
        )
    if model is None:
        raise typer.BadParameter(
            f"is missing: give one of {', '.join(NAMED)}, a model's folder or a config.json",
            param_hint="--model",
        )
    if tokens is None:
        raise typer.BadParameter(
            "is missing: give how many prompt and answer have together", param_hint="--tokens"
        )
    if machine is None:
        raise typer.BadParameter(f"is missing: give a file; {_SAMPLE}", param_hint="--machine")
    from esper.cli.esper.plans.plan_text import plan_fields, plan_lines
    from esper.model.errors import ModelError
    from esper.planning.machine import MachineFileError, read_machine
    from esper.planning.plan import Answer, PlanError, planned
    from esper.planning.shapes import ShapeError, shape_of

    try:
        plan = planned(
            shape_of(model),
            Answer(tokens, max(1, tokens // 4) if answers is None else answers),
            read_machine(machine),
            segments,
        )
    except (MachineFileError, ModelError, OSError, PlanError, ShapeError) as error:
        refuse(error, as_json=as_json)
    known = NETWORKS[network]
    spacing_s = known.difficulty.spacing_ms / 1000 if spacing is None else spacing
    if as_json:
        typer.echo(json.dumps(plan_fields(plan, known, spacing_s)))
        return
    for line in plan_lines(plan, known, spacing_s):
        typer.echo(line)
