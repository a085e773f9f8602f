"""What the torch engine does on a graphics card: equality first, then speed. About five minutes.

python -m bench.torch_gpu                      prints one JSON object a line, and a summary
python -m bench.torch_gpu --device cpu --tiny  tries the program itself, without a card

1. Equality: products at their bounds and random models, a step of the card against one of the
   processor; answers of the genesis model against the native engine, where it is built.
2. Speed of decoding: SmolLM2's shape and that of 8 billion weights, 1, 32 and 512 sequences, each
   at position 63; integers, then bfloat16 as PyTorch has it.
3. Speed of mining: sequences of 49 and 16 tokens that come and go, Python's part included.

It ends with status 1 if anything differs: speed is told of right answers alone.
It needs NumPy, tokenizers and PyTorch; the compiled extension for the genesis model alone.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch

from bench.torch_bf16 import FloatStep
from bench.torch_models import EIGHT_BILLION, SMOLLM2, TINY, RandomTensors, parameters_of
from esper.embedded import model_folder
from esper.model.config import Shape
from esper.model.errors import ModelError
from esper.model.torch_engine.forward import Cache, Forward
from esper.model.torch_engine.halves import in_int32
from esper.model.torch_engine.known_answers import check_products
from esper.model.torch_engine.opening import choose_device, product_of
from esper.model.torch_engine.schedule import Row, Step, slots_for
from esper.model.torch_engine.seam import Wanted, open_stream
from esper.model.torch_engine.steps import Steps, whole
from esper.model.torch_engine.stream import AnswerStream
from esper.model.torch_engine.weights import DeviceModel, bring

POSITIONS: Final = 64
PROMPT, ANSWER, TOP_K = 49, 16, 4
SECONDS: Final = 8.0
"""Of one measurement, at most; three steps at least."""
STEPS: Final = 40


def tell(**found: Any) -> Mapping[str, Any]:
    """Print what was found, at once: the machine may be taken away."""
    print(json.dumps(found), flush=True)
    return found


def settled(device: str) -> None:
    """Wait for the card."""
    if device != "cpu":
        torch.cuda.synchronize()


def milliseconds(work: Callable[[], object], device: str) -> float:
    """Of one call, after two that do not count."""
    for _ in range(2):
        work()
    settled(device)
    began, done = time.perf_counter(), 0
    while done < 3 or (done < STEPS and time.perf_counter() - began < SECONDS):
        work()
        done += 1
    settled(device)
    return (time.perf_counter() - began) * 1000 / done


def freed(device: str) -> None:
    """Give memory of what is no longer used back."""
    gc.collect()
    if device != "cpu":
        torch.cuda.empty_cache()


def brought(shape: Shape, device: str) -> DeviceModel:
    """A random model of a shape."""
    parameters = parameters_of(shape)
    return bring(parameters, RandomTensors(parameters), device, product_of(device))


def full_step(rows: int, vocab: int, position: int) -> Step:
    """A step in which ``rows`` sequences make a token each."""
    made = tuple(Row((7 * slot + position) % vocab, slot, position) for slot in range(rows))
    return Step(made, tuple(range(rows)))


def steps_of(model: DeviceModel, batch: int, *, graphs: bool) -> Steps:
    """Steps of ``batch`` sequences."""
    cache = Cache(model, batch, POSITIONS)
    return Steps(
        Forward(model, cache),
        rows=batch,
        asked=batch,
        nobody=cache.slots,
        top_k=TOP_K,
        device=model.device,
        graphs=graphs,
    )


def equal_steps(shape: Shape, device: str, batch: int) -> bool:
    """Whether the card gives what the processor does, position by position, graphs included."""
    parameters = parameters_of(shape)
    there = brought(shape, device)
    here = bring(parameters, RandomTensors(parameters), "cpu", in_int32)
    card = steps_of(there, batch, graphs=device != "cpu")
    processor = steps_of(here, batch, graphs=False)
    asked = (full_step(batch, shape.vocab, position) for position in range(4))
    return all(card.run(step) == processor.run(step) for step in asked)


def equality(device: str, shapes: Mapping[str, Shape]) -> bool:
    """Everything that must be equal. Tells each, and whether all are."""
    right = True
    for name, shape in shapes.items():
        try:
            check_products(parameters_of(shape), whole(512), whole(139), device, product_of(device))
            products = True
        except ModelError as error:
            tell(failed=str(error))
            products = False
        right &= bool(tell(shape=name, products_equal=products)["products_equal"])
    for name in ("tiny", "smollm2"):
        if name in shapes:
            same = equal_steps(shapes[name], device, 32)
            right &= bool(tell(shape=name, steps_equal=same)["steps_equal"])
    try:
        from esper.model import load_model

        native = load_model(model_folder("genesis"))
    except ImportError as error:
        tell(genesis=f"not compared: {error}")
        return right
    except ModelError as error:
        tell(genesis=f"not compared: {error}")
        return right
    try:
        wanted = Wanted(device, PROMPT, ANSWER, TOP_K, threads=1)
        stream = open_stream(model_folder("genesis"), native.native, wanted)
        tell(genesis="all known answers", rows=stream.rows, graphs=stream.graphs)
    except ModelError as error:
        tell(genesis=str(error))
        return False
    return right


def decoding(name: str, model: DeviceModel, batch: int) -> None:
    """Tokens a second of ``batch`` sequences, with a graph and without."""
    step = full_step(batch, model.shape.vocab, POSITIONS - 1)
    for graphs in (True, False) if model.device != "cpu" else (False,):
        steps = steps_of(model, batch, graphs=graphs)
        took = milliseconds(lambda steps=steps: steps.run(step), model.device)  # type: ignore[misc]
        tell(
            shape=name,
            engine="integer",
            batch=batch,
            graph=steps.graphs,
            ms=round(took, 3),
            tokens_per_second=round(batch * 1000 / took),
        )


def floating(name: str, shape: Shape, batch: int, device: str) -> None:
    """The same in bfloat16."""
    float_step = FloatStep(shape, batch, POSITIONS, device)
    work: Callable[[], object] = float_step.run
    if device != "cpu":
        for _ in range(3):
            work()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            float_step.run()
        work = graph.replay
    took = milliseconds(work, device)
    tell(
        shape=name,
        engine="bfloat16",
        batch=batch,
        graph=device != "cpu",
        ms=round(took, 3),
        tokens_per_second=round(batch * 1000 / took),
    )


def mining(name: str, model: DeviceModel, rows: int) -> None:
    """Rows a second of sequences that come and go."""
    stream = AnswerStream(
        model,
        rows=rows,
        slots=slots_for(rows, PROMPT, ANSWER),
        positions=POSITIONS,
        top_k=TOP_K,
        graphs=model.device != "cpu",
    )
    number = computed = 0

    def step() -> None:
        nonlocal number, computed
        while len(stream) < 2 * stream.slots:
            stream.add(number, [number % model.shape.vocab] * PROMPT, ANSWER)
            number += 1
        computed += sum(PROMPT + len(one.tokens) - 1 for one in stream.step())

    for _ in range(2 * ANSWER):
        step()
    computed = 0
    settled(model.device)
    began = time.perf_counter()
    for _ in range(2 * ANSWER):
        step()
    settled(model.device)
    took = time.perf_counter() - began
    tell(
        shape=name, engine="integer", mining_rows=rows, slots=stream.slots,
        rows_per_second=round(computed / took),
    )  # fmt: skip


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    chosen = parser.parse_args()
    device = chosen.device
    choose_device(device)
    about = "cpu" if device == "cpu" else torch.cuda.get_device_name()
    tell(device=about, torch=torch.__version__)
    shapes = {"tiny": TINY} if chosen.tiny else {"smollm2": SMOLLM2, "8b": EIGHT_BILLION}
    if not equality(device, {"tiny": TINY} | shapes):
        tell(summary="not equal: no speed is told")
        sys.exit(1)
    for name, shape in shapes.items():
        batches = (1, 32) if chosen.tiny else (1, 32, 512)
        began = time.perf_counter()
        model = brought(shape, device)
        tell(shape=name, loading_s=round(time.perf_counter() - began, 1))
        for batch in batches:
            decoding(name, model, batch)
            freed(device)
        mining(name, model, 32 if chosen.tiny else 512)
        del model
        freed(device)
        for batch in batches:
            floating(name, shape, batch, device)
            freed(device)
    tell(summary="equal")


if __name__ == "__main__":
    main()
