"""`esper model`: export a checkpoint to integers, look at a model, run it.

Exit status: 0 done, 1 refused with the reason on standard error, 2 misused. What runs models is
imported where it is needed: the wallet's commands start without it.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from esper.cli.esper.model_argument import MODEL_ARGUMENT

if TYPE_CHECKING:
    from esper.model.bounds import Bound
    from esper.model.g16_format import IntegerModel
    from esper.model.publish import Published

app = typer.Typer(
    help="Export, inspect and run integer models.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
_errors = Console(stderr=True)
_output = Console(soft_wrap=True)

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def _refuse(problem: Exception) -> NoReturn:
    """Say on standard error why nothing was done, and leave with status 1."""
    _errors.print(str(problem), style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1) from problem


@app.command("export")
def export_command(
    source: Annotated[Path, typer.Argument(metavar="HF_DIR", help="Hugging Face folder.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.")],
    calibration: Annotated[
        Path | None, typer.Option(help="Saved calibration: makes the export reproducible.")
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(help="UTF-8 text to calibrate on and, with its last tenth, to compare on."),
    ] = None,
    gate_bits: Annotated[int, typer.Option(help="Width of the gate: 12 or 16.")] = 16,
) -> None:
    """Round a Llama checkpoint to the integer model that nodes run."""
    from esper.model.errors import ModelError
    from esper.model.export import ExportOptions
    from esper.model.publish import publish

    if gate_bits not in (12, 16):
        raise typer.BadParameter(f"is {gate_bits}, must be 12 or 16", param_hint="--gate-bits")
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_errors, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def show(step: str, done: int, total: int) -> None:
            bar.update(task, description=step, completed=done, total=total)

        try:
            published = publish(
                source,
                target,
                calibration_file=calibration,
                text_file=text,
                options=ExportOptions(gate_bits=gate_bits),
                progress=show,
            )
        except (ModelError, OSError) as error:
            _refuse(error)
    _print_export(target, published)


def _print_export(target: Path, published: Published) -> None:
    site, name, bits = published.largest_bound
    typer.echo(f"written          {target}")
    typer.echo(f"integers hash    {published.integers_hash.hex()}")
    typer.echo(f"largest product  {name} of {site}: {bits} bits")
    quality = published.quality
    if quality is None:
        return
    typer.echo(f"compared on      {quality.text_bytes:,} bytes kept out of calibration")
    typer.echo(f"float            {quality.float_bits_per_byte:.4f} bits per byte")
    if quality.integer_bits_per_byte is None:
        typer.echo("integer          not measured: the native engine is missing, run `make build`")
        return
    change = quality.integer_bits_per_byte / quality.float_bits_per_byte - 1
    typer.echo(
        f"integer          {quality.integer_bits_per_byte:.4f} bits per byte ({change:+.3%})"
    )


@app.command("show")
def show_command(
    directory: Annotated[Path, MODEL_ARGUMENT],
    as_json: _Json = False,
) -> None:
    """Print sizes, widths, worst-case bounds and the hash of a model."""
    from esper.model.bounds import check_bounds
    from esper.model.errors import ModelError
    from esper.model.g16_format import read_integer_model
    from esper.model.integers_hash import integers_hash

    try:
        model = read_integer_model(directory)
        bounds = check_bounds(model)
        name = integers_hash(model).hex()
    except (ModelError, OSError) as error:
        _refuse(error)
    with _errors.status("committing to the weights"):
        model_id = _model_id(directory)
    if as_json:
        typer.echo(json.dumps({"model_id": model_id} | _described(model, bounds, name)))
        return
    typer.echo(f"model id       {model_id}")
    _print_model(model, bounds, name)


def _model_id(directory: Path) -> str:
    """Hexadecimal model id, or in words why there is none."""
    try:
        from esper._native import NativeModel, ProvingKey

        return ProvingKey(NativeModel.load(str(directory))).model_id.hex()
    except (ImportError, ValueError, OSError) as error:
        return f"none: {error}"


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


@app.command("run")
def run_command(
    directory: Annotated[Path, MODEL_ARGUMENT],
    prompt: Annotated[str, typer.Option(help="Text to continue.")],
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")],
    as_json: _Json = False,
) -> None:
    """Continue a text greedily with exact integer inference."""
    from esper.model import ModelError, load_model

    try:
        with _errors.status("loading the model"):
            model = load_model(directory)
        tokens = model.encode(prompt)
        started = time.perf_counter()
        with _errors.status("answering"):
            answer = model.generate(tokens, max_tokens)
        seconds = time.perf_counter() - started
    except (ModelError, OSError) as error:
        _refuse(error)
    text = model.decode(tokens, answer)
    if not as_json:
        typer.echo(prompt + text)
        return
    typer.echo(
        json.dumps(
            {
                "integers_hash": model.integers_hash.hex(),
                "prompt_tokens": tokens,
                "answer_tokens": answer,
                "text": text,
                "seconds": round(seconds, 6),
            }
        )
    )
