"""Worker processes of another model than the genesis one: small, of random weights, with a bank."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from bench.random_checkpoint import write_random_model
from esper.consensus.chain import BlockBytes, ProvenChain, check_proven, read_block
from esper.consensus.template import EMPTY_PLAN
from esper.dao.registry import ONE, Entry, Puzzle
from esper.dao.schedule import Activation, Scheduled
from esper.model import load_model
from esper.model.config import Shape
from esper.model.prompts import PromptBank, PromptText, encode_bank
from esper.node.entries.crew import ProcessCrew, Threads
from esper.node.entries.places import BANK_FILE, EntryPlaces
from esper.node.mining.templates import TemplateMaker, block_of, job_of
from esper.node.workers.loadable import Loadable
from esper.node.workers.native_work import NativeVerifier
from esper.node.workers.process_prover import ProcessProver
from esper.node.workers.process_searcher import ProcessSearcher
from esper.node.workers.search import Ticket
from esper.node.workers.worker_messages import Found, Progress
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry, ModelShape
from esper.primitives.networks import DEMO_ADDRESS, REGTEST
from esper.primitives.prompt import BankPrompt

pytestmark = pytest.mark.serial

SHAPE = Shape(vocab=300, dim=32, hidden=48, layers=2, heads=2, kv_heads=1, head_dim=16, max_seq=64)
TOKENIZER_ID = b"t" * 64
NEVER_HERE = Path("no-folder")


@dataclass(frozen=True)
class Second:
    """The model, where it lies, and what its workers load."""

    folder: Path
    entry: Entry

    def folder_of(self, model_id: ModelId) -> Path | None:
        return self.folder if model_id == self.entry.model.model_id else None


def bank() -> PromptBank:
    """4,096 prompts of 5 to 12 tokens of a small vocabulary."""
    texts, prompts = [], []
    for index in range(4096):
        noise = hashlib.shake_256(b"second model %d" % index).digest(16)
        text = PromptText("", f"prompt {index}")
        tokens = tuple(3 + byte for byte in noise[: 5 + noise[15] % 8])
        texts.append(text)
        prompts.append(BankPrompt(TOKENIZER_ID, tokens, (), text.json_hash))
    return PromptBank(tuple(texts), tuple(prompts))


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Second:
    folder = tmp_path_factory.mktemp("second")
    write_random_model(folder, SHAPE, gate_bits=12)
    made = bank()
    (folder / BANK_FILE).write_bytes(encode_bank(made))
    model = ModelEntry(
        model_id=load_model(folder).model_id,
        tier=0,
        shape=ModelShape(300, 32, 48, 2, 2, 1, 16, 64),
        bos=1,
        eos=2,
        special_ids=(0, 1, 2),
        tokenizer_id=TOKENIZER_ID,
        bank_root=made.root,
        bank_size=len(made.prompts),
    )
    # Another ticket than the network began with.
    return Second(folder, Entry(model, ONE, Puzzle(2, 64, 40, 8)))


def test_its_workers_find_and_prove_a_block_that_the_chain_takes(second: Second) -> None:
    genesis = ProvenChain.genesis(REGTEST)
    activated = (Scheduled(1, Activation(second.entry, 0)),)
    chain = replace(genesis.context, schedule=activated)
    maker = TemplateMaker(REGTEST, DEMO_ADDRESS, bytes(32))
    template = maker.template(
        chain,
        genesis.state,
        EMPTY_PLAN,
        model=second.entry.model,
        time_ms=REGTEST.genesis_time_ms + 10_000,
    )
    places = EntryPlaces(REGTEST.model, NEVER_HERE, NEVER_HERE, second)
    crew = ProcessCrew("regtest", places, Threads(1, 1), ProcessSearcher, ProcessProver)
    needed = Loadable.of(second.entry)
    assert crew.is_here(needed)
    workers = crew.workers(needed)

    async def find() -> Ticket:
        send, receive = trio.open_memory_channel[Found | Progress](1000)
        async with trio.open_nursery() as nursery:
            await nursery.start(workers.searcher.run, send)
            workers.searcher.search(job_of(1, template, chain))
            with trio.fail_after(60):
                async for event in receive:
                    if isinstance(event, Found):
                        nursery.cancel_scope.cancel()
                        return event.ticket
        raise AssertionError("the events ended")

    async def work() -> tuple[Ticket, bytes]:
        ticket = await find()
        try:
            return ticket, await workers.work_prover.prove_work(ticket.claim)
        finally:
            await workers.work_prover.close()

    ticket, proof = trio.run(work)
    block = read_block(BlockBytes.of(block_of(template, ticket, proof)), REGTEST.limits)
    assert block.header.pre.model_id == second.entry.model.model_id
    check_proven(chain, block, NativeVerifier(), now_ms=ticket.pre.time_ms)
