"""Steering a miner, and what it says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import trio

from esper.consensus.reward import block_reward
from esper.node.chain.chain_service import ChainService
from esper.node.entries.entry_workers import EntryWorkers
from esper.node.entries.prospects import Prospect
from esper.node.events import Events, MiningHeld, NodeEvent, Subscription
from esper.node.in_force import parameters_of
from esper.node.mining.mining_service import MinedNews, MiningService
from esper.node.mining.mining_statistics import MiningRates, expected_block_ms
from esper.node.workers.loadable import Loadable
from esper.node.workers.threads import check_threads
from esper.primitives.ids import BlockId, ModelId

MOST_GENERATED: Final = 1_000
"""Blocks that one request may ask for."""


class MiningHeldError(Exception):
    """No block may come yet; the message says why and what to do."""


class MiningPausedError(Exception):
    """Blocks were asked for while mining is paused."""

    def __init__(self, found: list[BlockId]) -> None:
        mined = f" after {len(found)} of the blocks" if found else ""
        super().__init__(
            f"mining is paused{mined}: `esperd resume` (or resume_mining) lets it go on"
        )
        self.found = tuple(found)
        """Blocks that were mined before."""


@dataclass(frozen=True, slots=True)
class MiningStanding:
    """How mining goes at one moment."""

    running: bool
    """Whether it may search."""
    paused: bool
    """Whether a person stopped it."""
    payee: bytes
    """33 bytes: who is paid."""
    threads: int
    """Of the search, 0: one for each processor."""
    prove_threads: int
    """Of each prover, 0: one for each processor."""
    rates: MiningRates
    """What was measured."""
    expected_block_ms: int
    """Between two blocks of this miner, 0 while it is paused or nothing was measured."""
    doing: str
    """A phrase for people."""
    tier: int | None
    """The only tier that is mined; None: whichever promises most."""
    mined: Loadable | None
    """What is mined now, None if nothing can be."""
    prospects: tuple[Prospect, ...]
    """What every entry of the next block promises, by tier."""
    reward: int
    """Units that the next block pays at least: its subsidy without the bonus."""


class MiningControl:
    """Pause and resume, threads, blocks on demand, and numbers for people."""

    def __init__(
        self,
        service: MiningService,
        chain: ChainService,
        events: Events,
        *,
        threads: int,
        prove_threads: int,
    ) -> None:
        self._service = service
        self._chain = chain
        self._threads = threads
        self._prove_threads = prove_threads
        self._events = events
        self._one_at_a_time = trio.Lock()
        self._generating: trio.CancelScope | None = None

    @property
    def paused(self) -> bool:
        """Whether a person stopped the search."""
        return self._service.paused

    def pause(self) -> None:
        """Stop searching; a proof that runs is finished, and who waits for blocks is told."""
        self._service.pause()
        if self._generating is not None:
            self._generating.cancel()

    def resume(self) -> None:
        """Go on."""
        self._service.resume()

    async def use_threads(self, threads: int | None, prove_threads: int | None) -> None:
        """Cap the threads; None leaves them. Raises ThreadsError before anything is changed."""
        for wanted in (threads, prove_threads):
            check_threads(wanted or 0)
        await self._service.room.use_threads(threads, prove_threads)
        if threads is not None:
            self._threads = threads
        if prove_threads is not None:
            self._prove_threads = prove_threads

    def answers(self, model_id: ModelId) -> bool:
        """Whether calls to a model are answered here."""
        return model_id in self._service.room.models

    @property
    def loaded(self) -> Mapping[Loadable, EntryWorkers]:
        """Entries that workers are kept for."""
        return self._service.room.loaded

    async def generate(self, blocks: int, payee: bytes | None) -> list[BlockId]:
        """Mine so many blocks, paying ``payee`` if given; their ids.

        Raises MiningPausedError at once where mining is paused, or is while this waits, and
        MiningHeldError where no block may come yet.
        """
        self._check_not_paused()
        async with self._one_at_a_time:
            self._check_not_paused()
            usual, found = self._service.templates.payee, list[BlockId]()
            if payee is not None:
                self._service.pay(payee)
            try:
                with (
                    self._events.subscribe(MinedNews, MiningHeld, room=blocks + 1) as mined,
                    trio.CancelScope() as self._generating,
                ):
                    self._service.want(blocks)
                    while len(found) < blocks:
                        found.append(await _next_id(mined))
            finally:
                self._generating = None
                self._service.stop_wanting(blocks - len(found))
                self._service.pay(usual)
            if len(found) < blocks:
                raise MiningPausedError(found)
            return found

    def _check_not_paused(self) -> None:
        if self._service.paused:
            raise MiningPausedError([])

    def standing(self) -> MiningStanding:
        """How it goes."""
        view, room = self._chain.view, self._service.room
        chain = view.context
        mined = room.mined
        rates = self._service.statistics.rates(None if mined is None else mined.speed)
        prospects = room.prospects(chain)
        # None between an entry's last block and the choice of another.
        now = next((one for one in prospects if mined and one.loadable == mined.entry), None)
        speed = 0.0 if self._service.paused else rates.attempts_per_second
        rules = parameters_of(chain, view.state).reward
        return MiningStanding(
            running=self._service.searching,
            paused=self._service.paused,
            payee=self._service.templates.payee,
            threads=self._threads,
            prove_threads=self._prove_threads,
            rates=rates,
            expected_block_ms=0 if now is None else expected_block_ms(speed, now.chance),
            doing=self._service.doing,
            tier=room.tier,
            mined=None if mined is None else mined.entry,
            prospects=prospects,
            reward=block_reward(chain.height + 1, 0, 0, rules),
        )


async def _next_id(mined: Subscription[NodeEvent]) -> BlockId:
    """Raises MiningHeldError."""
    news = await mined.receive()
    if isinstance(news, MiningHeld):
        raise MiningHeldError(news.why)
    # There is room for all that are waited for.
    assert isinstance(news, MinedNews)
    return news.block_id
