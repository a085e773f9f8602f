"""How fast answers are made: by the engine alone, and through its process as the gateway has them.

python -m bench.serving [--model genesis/model] [--threads 1] [--streams 1 8 32 200] [--tokens 100]

Each row lets so many answers run at once. ``tokens/s`` counts answer tokens of all, from the first
that is asked for to the last that came. ``first`` is the time to the first token where all are
asked for at once, ``late`` that of one more answer while all others run.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from esper._native import ServingBatch
from esper.gateway.engine_port import EngineModel, Job
from esper.model import load_model
from esper.model.loaded import LoadedModel
from esper.node.serving.engine import ServingEngine
from esper.node.serving.served_model import ServedModel, ServingSettings
from esper.node.workers.serve_loop import FRAME_MS, MOST_STEPS
from esper.primitives.ids import ModelId

GENESIS: Final = Path(__file__).resolve().parent.parent / "genesis" / "model"
ROWS: Final = 256
PROMPT: Final = 24
LATE: Final = 9
MS: Final = 1000


@dataclass
class Speed:
    """What was measured of one number of streams."""

    tokens_per_s: float
    first_ms: list[float]
    """Of each stream."""
    late_ms: list[float]
    """Of each further answer."""

    def row(self, who: str, streams: int) -> str:
        """A line of the table."""
        ordered = sorted(self.first_ms)
        middle, last = statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))]
        late = statistics.median(self.late_ms)
        times = f"{middle:>12.1f}{last:>12.1f}{late:>10.1f}"
        return f"{who:8}{streams:>8}{self.tokens_per_s:>12,.0f}{times}"


HEAD: Final = f"{'':8}{'streams':>8}{'tokens/s':>12}{'first p50':>12}{'first p99':>12}{'late':>10}"


def prompts_of(count: int, vocabulary: int, bos: int) -> list[list[int]]:
    """Random prompts that share nothing but their begin."""
    noise = random.Random(7)
    return [
        [bos, *(noise.randrange(3, vocabulary) for _ in range(PROMPT - 1))] for _ in range(count)
    ]


def bare(
    model: LoadedModel, streams: int, tokens: int, threads: int, *, late: bool = True
) -> Speed:
    """The engine in this process, called as its own process calls it."""
    scale = 0.5**model.parameters.logit_bits
    prompts = prompts_of(streams + LATE, model.shape.vocab, model.bos)
    batch = ServingBatch(model.native, streams + 1, ROWS, threads, scale)
    began = time.perf_counter()
    first: dict[int, float] = {}
    for number, prompt in enumerate(prompts[:streams]):
        batch.add(number, prompt, tokens)
    made = 0
    while len(batch):
        for number, *_ in batch.run(MOST_STEPS, FRAME_MS):
            made += 1
            first.setdefault(number, time.perf_counter() - began)
    seconds = time.perf_counter() - began
    return Speed(
        made / seconds,
        [MS * one for one in first.values()],
        _late_in(batch, prompts, streams, tokens) if late else [],
    )


def _late_in(
    batch: ServingBatch, prompts: list[list[int]], streams: int, tokens: int
) -> list[float]:
    found = []
    for number in range(streams):
        batch.add(number, prompts[number], tokens)
    for late, prompt in enumerate(prompts[streams:], start=streams):
        batch.run(4, FRAME_MS)
        began = time.perf_counter()
        batch.add(late, prompt, 1)
        while all(number != late for number, *_ in batch.run(MOST_STEPS, FRAME_MS)):
            pass
        found.append(MS * (time.perf_counter() - began))
    return found


async def through_process(folder: Path, streams: int, tokens: int, threads: int) -> Speed:
    """The engine of a gateway with its process; a job a stream, each of a group of its own."""
    settings = ServingSettings(threads, memory_mib=4096, most_slots=streams + 1, rows=ROWS)
    engine = ServingEngine(settings)
    first: list[float] = []
    made = 0
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        engine.serve([ServedModel(folder, 0)])
        while not engine.models:
            await trio.sleep(0.05)
        (model,) = engine.models
        prompts = prompts_of(streams + LATE, model.vocabulary, 1)
        jobs = [_job(model, prompt, tokens) for prompt in prompts]
        began = trio.current_time()

        async def read(job: Job, told: list[float]) -> None:
            nonlocal made
            asked = trio.current_time()
            async with engine.answer(job) as answer:
                begun = False
                async for some in answer:
                    if not begun:
                        told.append(MS * (trio.current_time() - asked))
                        begun = True
                    made += len(some)

        async with trio.open_nursery() as readers:
            for job in jobs[:streams]:
                readers.start_soon(read, job, first)
        speed = made / (trio.current_time() - began)
        late: list[float] = []
        async with trio.open_nursery() as readers:
            for job in jobs[:streams]:
                readers.start_soon(read, job, [])
            await trio.sleep(0.02)
            for job in jobs[streams:]:
                await read(job, late)
            readers.cancel_scope.cancel()
        nursery.cancel_scope.cancel()
    return Speed(speed, first, late)


def _job(model: EngineModel, prompt: list[int], tokens: int) -> Job:
    return Job(ModelId(model.model_id), tuple(prompt), tokens)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, default=GENESIS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32, 200])
    parser.add_argument("--tokens", type=int, default=100)
    chosen = parser.parse_args(arguments)
    model = load_model(chosen.model)
    print(HEAD + "  (ms)")
    for streams in chosen.streams:
        speed = bare(model, streams, chosen.tokens, chosen.threads)
        print(speed.row("bare", streams), flush=True)
    for streams in chosen.streams:
        speed = trio.run(through_process, chosen.model, streams, chosen.tokens, chosen.threads)
        print(speed.row("process", streams), flush=True)


if __name__ == "__main__":
    main()
