"""Measure two proofs verified at the same time on two threads against one alone.

python -m bench.verify_threads [ROUNDS]     prints one JSON object

Both ways are measured alternately. Needs two cores that are free: with one, two proofs take twice
the time of one, whatever the verifier does.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from esper.model import load_model
from esper.prover import Statement, prove, verify

GENESIS = Path(__file__).resolve().parents[1] / "genesis" / "model"
PROOFS_PER_TURN = 20
"""Verifications of a thread in one measurement: enough that starting threads costs nothing."""

Proven = tuple[Statement, bytes]


def proofs() -> tuple[Proven, Proven]:
    """The proofs of two blocks: the same model and sizes, other bindings and prompts."""
    model = load_model(GENESIS)
    texts = ("Once upon a time there was", "The little dog ran to")
    first, second = (
        prove(model, [model.encode(text)], max_answer=16, binding=bytes([n]) * 64, rows=64)
        for n, text in enumerate(texts)
    )
    return first, second


def verify_some(proven: Proven) -> None:
    """What one thread does."""
    for _ in range(PROOFS_PER_TURN):
        verify(*proven)


def main() -> None:
    """Print the medians and their ratio."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    both = proofs()
    alone: list[float] = []
    together: list[float] = []
    ratios: list[float] = []
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(verify_some, both))
        for _ in range(rounds):
            start = time.perf_counter()
            list(threads.map(verify_some, both[:1]))
            middle = time.perf_counter()
            list(threads.map(verify_some, both))
            alone.append(middle - start)
            together.append(time.perf_counter() - middle)
            ratios.append(together[-1] / alone[-1])
    each = 1e3 / PROOFS_PER_TURN
    figures = {
        "one_ms": round(statistics.median(alone) * each, 2),
        "two_together_ms": round(statistics.median(together) * each, 2),
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_least": round(min(ratios), 3),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
