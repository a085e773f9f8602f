"""A serving process whose machine computes wrongly: one weight is another, the name is the same.

Run in the place of ``esper.node.workers.serve_main``, with its arguments.
"""

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from esper.model import load_model
from esper.model.g16_parameters import INTEGERS_FILE
from esper.model.safetensors_file import read_container, write_container
from esper.node.workers.serve_main import Served, loaded, serve


def one_weight_off(folder: Path, target: Path, *, much: bool = False) -> Path:
    """A copy of a model in ``target``, with a weight of layer 0 one off; or all of them, much."""
    metadata, tensors = read_container(folder / INTEGERS_FILE)
    name = "layers.0.down_proj.weight"
    weight = tensors[name].copy()
    weight.flat[0] += np.int8(1 if weight.flat[0] < 127 else -1)
    if much:
        weight = -weight[::-1].copy()
    tensors[name] = weight
    target.mkdir(exist_ok=True)
    write_container(target / INTEGERS_FILE, metadata, tensors)
    shutil.copy(folder / "tokenizer.json", target)
    return target


def _faulty(folder: Path, *, much: bool) -> Served:
    sound = loaded(folder)
    with TemporaryDirectory() as place:
        broken = load_model(one_weight_off(folder, Path(place), much=much))
    return Served(broken.native, broken.parameters, sound.model_id)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--much", action="store_true")
    chosen = parser.parse_args()
    serve(lambda: _faulty(chosen.model, much=chosen.much), chosen.threads)
