"""The torch engine behind the ports, and in a searching process: tickets that the prover proves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import trio

pytest.importorskip("torch")

from esper.consensus.chain import ProvenChain
from esper.consensus.template import EMPTY_PLAN
from esper.dao.registry import Puzzle
from esper.model import load_model
from esper.model.loaded import LoadedModel
from esper.model.prompts import read_bank
from esper.node.mining.templates import TemplateMaker, job_of
from esper.node.workers.feeding.torch_work import TorchInference
from esper.node.workers.loadable import Loadable
from esper.node.workers.native_work import NativeInference, NativeProver, NativeVerifier
from esper.node.workers.process_searcher import ProcessSearcher
from esper.node.workers.search import PromptSource, SearchJob, Ticket, TicketSearch
from esper.node.workers.worker_messages import Found, Progress
from esper.node.workers.worker_process import (
    EngineChoice,
    WorkerError,
    WorkerProcess,
    WorkerSettings,
)
from esper.primitives.networks import DEMO_ADDRESS, REGTEST

pytestmark = pytest.mark.serial

ROOT = Path(__file__).parents[5]
MODEL = ROOT / "genesis" / "model"
BANK = ROOT / "prompt_bank" / "bank.json"
TORCH = WorkerSettings(
    "regtest",
    MODEL,
    BANK,
    1,
    Loadable(REGTEST.model, Puzzle.of(REGTEST.puzzle)),
    EngineChoice("torch", "cpu"),
)


@pytest.fixture(scope="module")
def native() -> LoadedModel:
    return load_model(MODEL)


def first_job() -> SearchJob:
    chain = ProvenChain.genesis(REGTEST)
    maker = TemplateMaker(REGTEST, DEMO_ADDRESS, bytes(32))
    now_ms = REGTEST.genesis_time_ms + 10_000
    template = maker.template(
        chain.context, chain.state, EMPTY_PLAN, model=REGTEST.model, time_ms=now_ms
    )
    return job_of(7, template, chain.context)


def test_answers_are_the_native_engine_s(native: LoadedModel) -> None:
    bank = PromptSource.of(read_bank(BANK).prompts, REGTEST.model)
    plain = NativeInference(native, 1)
    alone = TicketSearch(REGTEST.puzzle, REGTEST.model, plain, bank)
    inputs = [
        tokens
        for nonce in range(6)
        for tokens in alone.attempt(first_job(), REGTEST.genesis_time_ms, nonce).inputs
    ]
    engine = TorchInference.open(MODEL, native, "cpu", REGTEST.puzzle, threads=1)
    assert engine.model_id == plain.model_id
    most, top_k = REGTEST.puzzle.max_answer, REGTEST.puzzle.top_k
    assert engine.answer(inputs, most, top_k) == plain.answer(inputs, most, top_k)
    with pytest.raises(ValueError, match="top_k: this engine was opened for 4, not 5"):
        engine.answer(inputs, most, top_k + 1)


def test_a_stream_on_a_processor_computes_with_the_threads_it_is_told(native: LoadedModel) -> None:
    import torch

    engine = TorchInference.open(MODEL, native, "cpu", REGTEST.puzzle, threads=1)
    assert torch.get_num_threads() == 1
    most, top_k = REGTEST.puzzle.max_answer, REGTEST.puzzle.top_k
    inputs = [tuple(native.encode("Once upon a time"))]
    alone = engine.answer(inputs, most, top_k)
    engine.use_threads(2)
    assert torch.get_num_threads() == 2
    assert engine.answer(inputs, most, top_k) == alone
    # What a card computes with is the card's.
    TorchInference(engine.model_id, engine.feed._stream, top_k, "cuda:1").use_threads(1)
    assert torch.get_num_threads() == 2


def test_a_searching_process_finds_what_the_native_prover_proves(native: LoadedModel) -> None:
    async def find() -> Ticket:
        searcher = ProcessSearcher(TORCH)
        send, receive = trio.open_memory_channel[Found | Progress](1000)
        with trio.fail_after(300):
            async with trio.open_nursery() as nursery:
                await nursery.start(searcher.run, send)
                searcher.search(first_job())
                async for event in receive:
                    if isinstance(event, Found):
                        nursery.cancel_scope.cancel()
                        return event.ticket
        raise AssertionError("the search ended")

    ticket = trio.run(find)
    proof = NativeProver(native).prove(ticket.claim)
    NativeVerifier().verify(ticket.claim, proof)


def test_a_process_whose_device_is_not_there_says_so() -> None:
    async def start() -> None:
        settings = replace(TORCH, engine=EngineChoice("torch", "cuda:99"))
        await WorkerProcess.start("search", settings)

    with pytest.raises(WorkerError, match=r"device cuda:99: .*--engine native"):
        trio.run(start)
