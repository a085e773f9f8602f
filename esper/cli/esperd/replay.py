"""``esperd replay``: answers of the chain made again by this machine, bit for bit."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from esper.cli.esperd.answers import JsonOption, answer
from esper.cli.esperd.model_places import kept_on_disk, model_places
from esper.cli.esperd.node_commands import now_ms, resolved_for
from esper.cli.esperd.offline import DatadirOption
from esper.cli.esperd.reported_errors import reported_errors
from esper.model import load_model
from esper.model.loaded import LoadedModel
from esper.node.datadir import DataDirectory
from esper.node.offline.recorded import NotRecordedError, Recorded, call_of, work_of
from esper.node.offline.replay import (
    Difference,
    LayerDifference,
    compared,
    replayed,
    traced,
)
from esper.node.offline.traces import read_trace_file, write_trace_file
from esper.node.settings import datadir_in_effect
from esper.node.workers.search import WrongModelError
from esper.node.workers.threads import processors
from esper.primitives.ids import ModelId, txid_of
from esper.storage.segments.block_files import BlockFiles
from esper.wallet.amounts import counted


def replay(
    what: Annotated[
        str, typer.Argument(metavar="HEIGHT|CALL", help="A block's height, or a call's txid.")
    ],
    datadir: DatadirOption = None,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="OUT", help="Write digests of every layer to a new file."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="FILE", help="Compare with another machine's --trace."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the model again for a block's work or a call, and compare with what the chain holds.

    Status 1 where this machine says something else: the first token is named. Which layer parts
    from another machine says --against, with a file that --trace wrote there.
    """
    with reported_errors(as_json=as_json):
        other = None if against is None else read_trace_file(against.expanduser())
        recorded = _recorded(what, datadir)
        model = _model(recorded.model_id, datadir)
        threads = processors()
        began = time.perf_counter()
        difference = replayed(recorded, model.native, threads)
        seconds = time.perf_counter() - began
        layers = None
        if trace is not None or other is not None:
            own = traced(recorded, model.native, threads)
            if trace is not None:
                write_trace_file(trace.expanduser(), own)
            layers = None if other is None else compared(own, other)
        tokens = sum(len(one.inputs) for one in recorded.answers)
        document: dict[str, Any] = {
            "what": recorded.what,
            "height": recorded.height,
            "model_id": recorded.model_id.hex(),
            "answers": len(recorded.answers),
            "tokens": tokens,
            "seconds": round(seconds, 3),
            "same": difference is None,
            "difference": None if difference is None else asdict(difference),
            "trace": None if trace is None else str(trace),
            "against": None if other is None else _layers_object(layers),
        }
        answers = counted(len(recorded.answers), "answer")
        lines = [
            f"{recorded.what}: {answers}, {counted(tokens, 'token')}, "
            f"model {recorded.model_id.hex()[:16]}…, {seconds:.2f} s",
            *_lines(recorded, difference, asked=other is not None),
        ]
        if trace is not None:
            lines.append(f"trace written to {trace}")
        if other is not None:
            lines.append(_layers_line(layers))
        answer(as_json, document, *lines)
        if difference is not None or layers is not None:
            raise typer.Exit(1)


def _recorded(what: str, datadir: Path | None) -> Recorded:
    """What the chain holds. Raises BadParameter, NotRecordedError, and what reading raises."""
    directory = DataDirectory.open(datadir_in_effect({"datadir": datadir}, os.environ))
    limits = directory.params.limits
    blocks = BlockFiles(directory.path).standing(limits.pruning_depth)
    if what.isascii() and what.isdigit() and len(what) < 10:
        return work_of(directory.params, blocks, int(what), now_ms=now_ms())
    try:
        call_id = txid_of(what)
    except ValueError as error:
        raise typer.BadParameter(
            f"{what!r} is no height and no txid of 128 hexadecimal digits"
        ) from error
    return call_of(limits, blocks, call_id)


def _model(model_id: ModelId, datadir: Path | None) -> LoadedModel:
    """The model where it lies. Raises NotRecordedError, WrongModelError, ModelError."""
    settings = resolved_for({"datadir": datadir}).settings
    params = DataDirectory.open(settings.datadir).params
    places = model_places(settings, params, kept_on_disk(settings.datadir))
    folder = places.folder_of(model_id)
    if folder is None:
        raise NotRecordedError(
            f"model {model_id.hex()[:16]}… does not lie here; `esperd models` says which do, "
            "`esper model fetch` gets one"
        )
    model = load_model(folder)
    if model.model_id != model_id:
        raise WrongModelError(
            f"{folder} holds model {model.model_id.hex()[:16]}…, not {model_id.hex()[:16]}…"
        )
    return model


def _lines(recorded: Recorded, difference: Difference | None, *, asked: bool) -> list[str]:
    if difference is None:
        return ["the same, bit for bit"]
    place = f"answer {difference.sequence}, " if len(recorded.answers) > 1 else ""
    lines = [
        f"DIFFERS at {place}token {difference.token}, position {difference.position}",
        f"  chain         {_pairs(difference.recorded)}",
        f"  this machine  {_pairs(difference.computed)}",
        "this machine or build computes wrong integers, or the chain holds a false proof: run "
        "this on another machine",
    ]
    hint = "with --trace OUT there and --against OUT here the layer is named"
    return lines if asked else [*lines, hint]


def _pairs(pairs: tuple[tuple[int, int], ...]) -> str:
    said = ", ".join(f"token {token} with logit {logit}" for token, logit in pairs)
    return said or "nothing: the answer has ended"


def _layers_object(layers: LayerDifference | None) -> dict[str, Any]:
    return {"same": layers is None, "difference": None if layers is None else asdict(layers)}


def _layers_line(layers: LayerDifference | None) -> str:
    if layers is None:
        return "every layer is the same as in the trace, bit for bit"
    place = "the output matrix" if layers.layer is None else f"layer {layers.layer}"
    return (
        f"DIFFERS from the trace first in {place} at position {layers.position} of answer "
        f"{layers.sequence}"
    )
