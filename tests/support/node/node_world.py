"""A node in one process, on fake work: every part of it but the server, the processes and the time.

Its clock is trio's, so that a test that runs under a MockClock decides what time it is.
"""

import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, Unpack

import trio
import trio.testing

from esper.consensus.block import Block
from esper.consensus.call_groups import CallGroup
from esper.consensus.chain import BlockBytes
from esper.consensus.genesis import genesis_hash
from esper.consensus.ports import WorkClaim
from esper.consensus.template import EMPTY_PLAN, BlockPlan
from esper.crypto.signing import KeyPair
from esper.node.calls.call_book import CallBook
from esper.node.calls.call_desk import CallDesk
from esper.node.calls.text_service import NoTextError, TextService
from esper.node.chain.changes.arrival import Arrival
from esper.node.datadir import DataDirectory
from esper.node.entries.crew import Crew
from esper.node.gateway.gateway_plan import GatewayPlan
from esper.node.mining.mining_service import MiningService
from esper.node.mining.node_mining import MiningPlan, NodeMining
from esper.node.peers.port import PeersPort
from esper.node.running_node import NodeParts, OpenNode, open_node
from esper.node.settings import Settings
from esper.node.workers.call_answerer import AnsweredCall, OpenCall
from esper.node.workers.farm.farm import Farm
from esper.node.workers.loadable import Loadable
from esper.node.workers.search import SearchJob, TicketSearch
from esper.node.workers.work_ports import SearcherPort, Workers
from esper.node.workers.worker_messages import Found, Progress
from esper.node.workers.worker_process import WorkerError
from esper.node.workers.worker_slot import WorkerSlot
from esper.primitives.ids import Txid
from esper.primitives.model_entry import ModelEntry
from esper.primitives.networks import REGTEST
from esper.primitives.params import CallParameters, NetworkParameters
from esper.rpc.errors import RpcError
from esper.rpc.method import Method, ReplyT, RequestT
from esper.storage.store_options import StoreOptions
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.vm.view import Overlay
from tests.support.fake_work import (
    FakeInference,
    FakeProver,
    FakeVerifier,
    fake_network,
    prompt_source,
)
from tests.support.node.fake_workers import FakeProverPort, OneCrew
from tests.support.plain_miner import Miner
from tests.support.vm_world import (
    ALICE,
    BOB,
    CAROL,
    COIN,
    MINER,
    EnvelopeParts,
    address,
    make,
    sign,
)

T = TypeVar("T")
PATIENCE_S = 20.0
"""Of the machine's own time, before a test gives up waiting."""
SPACING_MS = 10_000
"""Between two blocks of others, and between the last of them and the present."""


def node_params(base: NetworkParameters = REGTEST, **calls: int) -> NetworkParameters:
    """Regtest with the fake model, coins for four keys, and generous credits."""
    allocation = tuple((address(key), 1000 * COIN) for key in (ALICE, BOB, CAROL, MINER))
    return fake_network(
        replace(
            base,
            reward=replace(base.reward, genesis_allocation=allocation),
            credits=replace(base.credits, rate_per_staked_unit=1 << 32),
            calls=replace(base.calls, **calls),
        )
    )


PARAMS = node_params()


class ManualSearcher(SearcherPort):
    """Searches when the test says so: ``find`` gives the ticket of a job."""

    def __init__(
        self,
        params: NetworkParameters,
        clock: Callable[[], int],
        entry: Loadable | None = None,
    ) -> None:
        """``entry`` is the network's first one if it is not given."""
        puzzle, model = params.puzzle, params.model
        if entry is not None:
            puzzle, model = entry.puzzle.on(puzzle), entry.model
        self._search = TicketSearch(puzzle, model, FakeInference(model), prompt_source(params))
        self._clock = clock
        self.slot = WorkerSlot()
        self._events: trio.MemorySendChannel[Found | Progress] | None = None
        self._death: trio.Event = trio.Event()
        self.jobs: list[SearchJob | None] = []
        """Every job that it was given, None where it was to stop."""
        self.threads: list[int] = []
        """Every number of threads that it was given."""
        self.starts = 0
        """How often it was started."""

    async def run(
        self,
        events: "trio.MemorySendChannel[Found | Progress]",
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        self._events, self._death = events, trio.Event()
        self.starts += 1
        task_status.started()
        # Its errors come in a group of their own, as those of the process do.
        async with trio.open_nursery():
            await self._death.wait()
            raise WorkerError("search worker ended with status -9")

    def search(self, job: SearchJob | None) -> None:
        self.jobs.append(job)

    def use_threads(self, threads: int) -> None:
        self.threads.append(threads)

    def die(self) -> None:
        """As a process that somebody killed."""
        self._death.set()

    @property
    def job(self) -> SearchJob:
        """What is searched now."""
        job = self.jobs[-1]
        assert job is not None
        return job

    async def find(self, job: SearchJob | None = None) -> None:
        """Find the ticket of a job, the last one's if none is named."""
        wanted = job or self.job
        searched = self._search.step(wanted, self._clock(), range(64))
        assert searched.ticket is not None
        assert self._events is not None
        await self._events.send(Progress(searched.attempts, searched.tokens, 1))
        await self._events.send(Found(wanted.number, searched.ticket))


class GatedProver(FakeProverPort):
    """A prover that fails, or waits within requests of some names, as the test says."""

    def __init__(self, params: NetworkParameters, model: ModelEntry | None = None) -> None:
        super().__init__(params, model)
        self.fails: list[str] = []
        """The next requests of these names fail."""
        self.answered: list[Txid] = []
        """Ids of the calls that it was asked to answer, in order."""
        self._gates: dict[str, trio.Event] = {}

    def hold(self, request: str) -> None:
        """Let requests of this name wait from now on."""
        self._gates[request] = trio.Event()

    def release(self, request: str) -> None:
        """Let them go on."""
        self._gates.pop(request).set()

    async def prove_work(self, claim: WorkClaim) -> bytes:
        return await self._gated("prove_work", partial(super().prove_work, claim))

    async def answer(self, calls: Sequence[OpenCall]) -> list[AnsweredCall]:
        self.answered += [call.call_id for call in calls]
        return await self._gated("answer", partial(super().answer, calls))

    async def prove_calls(
        self, calls: Sequence[AnsweredCall], payee: bytes, rules: CallParameters
    ) -> CallGroup:
        return await self._gated("prove_calls", partial(super().prove_calls, calls, payee, rules))

    async def prove_lane(
        self, call: AnsweredCall, sender: bytes, rules: CallParameters
    ) -> CallGroup:
        return await self._gated("prove_lane", partial(super().prove_lane, call, sender, rules))

    async def _gated(self, request: str, go_on: Callable[[], Awaitable[T]]) -> T:
        done = await go_on()
        if request in self._gates:
            await self._gates[request].wait()
        if request in self.fails:
            self.fails.remove(request)
            raise WorkerError(f"{request} failed")
        return done


class NoTexts(TextService):
    """A node whose tokenizers are nowhere."""

    def __init__(self) -> None:
        super().__init__({})


class SpelledText:
    """Text that spells token ids, so that tests can read and write it."""

    has_template = False

    def of_text(self, text: str) -> list[int]:
        return [1, *(int(word) for word in text.split())]

    def of_messages(self, messages: Sequence[object]) -> list[int]:
        raise NoTextError("this model has no chat template; send text instead of messages")

    def text(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        return " ".join(map(str, answer))

    def run(self, tokens: Sequence[int]) -> str:
        return " ".join(map(str, tokens))


def spelled_texts(params: NetworkParameters) -> TextService:
    """Texts of the fake model."""
    return TextService({params.model.model_id: SpelledText()})  # type: ignore[dict-item]


class LetGo:
    """Calls that may be replaced; what is settled is told as ever."""

    def __init__(self, calls: CallBook) -> None:
        self.settled = calls.settled

    def works_for(self, call_id: Txid) -> bool:
        return False


@dataclass
class NodeWorld:
    """An open node and whoever works for it."""

    params: NetworkParameters
    parts: NodeParts
    node: OpenNode
    searcher: ManualSearcher
    prover: GatedProver
    """Of tickets."""
    answerer: GatedProver
    """Of calls."""
    clock: Callable[[], int]
    stops: list[bool] = field(default_factory=list)
    """One entry for each time that the node was asked to stop."""

    async def ask(
        self, method: Method[RequestT, ReplyT], request: RequestT | None = None
    ) -> ReplyT:
        """What the RPC server would be told; an error must be one of those that the row lists."""
        try:
            return await self.node.rpc.call(method, request or method.read({}))
        except RpcError as error:
            if error.code not in method.errors:
                raise AssertionError(f"the row of {method.name} lacks {error.code}") from error
            raise

    @property
    def mining(self) -> NodeMining:
        assert self.node.mining is not None
        return self.node.mining

    @property
    def service(self) -> MiningService:
        return self.mining._service

    @property
    def desk(self) -> CallDesk:
        return self.mining.desk

    @property
    def calls(self) -> CallBook:
        return self.node.calls

    def let_calls_go(self) -> None:
        """Calls may be replaced from now on though somebody works for them."""
        self.node.mempool._worked_for = LetGo(self.node.calls)

    @property
    def height(self) -> int:
        return self.node.chain.view.context.height

    @property
    def genesis(self) -> bytes:
        return self.node.chain.view.context.genesis_hash

    @property
    def ledger(self) -> Ledger:
        """The state at the tip."""
        return Ledger(Overlay(self.node.chain.view.state))

    def nonce(self, key: KeyPair) -> int:
        nonce = self.ledger.account(address(key)).nonce
        return self.node.mempool.pool.next_nonce(address(key), nonce)

    def signed(
        self,
        key: KeyPair,
        payload: Payload,
        nonce: int | None = None,
        **parts: Unpack[EnvelopeParts],
    ) -> Transaction:
        """A transaction with the sender's next nonce behind what waits."""
        nonce = self.nonce(key) if nonce is None else nonce
        return sign(key, make(key, payload, nonce, **parts), self.genesis)

    async def send(
        self,
        key: KeyPair,
        payload: Payload,
        nonce: int | None = None,
        **parts: Unpack[EnvelopeParts],
    ) -> Transaction:
        """A transaction that waits."""
        transaction = self.signed(key, payload, nonce, **parts)
        await self.node.mempool.submit(transaction.to_bytes())
        return transaction

    async def send_calls(self, *prompts: int, key: KeyPair = ALICE, **parts: int) -> list[Txid]:
        """Calls that wait, told apart by a token of their prompts; their ids."""
        return [(await self.send(key, self.call(one, **parts))).txid for one in prompts]

    def call(self, token: int = 50, max_tokens: int = 8, price: int | None = None) -> LlmCall:
        bid = self.params.credits.minimum_bid if price is None else price
        return LlmCall(self.params.model.model_id, (1, token), max_tokens, bid)

    def others_block(self, plan: BlockPlan = EMPTY_PLAN, payee: KeyPair = CAROL) -> Block:
        """A block that somebody else found on the present tip."""
        manager = self.node.manager
        return mined_block(
            self.params, manager.context, manager.state, address(payee), self.clock(), plan
        )

    async def take(self, block: Block) -> Arrival:
        """A block from outside."""
        return await self.node.chain.submit(BlockBytes.of(block))

    async def others_turn(self, *transactions: Transaction, answers: Sequence[Any] = ()) -> Block:
        """Somebody else's block of these joins the chain."""
        block = self.others_block(BlockPlan(transactions, tuple(answers)))
        await self.take(block)
        return block

    async def mine(self, count: int = 1) -> None:
        """Our own blocks, each when its template has come."""
        for _ in range(count):
            before = self.node.chain.tip
            await until(lambda: self.service.doing == f"searching for block {self.height + 1}")
            await until(lambda: self.searcher.job.pre.parent == self.node.chain.tip)
            await self.searcher.find()
            await until(lambda before=before: self.node.chain.tip != before)  # type: ignore[misc]


def mined_block(
    params: NetworkParameters,
    chain: Any,
    state: Any,
    payee: bytes,
    now_ms: int,
    plan: BlockPlan = EMPTY_PLAN,
) -> Block:
    """The next block of a chain, by a miner that works alone."""
    miner = Miner(
        params,
        inference=FakeInference(params.model),
        prover=FakeProver(),
        bank=prompt_source(params),
        payee=payee,
        vrf_secret=bytes(32),
        attempts_per_call=1,
    )
    return miner.mine(chain, state, lambda: now_ms, plan).block


async def until(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    """Let all other tasks go on until something holds; threads may work on it meanwhile."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await trio.testing.wait_all_tasks_blocked(0.001)


async def rest() -> None:
    """Until nothing happens any more, in tasks or threads, but what waits for time or the test."""
    threads = trio.to_thread.current_default_thread_limiter()
    quiet = 0
    while quiet < 3:
        await trio.testing.wait_all_tasks_blocked(0.005)
        quiet = 0 if threads.borrowed_tokens else quiet + 1


def node_clock(params: NetworkParameters) -> Callable[[], int]:
    """Trio's seconds after the blocks that a grown chain has."""
    began = params.genesis_time_ms + 1000 * SPACING_MS
    clock = trio.lowlevel.current_clock()
    # Of the clock itself: threads ask as well.
    return lambda: began + round(1000 * clock.current_time())


@asynccontextmanager
async def node_world(
    datadir: Path,
    params: NetworkParameters = PARAMS,
    *,
    mines: bool = True,
    wanted: int | None = None,
    ends: bool = False,
    payee: KeyPair = MINER,
    texts: TextService | None = None,
    wall: Callable[[], int] | None = None,
    peers: PeersPort | None = None,
    crew: Crew | None = None,
    tier: int | None = None,
    gateway: GatewayPlan | None = None,
    farm: Farm | None = None,
    **settings: Any,
) -> AsyncIterator[NodeWorld]:
    """A node on a data directory; ``running`` lets it mine. ``wall`` may step.

    A ``crew`` takes the place of the world's own workers.
    """
    steady = node_clock(params)
    clock = wall or steady
    searcher = ManualSearcher(params, clock)
    prover, answerer = GatedProver(params), GatedProver(params)
    workers = Workers(searcher, prover, answerer)
    plan = None
    if mines:
        crew = crew or OneCrew(workers)
        plan = MiningPlan(address(payee), crew, 2, 3, wanted, ends, tier, farm)
    directory = DataDirectory(datadir, params)
    # The same luck in every run.
    directory.vrf_secret(bytes(32))
    # Long answers are returned by Carol, who has coins for their fees, unless a test says who.
    if mines:
        directory.results_seed(bytes([3]) * 32)
    parts = NodeParts(
        directory,
        FakeVerifier(params.model),
        texts or spelled_texts(params),
        clock,
        plan,
        store_options(params),
        steady,
        peers=peers,
        gateway=gateway,
    )
    stops: list[bool] = []
    chosen = Settings(network=params.name, datadir=datadir, **settings)
    with ExitStack() as closing:
        node = closing.enter_context(open_node(chosen, parts, lambda: stops.append(True)))
        yield NodeWorld(params, parts, node, searcher, prover, answerer, clock, stops)


@asynccontextmanager
async def running(world: NodeWorld) -> AsyncIterator[NodeWorld]:
    """The node mines within, once its first template is searched for or it waits."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.mining.run)
        await until(lambda: world.service.doing != "starting")
        await rest()
        yield world
        nursery.cancel_scope.cancel()


def store_options(params: NetworkParameters) -> StoreOptions:
    """Small files."""
    return StoreOptions(undo_depth=params.limits.undo_depth, reserve_bytes=0, segment_bytes=1 << 16)


def go(test: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a test's task; its clock moves when it is told to."""
    return trio.run(test, clock=trio.testing.MockClock())


def jump(seconds: float) -> None:
    """Let trio's time move on."""
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, trio.testing.MockClock)
    clock.jump(seconds)


def grown_datadir(folder: Path, params: NetworkParameters = PARAMS) -> Path:
    """A chain on which Alice and Bob have credits, made by somebody else."""

    async def grow() -> None:
        async with node_world(folder, params, mines=False) as world:
            stakes = [world.signed(key, Stake(500 * COIN)) for key in (ALICE, BOB)]
            await world.others_turn(*stakes)
            for _ in range(params.credits.epoch_blocks + 1):
                await world.others_turn()

    folder.mkdir(parents=True, exist_ok=True)
    go(grow)
    return folder


def copied(folder: Path, to: Path) -> Path:
    """A data directory of one's own."""
    shutil.copytree(folder, to)
    return to


def pay(receiver: KeyPair, amount: int = COIN) -> Transfer:
    return Transfer((Output(address(receiver), amount),))


def genesis_of(params: NetworkParameters) -> bytes:
    return genesis_hash(params)
