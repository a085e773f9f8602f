"""The parts of a node that mine, put together."""

import secrets
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from functools import partial

import trio

from esper.crypto.demo_key import demo_key
from esper.crypto.signing import SEED_BYTES, KeyPair, key_from_seed
from esper.node.calls.call_book import CallBook
from esper.node.calls.call_desk import CallDesk
from esper.node.calls.lanes import LaneAnswers
from esper.node.calls.signed_transaction import signed_prove, signed_result
from esper.node.calls.text_service import TextService
from esper.node.chain.chain_service import ChainService
from esper.node.clock import Clock, steady_ms
from esper.node.datadir import DataDirectory
from esper.node.entries.crew import Crew
from esper.node.entries.room import EntryRoom
from esper.node.events import Events, Missed
from esper.node.mempool.mempool_service import MempoolService
from esper.node.mining.handed_proves import HandedProves
from esper.node.mining.mining_control import MiningControl
from esper.node.mining.mining_news import BlockTeller, tell_progress
from esper.node.mining.mining_service import MinedNews, MiningService
from esper.node.mining.proves.waiting import HandedIn
from esper.node.mining.readiness import Readiness
from esper.node.mining.ready_proofs import ReadyProofs
from esper.node.mining.templates import TemplateMaker
from esper.node.workers.farm.farm import Farm
from esper.primitives.address import SUITE_ML_DSA_65
from esper.primitives.ids import Txid


@dataclass(frozen=True, slots=True)
class MiningPlan:
    """What to mine."""

    payee: bytes
    """33 bytes: who is paid."""
    crew: Crew
    """Who does it."""
    threads: int
    """Of the search, as it was started."""
    prove_threads: int
    """Of each prover, as it was started."""
    wanted: int | None = None
    """Blocks to begin with; None: without end."""
    ends: bool = False
    """Whether the node stops when they are there."""
    tier: int | None = None
    """The only tier that is mined; None: whichever promises most."""
    farm: Farm | None = None
    """Whose workers the crew's share their work with; None: this machine is alone."""


class NodeMining:
    """A miner beside a chain and a mempool."""

    def __init__(
        self,
        plan: MiningPlan,
        directory: DataDirectory,
        chain: ChainService,
        mempool: MempoolService,
        texts: TextService,
        calls: CallBook,
        events: Events,
        vrf_secret: bytes,
        clock: Clock,
        stop: Callable[[], None],
        steady: Clock = steady_ms,
        is_checked: Callable[[Txid], bool] = lambda proposal: True,
    ) -> None:
        """``steady`` counts how long things take.

        ``is_checked`` says whether the package that a proposal names was checked here.
        """
        self._room = EntryRoom(plan.crew, plan.tier, steady)
        # Whoever asks what is answered here may ask before anything runs.
        self._room.look(chain.view.context)
        key = results_key(directory, plan.payee)
        lanes = LaneAnswers(key.address.to_bytes(), partial(signed_result, key))
        self.proofs = ready_proofs(key, plan.payee)
        """Rehearsals that wait for an own block, or for the payee's signature."""
        self.handed = HandedIn()
        """What others have proven, and waits for an own block."""
        self._readiness = Readiness(self.proofs, plan.crew, chain, events, is_checked)
        self.desk = CallDesk(
            chain,
            mempool,
            self._room,
            calls,
            events,
            payee=plan.payee,
            lanes=lanes,
            clock=steady,
        )
        """Answers calls."""
        self._service = MiningService(
            chain,
            mempool,
            self.desk,
            self._room,
            TemplateMaker(directory.params, plan.payee, vrf_secret),
            clock,
            events,
            lanes=lanes,
            proofs=self.proofs,
            handed=self.handed,
            wanted=plan.wanted,
            steady=steady,
        )
        self.control = MiningControl(
            self._service,
            chain,
            events,
            threads=plan.threads,
            prove_threads=plan.prove_threads,
        )
        """Steers it."""
        self.farm = plan.farm
        """Workers elsewhere, if it has any."""
        self._chain = chain
        self._events = events
        self._teller = BlockTeller(texts)
        self._last = plan.wanted if plan.ends else None
        self._stop = stop

    @property
    def warnings(self) -> tuple[str, ...]:
        """What keeps it from ever mining, as the chain stands: sentences for its operator."""
        no_tier = self._room.why_no_tier(self._chain.view.context)
        return (no_tier,) if no_tier else ()

    def look_again(self) -> None:
        """Whether mining may go on may have changed."""
        self._service.look_again()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Mine until cancelled; the last wanted block asks for the end. Raises WorkerError."""
        try:
            with self._events.subscribe(MinedNews) as mined:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._follow_mined, mined)
                    nursery.start_soon(self._service.run)
                    nursery.start_soon(self._readiness.run)
                    if self.farm is not None:
                        nursery.start_soon(self.farm.run)
                    nursery.start_soon(tell_progress, self.control, self._chain)
                    task_status.started()
        finally:
            await self._room.close()

    async def _follow_mined(self, mined: AsyncIterable[MinedNews | Missed]) -> None:
        """Tell people, and end the node after the last wanted block."""
        blocks = 0
        async for news in mined:
            if isinstance(news, Missed):
                blocks += news.count
            else:
                blocks += 1
                self._teller.heard(news)
            if self._last is not None and blocks >= self._last:
                self._stop()


def ready_proofs(key: KeyPair, payee: bytes) -> ReadyProofs:
    """Who mines for another key than this node's signs elsewhere that it is ready."""
    if key.address.to_bytes() == payee:
        return ReadyProofs(payee, partial(signed_prove, key))
    handed = HandedProves()
    return ReadyProofs(payee, handed.sign, handed)


def results_key(directory: DataDirectory, payee: bytes) -> KeyPair:
    """The key that returns long answers: the payee's if everyone holds it, else the node's own."""
    demo = demo_key()
    if demo.address.to_bytes() == payee:
        return demo
    seed = directory.results_seed(secrets.token_bytes(SEED_BYTES))
    return key_from_seed(SUITE_ML_DSA_65, seed)
