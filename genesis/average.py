"""Average the weights of training runs that continued one another, tensor by tensor.

    python average.py OUTPUT MODEL MODEL...

The ends of runs whose rate fell to zero lie around a better point than each of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def average(models: list[Path]) -> dict[str, torch.Tensor]:
    """Mean of every tensor. Raises KeyError for models of different tensors."""
    weights = [load_file(model / "model.safetensors") for model in models]
    return {name: torch.stack([one[name] for one in weights]).mean(0) for name in weights[0]}


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="folder that gets model.safetensors")
    parser.add_argument("models", type=Path, nargs="+", help="folders of the models")
    options = parser.parse_args()
    target = options.output / "model.safetensors"
    save_file(average(options.models), target, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
