"""`esper model`: import a checkpoint, export it to integers, look at a model, run it, pack it.

Exit status: 0 done, 1 refused with the reason on standard error, 2 misused. What runs models is
imported where it is needed: the wallet's commands start without it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from esper.cli.esper.models.export_report import described_export, print_export
from esper.cli.esper.models.followed_package import fetch_command
from esper.cli.esper.models.import_model import import_command
from esper.cli.esper.models.model_argument import MODEL_ARGUMENT
from esper.cli.esper.models.package_model import check_command, pack_command
from esper.cli.esper.models.run_model import run_command
from esper.cli.esper.models.segments import Segments
from esper.cli.esper.models.text_arguments import refuse
from esper.cli.lazy_commands import OPTIONS

if TYPE_CHECKING:
    from esper.model.bounds import Bound
    from esper.model.g16_format import IntegerModel

app = typer.Typer(
    help="Import, export, inspect, run and pack models.", no_args_is_help=True, **OPTIONS
)
_errors = Console(stderr=True)
_output = Console(soft_wrap=True)

app.command("import")(import_command)
app.command("run")(run_command)
app.command("pack")(pack_command)
app.command("check")(check_command)
app.command("fetch")(fetch_command)

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("export")
def export_command(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="HF folder, or GGUF file.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.")],
    calibration: Annotated[
        Path | None, typer.Option(help="Saved calibration: makes the export reproducible.")
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(help="UTF-8 text to calibrate on and, with its last tenth, to compare on."),
    ] = None,
    gate_bits: Annotated[int, typer.Option(help="Width of the gate: 12 or 16.")] = 16,
    rounding: Annotated[
        str,
        typer.Option(
            help="`nearest`: the same on every machine. `feedback`: closer, takes longer, and "
            "needs --text."
        ),
    ] = "nearest",
    report: Annotated[
        bool, typer.Option("--report", help="Print what was chosen, layer by layer.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a model that is in OUT.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Round a Llama checkpoint to the integer model that nodes run."""
    from esper.model.errors import ModelError
    from esper.model.exporting.export import ExportOptions, Rounding
    from esper.model.exporting.publish import publish

    if gate_bits not in (12, 16):
        raise typer.BadParameter(f"is {gate_bits}, must be 12 or 16", param_hint="--gate-bits")
    if rounding not in tuple(Rounding):
        raise typer.BadParameter(
            f"is {rounding}, must be nearest or feedback", param_hint="--rounding"
        )
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=_errors, transient=True, disable=not _errors.is_terminal
    ) as bar:
        task = bar.add_task("starting", total=None)

        def show(step: str, done: int, total: int) -> None:
            bar.update(task, description=step, completed=done, total=total)

        try:
            published = publish(
                source,
                target,
                calibration_file=calibration,
                text_file=text,
                options=ExportOptions(gate_bits=gate_bits, rounding=Rounding(rounding)),
                progress=show,
                overwrite=overwrite,
            )
        except (ModelError, OSError) as error:
            refuse(error, as_json=as_json)
    if as_json:
        typer.echo(json.dumps(described_export(target, published)))
    else:
        print_export(target, published, layers=report)


@app.command("show")
def show_command(
    directory: Annotated[Path, MODEL_ARGUMENT],
    segments: Segments = None,
    as_json: _Json = False,
) -> None:
    """Print sizes, widths, worst-case bounds and the hash of a model.

    With --segments the id is that of the model as so many parts: what `verify` takes with --model
    for a proof of `prove --segments`.
    """
    from esper.model.bounds import check_bounds
    from esper.model.errors import ModelError
    from esper.model.g16_format import read_integer_model
    from esper.model.naming.integers_hash import integers_hash

    try:
        model = read_integer_model(directory)
        bounds = check_bounds(model)
        name = integers_hash(model).hex()
    except (ModelError, OSError) as error:
        refuse(error, as_json=as_json)
    lacking = ""
    with _errors.status("committing to the weights"):
        try:
            model_id = _model_id(directory, segments)
        except (ImportError, ValueError, OSError) as error:
            if segments is not None:
                refuse(error, as_json=as_json)
            model_id, lacking = None, str(error)
    if as_json:
        named: dict[str, Any] = {"model_id": model_id}
        # What a program takes for an id is one, or nothing.
        why = {"why_no_id": lacking} if model_id is None else {}
        typer.echo(json.dumps(named | why | _described(model, bounds, name)))
        return
    typer.echo(f"model id       {model_id or f'none: {lacking}'}")
    _print_model(model, bounds, name)


def _model_id(directory: Path, segments: int | None) -> str:
    """Hexadecimal model id. Raises ValueError where there is none, ImportError, OSError."""
    from esper._native import NativeModel, ProvingKey
    from esper.prover.parts import CutModel, committed_id

    if segments is not None:
        # The whole model is let go before its parts are committed.
        outlines = CutModel(directory, NativeModel.load(directory), segments).outlines
        return committed_id(directory, outlines).hex()
    return ProvingKey(NativeModel.load(directory)).model_id.hex()


def _described(model: IntegerModel, bounds: list[Bound], name: str) -> dict[str, Any]:
    p = model.parameters
    return {
        "integers_hash": name,
        "shape": _shape(model),
        "weights": _weights(model),
        "bos": p.bos,
        "eos": p.eos,
        "residual_frac_bits": p.frac_bits,
        "emax": p.emax,
        "logit_bits": p.logit_bits,
        "layers": [
            {
                "score_shift": layer.score_shift,
                "gate_bits": layer.gate_bits,
                "z_bits": layer.z_bits,
                "o_bits": layer.o_bits,
                "down_bits": layer.down_bits,
                "linear_shift": dict(layer.linear_shift),
            }
            for layer in p.layers
        ],
        "bounds": [
            {"site": bound.site, "name": bound.name, "value": bound.value, "limit": bound.limit}
            for bound in bounds
        ],
    }


def _shape(model: IntegerModel) -> dict[str, int]:
    shape = model.parameters.shape
    return {field: getattr(shape, field) for field in shape.__slots__}


def _weights(model: IntegerModel) -> int:
    """Number of int8 weights; the embedding is a table beside them."""
    return sum(tensor.size for tensor in model.tensors.values() if tensor.dtype.itemsize == 1)


def _print_model(model: IntegerModel, bounds: list[Bound], name: str) -> None:
    p = model.parameters
    sizes = ", ".join(f"{field} {size}" for field, size in _shape(model).items())
    typer.echo(f"integers hash  {name}")
    typer.echo(f"shape          {sizes}")
    typer.echo(f"int8 weights   {_weights(model):,}")
    typer.echo(f"tokens         bos {p.bos}, eos {p.eos}")
    typer.echo(f"residual       {p.frac_bits} fraction bits, emax {p.emax}")
    table = Table("layer", "score shift", "gate", "z", "o", "down", "largest product", box=None)
    for index, layer in enumerate(p.layers):
        site = f"layer {index}"
        products = [
            b for b in bounds if b.site == site and b.name.endswith((" A", "A_up", "rotary"))
        ]
        widest = max(products, key=lambda bound: bound.value)
        widths = (layer.score_shift, layer.gate_bits, layer.z_bits, layer.o_bits, layer.down_bits)
        largest = f"{widest.name}: {widest.value.bit_length()} bits"
        table.add_row(str(index), *(str(width) for width in widths), largest)
    _output.print(table)
