"""The program of a worker process: ``python -m esper.node.workers.worker_main search|prove ...``.

Reads requests on standard input and answers on standard output, both framed as in
``worker_messages``; whatever else is printed goes to standard error. It ends when its input does,
at once, whatever it is doing: a node that was killed leaves nothing running.
"""

import argparse
import os
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

from esper.consensus.genesis import genesis_hash
from esper.model import ModelError, load_model
from esper.model.prompts import read_bank
from esper.node.clock import steady_ms, wall_ms
from esper.node.workers.call_answerer import CallAnswerer, answered_by
from esper.node.workers.feeding.stream_search import StreamSearch
from esper.node.workers.feeding.torch_work import TorchInference
from esper.node.workers.loadable import Loadable
from esper.node.workers.native_work import DisagreementError, NativeInference, NativeProver
from esper.node.workers.prove_loop import ProveLoop
from esper.node.workers.rehearsal import rehearse
from esper.node.workers.search import PromptSource, TicketSearch, WrongModelError, check_model
from esper.node.workers.search_loop import SearchLoop
from esper.node.workers.worker_messages import (
    AnswerCalls,
    Begin,
    Failed,
    ProveCalls,
    ProveLane,
    ProveWork,
    Ready,
    Rehearse,
    Unfit,
    frame,
    read_message,
)
from esper.primitives.networks import network
from esper.primitives.params import CallParameters
from esper.prover import ProvingError, release_memory
from esper.vm.call_rows import call_rows

SEARCH_NICENESS: Final = 15
"""Whoever waits for the node or for a proof goes first."""
PROVE_NICENESS: Final = 5
ENGINES: Final = ("native", "torch")


def main() -> None:
    """Run one worker until its input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["search", "prove"])
    parser.add_argument("--network", required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0])
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    answers = os.fdopen(os.dup(1), "wb")
    # Nothing that a library prints may get between the frames.
    os.dup2(2, 1)
    os.nice(SEARCH_NICENESS if chosen.role == "search" else PROVE_NICENESS)
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, requests), daemon=True).start()
    try:
        if chosen.role == "search":
            run = _search(chosen, requests, answers)
        else:
            run = _prove(chosen, requests, answers)
    except (ModelError, WrongModelError) as error:
        _tell(answers, Unfit(str(error)))
        sys.exit(2)
    except (MemoryError, OSError) as error:
        _tell(answers, Unfit(f"{chosen.role} worker: {_told(error)}"))
        sys.exit(2)
    run()


def _tell(answers: BinaryIO, message: object) -> None:
    answers.write(frame(message))
    answers.flush()


def _told(error: MemoryError | OSError) -> str:
    if isinstance(error, MemoryError):
        return "there is too little memory for the model; see its limit (ulimit -v)"
    return str(error)


def _listen(stream: BinaryIO, requests: "queue.SimpleQueue[Any]") -> None:
    try:
        while True:
            requests.put(read_message(stream))
    except EOFError:
        os._exit(0)


def _search(
    chosen: argparse.Namespace, requests: "queue.SimpleQueue[Any]", answers: BinaryIO
) -> Callable[[], None]:
    """What runs until the end, once the node was told that all is there."""
    model = load_model(chosen.model)
    prompts = read_bank(chosen.bank).prompts
    entry = _entry(requests)
    puzzle = entry.puzzle.on(network(chosen.network).puzzle)
    bank = PromptSource.of(prompts, entry.model)
    inference: NativeInference | TorchInference
    search: TicketSearch
    if chosen.engine == "torch":
        inference = TorchInference.open(chosen.model, model, chosen.device, puzzle, chosen.threads)
        search = StreamSearch(puzzle, entry.model, inference, bank)
    else:
        inference = NativeInference(model, chosen.threads)
        search = TicketSearch(puzzle, entry.model, inference, bank)
    _tell(answers, Ready(inference.model_id))
    loop = SearchLoop(
        search,
        requests,
        lambda message: _tell(answers, message),
        inference.use_threads,
        now_ms=wall_ms,
        steady_ms=steady_ms,
    )
    return loop.run


def _prove(
    chosen: argparse.Namespace, requests: "queue.SimpleQueue[Any]", answers: BinaryIO
) -> Callable[[], None]:
    """As ``_search``."""
    model = load_model(chosen.model)
    inference, prover = NativeInference(model, chosen.threads), NativeProver(model)
    entry = _entry(requests)
    check_model(inference, entry.model)
    genesis = genesis_hash(network(chosen.network))
    _tell(answers, Ready(inference.model_id))

    def answer(request: object) -> object:
        try:
            if isinstance(request, Rehearse):
                bank = PromptSource.of(read_bank(chosen.bank).prompts, entry.model)
                return rehearse(request.job, inference, prover, bank)
            return _answer(request, inference, prover, genesis, entry)
        except (DisagreementError, ProvingError, ModelError, WrongModelError, ValueError) as error:
            return Failed(f"{type(error).__name__}: {error}")

    tell = partial(_tell, answers)
    return ProveLoop(requests, answer, tell, release_memory).run


def _entry(requests: "queue.SimpleQueue[Any]") -> Loadable:
    """What it works for: the first thing that it is told, long since when its model is loaded."""
    match requests.get():
        case Begin(entry):
            return entry
        case other:
            raise TypeError(f"a worker is told what it works for first, not {type(other).__name__}")


def _answer(
    request: object,
    inference: NativeInference,
    prover: NativeProver,
    genesis: bytes,
    entry: Loadable,
) -> object:
    match request:
        case ProveWork(claim):
            return prover.prove(claim)
        case AnswerCalls(calls):
            return answered_by(inference, calls)
        case ProveCalls(calls, payee, rules):
            answerer = CallAnswerer(inference, prover, _fitted(rules, entry), genesis_hash=genesis)
            return answerer.prove_own(calls, payee)
        case ProveLane(call, sender, rules):
            answerer = CallAnswerer(inference, prover, _fitted(rules, entry), genesis_hash=genesis)
            return answerer.prove_lane(call, sender)
    raise ValueError(f"unknown request {type(request).__name__}")


def _fitted(rules: CallParameters, entry: Loadable) -> CallParameters:
    """The rules in force, with the rows that a call to this model takes."""
    return replace(rules, rows_per_call=call_rows(rules, entry.model.shape))


if __name__ == "__main__":
    main()
