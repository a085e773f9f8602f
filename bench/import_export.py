"""Seconds and memory of importing and exporting checkpoints of random weights, by shape and file.

python -m bench.import_export FOLDER [SHAPE ...]

FOLDER receives the checkpoints, about 2 GB for the larger shape, and is not emptied. Each step is a
process of its own, so that its peak is its own. Prints a Markdown table.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.measure import peak_mib
from bench.random_checkpoint import STORIES_15M, write_random_checkpoint, write_tokenizer
from esper.model.config import Shape

STORIES_110M = replace(
    STORIES_15M, dim=768, hidden=2048, layers=12, heads=12, kv_heads=12, head_dim=64, max_seq=1024
)
"""The shape of its sister of 110 million weights."""
SHAPES = {"15M": STORIES_15M, "110M": STORIES_110M}
FORMS = ("float32, one file", "bfloat16, three parts")
STEPS = ("import", "export")
_PARTS = 3
_SEED = 1
_CALIBRATION = (4, 128)
"""Sequences, and tokens of each: enough for an export, which takes the same for any text."""


def prepare(folder: Path, shape: Shape, form: str) -> None:
    """Write a checkpoint of random weights, and its calibration on random tokens."""
    from esper.model.checkpoint import load_checkpoint, named_tensors
    from esper.model.exporting.calibration import calibrate, save_calibration
    from tests.support.checkpoint_folders import write_in_parts

    write_random_checkpoint(folder, shape, _SEED)
    write_tokenizer(folder)
    if form != FORMS[0]:
        tensors = named_tensors(load_checkpoint(folder))
        (folder / "model.safetensors").unlink()
        write_in_parts(folder, {name: (array, "BF16") for name, array in tensors.items()}, _PARTS)
    random = np.random.Generator(np.random.PCG64(_SEED))
    sequences = random.integers(0, shape.vocab, _CALIBRATION).tolist()
    save_calibration(folder / "calibration.json", calibrate(load_checkpoint(folder), sequences))


def measured(step: str, folder: Path) -> dict[str, float]:
    """Seconds and MiB of one step in this process, imports of Python not counted in the seconds."""
    from esper.model.exporting.publish import publish
    from esper.model.importing.folder import import_model

    before, started = peak_mib(), time.perf_counter()
    if step == "import":
        import_model(folder, folder / "imported", overwrite=True)
    else:
        publish(folder, folder / "exported", overwrite=True)
    return {"seconds": time.perf_counter() - started, "peak_mib": peak_mib(), "idle_mib": before}


def _child(*words: str) -> str:
    command = [sys.executable, "-m", "bench.import_export", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main(folder: Path, names: list[str]) -> None:
    """Print the table."""
    print("| weights | file | MB of weights in it | step | seconds | peak, MB |")
    print("|---|---|---|---|---|---|")
    for name in names:
        for number, form in enumerate(FORMS):
            place = folder / f"{name}-{number}"
            _child("--prepare", str(place), name, form)
            size = sum(part.stat().st_size for part in place.glob("*.safetensors")) / 1e6
            for step in STEPS:
                got = json.loads(_child("--measure", str(place), step))
                peak = got["peak_mib"] * 1.048576
                print(
                    f"| {name} | {form} | {size:.0f} | {step} | {got['seconds']:.1f} | {peak:.0f} |"
                )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--prepare", place, shape_name, form_name]:
            prepare(Path(place), SHAPES[shape_name], form_name)
        case ["--measure", place, step_name]:
            print(json.dumps(measured(step_name, Path(place))))
        case [place, *shape_names]:
            main(Path(place), shape_names or list(SHAPES))
        case _:
            sys.exit(__doc__)
