"""What a replay costs beside an answer: processor seconds of `score` over those of `generate`.

python -m bench.score_cost [--shapes 260K 15M 135M] [--runs 3] [--json]

An auditor of an answer runs prompt and answer in one pass; who made it ran a pass for each token of
the answer, alone or beside others. Each cell is a ratio of processor seconds of one process, answer
and replay by turns on one thread, the median of several runs; the lists of both are compared. Of 32
at once both are given all 32 texts; the last columns hold a replay alone, by the token, against the
answers of 32 at once. Prompts are random tokens; where the model ends an answer early, so does its
replay. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.random_checkpoint import STORIES_15M
from bench.random_integers import write_random_integers
from bench.torch_models import SMOLLM2
from esper.model import load_model
from esper.model.config import Shape
from esper.model.loaded import LoadedModel

GENESIS: Final = Path(__file__).resolve().parent.parent / "genesis" / "model"
SHAPES: Final[dict[str, Shape | None]] = {
    "260K": None,
    "15M": replace(STORIES_15M, max_seq=256),
    "135M": SMOLLM2,
}
"""By name; None: the genesis model. The others' weights are random: speed is the same."""
LENGTHS: Final = ((32, 96), (128, 128))
"""Tokens of prompt and answer."""
BATCH: Final = 32
TOP: Final = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds of one batch."""

    answer: float
    """Of answering all of it."""
    replay: float
    """Of scoring all of it."""
    tokens: int
    """Answered."""


def prompts_of(model: LoadedModel, count: int, length: int) -> list[list[int]]:
    """Random prompts of so many tokens, equal from run to run."""
    noise = random.Random(count * length)
    vocab = model.shape.vocab
    return [
        [model.bos, *(noise.randrange(3, vocab) for _ in range(length - 1))] for _ in range(count)
    ]


def cost_of(model: LoadedModel, prompts: Sequence[Sequence[int]], answer: int) -> Cost:
    """Answer and score once. Raises ValueError where the lists of both differ."""
    began = time.process_time()
    told = model.native.generate(prompts, answer, TOP, 1)
    answered = time.process_time()
    scored = model.native.score(prompts, [tokens for tokens, _ in told], TOP, 1)
    ended = time.process_time()
    if scored != [tops for _, tops in told]:
        raise ValueError("score and generate tell different candidates of the same answers")
    return Cost(answered - began, ended - answered, sum(len(tokens) for tokens, _ in told))


def ratios(model: LoadedModel, lengths: tuple[int, int], runs: int) -> tuple[float, float, float]:
    """Replay over answer: of one alone, of 32 at once, and one replayed alone of 32 answered."""
    prompt, answer = lengths
    alone, together, across = [], [], []
    prompts = prompts_of(model, BATCH, prompt)
    repeats = repeats_for(model, prompts, answer)
    for _ in range(runs):
        costs = [cost_of(model, prompts[:1], answer) for _ in range(repeats)]
        one = Cost(
            sum(cost.answer for cost in costs),
            sum(cost.replay for cost in costs),
            sum(cost.tokens for cost in costs),
        )
        many = cost_of(model, prompts, answer)
        alone.append(one.replay / one.answer)
        together.append(many.replay / many.answer)
        across.append(one.replay / one.tokens / (many.answer / many.tokens))
    return statistics.median(alone), statistics.median(together), statistics.median(across)


def repeats_for(model: LoadedModel, prompts: Sequence[Sequence[int]], answer: int) -> int:
    """So many single answers that their time is far above the clock's step: 0.2 s, 1 to 50."""
    once = cost_of(model, prompts[:1], answer).answer
    return max(1, min(50, int(0.2 / max(once, 1e-4))))


def head() -> list[str]:
    """The first two lines of the table, in Markdown."""
    lengths = [f"{prompt} + {answer}" for prompt, answer in LENGTHS]
    heads = ("one", f"{BATCH} at once", f"one of {BATCH}")
    titles = [f"{head}, {length}" for head in heads for length in lengths]
    return [f"| model | {' | '.join(titles)} |", f"|{' --- |' * (len(titles) + 1)}"]


def row(name: str, pairs: Sequence[tuple[float, float, float]]) -> str:
    """A line of it: of each kind of ratio those of all lengths."""
    columns = zip(*pairs, strict=True)
    return f"| {name} | {' | '.join(f'{cell:.2f}' for column in columns for cell in column)} |"


def measured(name: str, runs: int) -> list[tuple[float, float, float]]:
    """Ratios of a shape, in the order of `LENGTHS`."""
    shape = SHAPES[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = GENESIS if shape is None else Path(temporary)
        if shape is not None:
            write_random_integers(folder, shape)
        model = load_model(folder)
    return [ratios(model, lengths, runs) for lengths in LENGTHS]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--runs", type=int, default=3, help="runs of each cell")
    parser.add_argument("--json", action="store_true", help="the ratios alone")
    chosen = parser.parse_args(arguments)
    if chosen.json:
        print(json.dumps({name: measured(name, chosen.runs) for name in chosen.shapes}))
        return
    print("\n".join(head()), flush=True)
    for name in chosen.shapes:
        print(row(name, measured(name, chosen.runs)), flush=True)
    load = f"load {os.getloadavg()[0]:.1f}"
    print(f"\nProcessor seconds of a replay over those of the answer, one thread; {load}.")


if __name__ == "__main__":
    main()
