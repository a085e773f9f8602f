"""What rounding cost a model: float and integers on the same held-out text, and clamps met.

python bench/model_quality.py CHECKPOINT MODEL TEXT [--tokens 20480] [--clamp-tokens 512] [--json]

CHECKPOINT is the Hugging Face folder, MODEL what was exported from it, TEXT a file that calibration
did not see. Perplexity is told with its standard error over sequences: tokens of one sequence go
together. Clamps are counted by the specification in NumPy, on the text and on random tokens.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from esper._native import NativeFloatModel
from esper.model.config import read_config
from esper.model.exporting.native_calibration import native_config
from esper.model.importing.weight_files import weight_files
from esper.model.loaded import LoadedModel, load_model
from esper.model.tokenizer import encode_text
from tests.spec.g16_numpy import Ints, SpecModel, Trace

SEQUENCE_TOKENS = 256
RANDOM_SEED = 7

Logits = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quality:
    """Both models on one text."""

    tokens: int
    """Tokens predicted."""
    float_perplexity: float
    """Of the float model."""
    integer_perplexity: float
    """Of the integers."""
    change: float
    """Integer over float, less one."""
    change_error: float
    """Standard error of the change."""
    same_top: float
    """Part of the positions where both name the same next token."""


class FastSpec(SpecModel):
    """The specification, its products in float64, where sums below 2^53 are exact."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._floats: dict[str, npt.NDArray[np.float64]] = {}

    def _product(self, name: str, h: Ints) -> Ints:
        if name not in self._floats:
            self._floats[name] = self.tensors[f"{name}.weight"].T.astype(np.float64)
        sums = (h.astype(np.float64) @ self._floats[name]).astype(np.int64)
        return np.asarray(sums * self.tensors[f"{name}.multiplier"], dtype=np.int64)


def surprises(logits: Logits, targets: Sequence[int]) -> Logits:
    """-ln p of each target, at its position."""
    top = logits.max(axis=-1, keepdims=True)
    normaliser = top[:, 0] + np.log(np.exp(logits - top).sum(axis=-1))
    return np.asarray(normaliser - logits[np.arange(len(targets)), list(targets)])


def compared(
    floats: NativeFloatModel, model: LoadedModel, sequences: Sequence[Sequence[int]]
) -> Quality:
    """Both models on ``sequences``, whose first tokens are not predicted."""
    unit = 0.5**model.parameters.logit_bits
    vocab = model.shape.vocab
    float_sum, differences, weights, same, count = 0.0, [], [], 0, 0
    for sequence in sequences:
        raw = floats.logits([list(sequence)])[0]
        theirs = np.frombuffer(raw, dtype="<f4").reshape(-1, vocab)[:-1].astype(np.float64)
        ours = np.asarray(model.logits(sequence, 1)[:-1] * unit, dtype=np.float64)
        targets = sequence[1:]
        before, after = surprises(theirs, targets), surprises(ours, targets)
        float_sum += float(before.sum())
        differences.append(float((after - before).sum()))
        weights.append(len(targets))
        same += int((theirs.argmax(axis=-1) == ours.argmax(axis=-1)).sum())
        count += len(targets)
    mean = sum(differences) / count
    # Each sequence is one draw: what is left of its sum after the mean of its tokens.
    rest = [d - mean * n for d, n in zip(differences, weights, strict=True)]
    error = statistics.pstdev(rest) * math.sqrt(len(rest)) / count if len(rest) > 1 else math.nan
    return Quality(
        tokens=count,
        float_perplexity=math.exp(float_sum / count),
        integer_perplexity=math.exp(float_sum / count + mean),
        change=math.expm1(mean),
        change_error=math.exp(mean) * error,
        same_top=same / count,
    )


def clamps(model: Path, sequences: Sequence[Sequence[int]]) -> dict[str, int]:
    """Values that were clamped, by place, over ``sequences``."""
    spec, trace = FastSpec(model), Trace()
    for sequence in sequences:
        spec.logits(sequence, trace)
    return {site: count for site, count in sorted(trace.clamped.items()) if count}


def cut(tokens: Sequence[int], bos: int, length: int) -> list[list[int]]:
    """Sequences of at most ``length`` tokens, each after ``bos``."""
    step = length - 1
    return [[bos, *tokens[at : at + step]] for at in range(0, len(tokens), step)]


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument(
        "--from", dest="start", type=float, default=0.0, help="part of TEXT to skip"
    )
    parser.add_argument("--tokens", type=int, default=20_480)
    parser.add_argument("--clamp-tokens", type=int, default=512)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    config = read_config(chosen.checkpoint / "config.json")
    floats = NativeFloatModel.load(weight_files(chosen.checkpoint), 1, *native_config(config))
    model = load_model(chosen.model)
    text = chosen.text.read_text(encoding="utf-8")
    tokens = encode_text(model.tokenizer, text[int(len(text) * chosen.start) :])
    length = min(SEQUENCE_TOKENS, config.shape.max_seq)
    quality = compared(floats, model, cut(tokens[: chosen.tokens], config.bos, length))
    ordinary = cut(tokens[: chosen.clamp_tokens], config.bos, length)
    chooser = random.Random(RANDOM_SEED)
    ids = [chooser.randrange(config.shape.vocab) for _ in range(chosen.clamp_tokens)]
    met = {
        "ordinary": clamps(chosen.model, ordinary),
        "random": clamps(chosen.model, cut(ids, config.bos, length)),
    }
    result: dict[str, Any] = asdict(quality) | {"clamp_tokens": chosen.clamp_tokens, "clamps": met}
    if chosen.json:
        print(json.dumps(result))
        return
    print(f"tokens            {quality.tokens:,}")
    print(f"float perplexity  {quality.float_perplexity:.4f}")
    print(f"integers          {quality.integer_perplexity:.4f}")
    print(f"change            {quality.change:+.3%} ± {quality.change_error:.3%}")
    print(f"same next token   {quality.same_top:.2%}")
    for kind, found in met.items():
        total = sum(found.values())
        print(f"clamps, {kind:9} {total:,} values in {chosen.clamp_tokens} tokens {found or ''}")


if __name__ == "__main__":
    main()
