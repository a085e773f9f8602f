"""What an export wrote and chose, in words and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from esper.cli.esper.models.text_arguments import shown_path

if TYPE_CHECKING:
    from esper.model.exporting.publish import Published
    from esper.model.exporting.report import Chosen


def described_export(target: Path, published: Published) -> dict[str, Any]:
    """The report as JSON values."""
    site, name, bits = published.largest_bound
    quality = published.quality
    return {
        "written": shown_path(target),
        "integers_hash": published.integers_hash.hex(),
        "largest_product": {"site": site, "name": name, "bits": bits},
        "compared": None if quality is None else asdict(quality),
        "not_compared": published.not_compared or None,
        "chosen": asdict(published.chosen),
    }


def print_export(target: Path, published: Published, *, layers: bool) -> None:
    """The report in words; ``layers`` adds what was chosen, layer by layer."""
    site, name, bits = published.largest_bound
    chosen = published.chosen
    typer.echo(f"written          {shown_path(target)}")
    typer.echo(f"integers hash    {published.integers_hash.hex()}")
    typer.echo(f"residual         {chosen.frac_bits} fraction bits: {chosen.why}")
    typer.echo(f"largest product  {name} of {site}: {bits} bits")
    _print_quality(published)
    if layers:
        _print_layers(chosen)


def _print_quality(published: Published) -> None:
    quality = published.quality
    if quality is None:
        if published.not_compared:
            typer.echo(f"not compared     {published.not_compared}")
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


def _print_layers(chosen: Chosen) -> None:
    shifts = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    heads = ("layer", "score", "shifts q k v o gate up down", "gate", "z", "o", "down")
    table = Table(*heads, "largest update", "room", "largest product", "why", box=None)
    for index, layer in enumerate(chosen.layers):
        table.add_row(
            str(index),
            str(layer.score_shift),
            " ".join(str(layer.linear_shift[name]) for name in shifts),
            *map(str, (layer.gate_bits, layer.z_bits, layer.o_bits, layer.down_bits)),
            f"{layer.update_top:,.1f}",
            f"{layer.update_room:.1f}",
            f"{layer.largest_product}: {layer.largest_product_bits} bits",
            layer.why,
        )
    Console(soft_wrap=True, width=160).print(table)
