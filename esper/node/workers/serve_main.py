"""The program of a serving process: ``python -m esper.node.workers.serve_main --model DIR ...``.

It speaks and ends as ``worker_main`` does, at the niceness of the node: people wait for it.
"""

import argparse
import os
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from esper._native import NativeModel, ServingBatch, model_id
from esper.model import ModelError, load_model
from esper.model.g16_parameters import Parameters
from esper.node.clock import steady_ms
from esper.node.workers.serve_loop import ServeLoop
from esper.node.workers.serve_messages import BeginServing, Serving
from esper.node.workers.worker_messages import Ready, Unfit, frame, read_message
from esper.primitives.ids import ModelId

MIB: Final = 1 << 20


class UnservableError(Exception):
    """A model that is not served here; the message says why."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model that is loaded, and under which name its answers go."""

    native: NativeModel
    parameters: Parameters
    model_id: ModelId


def main() -> None:
    """Serve one model until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    chosen = parser.parse_args()
    serve(lambda: loaded(chosen.model), chosen.threads)


def loaded(folder: Path) -> Served:
    """The model in a folder, named by its own integers. Raises ModelError."""
    model = load_model(folder)
    return Served(model.native, model.parameters, model_id(model.native))


def serve(load: Callable[[], Served], threads: int) -> None:
    """Serve on standard input and output until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    # Nothing that a library prints may get between the frames.
    os.dup2(2, 1)
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()

    def tell(message: object) -> None:
        answers.write(frame(message))
        answers.flush()

    try:
        begin = requests.get()
        if not isinstance(begin, BeginServing):
            raise TypeError(f"a serving process begins with {type(begin).__name__}")
        served = load()
        batch, serving = _batch(served, begin, threads)
    except (ModelError, UnservableError, OSError) as error:
        tell(Unfit(f"serve worker: {error}"))
        sys.exit(2)
    except MemoryError as error:
        tell(Unfit(f"serve worker: there is too little memory for the model: {error}"))
        sys.exit(2)
    tell(Ready(served.model_id))
    tell(serving)
    ServeLoop(batch, requests, tell, steady_ms=steady_ms).run()


def _batch(served: Served, begin: BeginServing, threads: int) -> tuple[ServingBatch, Serving]:
    if begin.model_id not in (None, served.model_id):
        raise UnservableError(
            f"the folder holds model {served.model_id.hex()[:16]}…, not the one that was asked for"
        )
    parameters = served.parameters
    rows = min(begin.rows, parameters.shape.max_seq)
    slot = ServingBatch.slot_bytes(served.native, rows)
    slots = min(begin.most_slots, begin.memory_bytes // slot)
    if slots < 1:
        raise UnservableError(
            f"an answer of this model takes {-(-slot // MIB)} MiB, {begin.memory_bytes // MIB} MiB "
            "are set aside: give it more memory"
        )
    scale = 0.5**parameters.logit_bits
    batch = ServingBatch(served.native, slots, rows, threads, scale)
    vocabulary, eos = parameters.shape.vocab, parameters.eos
    return batch, Serving(served.model_id, rows, vocabulary, eos, scale, slots)


def _listen(requests: "queue.SimpleQueue[Any]") -> None:
    try:
        while True:
            requests.put(read_message(sys.stdin.buffer))
    except EOFError:
        os._exit(0)


if __name__ == "__main__":
    main()
