"""Look for prompts that a model's clamps meet: a hill climb over token ids, one class at a time.

python -m bench.clamp_search MODEL [--tokens 24] [--tries 150] [--seed 7] [--json]

Of each class of clamps the climb raises the largest value before a clamp, in parts of what the
clamp lets through; above 1 values are clamped. Beside it stands what as many random prompts met.
The numbers come from the specification in NumPy.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.model_quality import FastSpec
from tests.spec.g16_numpy import Trace

CLASSES: Final = {
    "norm": ("norm1", "norm2", "final_norm"),
    "qk": ("q", "k"),
    "v": ("v",),
    "gate": ("gate",),
    "z": ("z",),
    "o_update": ("o",),
    "down_update": ("down",),
}
CHANGED_AT_MOST: Final = 4
"""Tokens of one step of the climb."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the climb of one class came to."""

    clamp_class: str
    random_reach: float
    """Of random prompts, as many as the climb tried."""
    reach: float
    """Of the best prompt."""
    clamped: int
    """Values of the class that this prompt clamps."""
    prompt: tuple[int, ...]


def class_of(site: str) -> str:
    """The class of a site such as ``layers.0.q``."""
    place = site.rsplit(".", 1)[-1]
    return next(name for name, places in CLASSES.items() if place in places)


def reaches(spec: FastSpec, prompt: tuple[int, ...]) -> tuple[dict[str, float], dict[str, int]]:
    """Largest value and number of clamped ones, by class."""
    trace = Trace()
    spec.logits(prompt, trace)
    reach = dict.fromkeys(CLASSES, 0.0)
    count = dict.fromkeys(CLASSES, 0)
    for site, value in trace.reach.items():
        reach[class_of(site)] = max(reach[class_of(site)], value)
    for site, number in trace.clamped.items():
        count[class_of(site)] += number
    return reach, count


def changed(prompt: tuple[int, ...], vocab: int, chooser: random.Random) -> tuple[int, ...]:
    """Some tokens other ones, or repeated, or two of them exchanged; BOS stays."""
    tokens = list(prompt)
    for _ in range(chooser.randint(1, CHANGED_AT_MOST)):
        at, other = (chooser.randrange(1, len(tokens)) for _ in range(2))
        kind = chooser.random()
        if kind < 0.6:
            tokens[at] = chooser.randrange(vocab)
        elif kind < 0.8:
            tokens[at] = tokens[other]
        else:
            tokens[at], tokens[other] = tokens[other], tokens[at]
    return tuple(tokens)


def climbed(spec: FastSpec, tokens: int, tries: int, seed: int) -> list[Found]:
    """The best prompt of every class. Random prompts first, each class from its best of them."""
    chooser = random.Random(seed)
    vocab = spec.parameters["vocab"]
    nothing: tuple[float, int, tuple[int, ...]] = (0.0, 0, ())
    best = dict.fromkeys(CLASSES, nothing)

    def judge(prompt: tuple[int, ...]) -> None:
        reach, count = reaches(spec, prompt)
        for name in CLASSES:
            if reach[name] > best[name][0]:
                best[name] = (reach[name], count[name], prompt)

    for _ in range(tries):
        drawn = (chooser.randrange(vocab) for _ in range(tokens - 1))
        judge((spec.parameters["bos"], *drawn))
    best_random = {name: best[name][0] for name in CLASSES}
    for name in CLASSES:
        for _ in range(tries):
            judge(changed(best[name][2], vocab, chooser))
        print(f"{name}: {best_random[name]:.3f} -> {best[name][0]:.3f}", file=sys.stderr)
    return [Found(name, best_random[name], *best[name]) for name in CLASSES]


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--tries", type=int, default=150)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    found = climbed(FastSpec(chosen.model), chosen.tokens, chosen.tries, chosen.seed)
    if chosen.json:
        print(json.dumps([asdict(one) for one in found]))
        return
    print("| class | random prompts | searched | values clamped |\n|---|---|---|---|")
    for one in found:
        cells = (one.clamp_class, f"{one.random_reach:.2f}", f"{one.reach:.2f}", f"{one.clamped:,}")
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
