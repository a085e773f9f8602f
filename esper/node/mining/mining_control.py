"""Steering a miner, and what it says of itself."""

from dataclasses import dataclass
from typing import Final

import trio

from esper.consensus.ticket import reference_work
from esper.node.chain.chain_service import ChainService
from esper.node.events import Events, MiningHeld, NodeEvent, Subscription
from esper.node.mining.mining_service import MinedNews, MiningService
from esper.node.mining.mining_statistics import MiningRates, expected_block_ms
from esper.node.workers.threads import check_threads
from esper.node.workers.work_ports import ProverPort, SearcherPort
from esper.primitives.ids import BlockId
from esper.primitives.params import NetworkParameters

MOST_GENERATED: Final = 1_000
"""Blocks that one request may ask for."""


class MiningHeldError(Exception):
    """No block may come yet; the message says why and what to do."""


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
    """Between two blocks of this miner, 0 before anything was measured."""
    doing: str
    """A phrase for people."""


class MiningControl:
    """Pause and resume, threads, blocks on demand, and numbers for people."""

    def __init__(
        self,
        service: MiningService,
        searcher: SearcherPort,
        provers: list[ProverPort],
        chain: ChainService,
        params: NetworkParameters,
        events: Events,
        *,
        threads: int,
        prove_threads: int,
    ) -> None:
        self._service = service
        self._searcher = searcher
        self._provers = provers
        self._chain = chain
        self._params = params
        self._threads = threads
        self._prove_threads = prove_threads
        self._events = events
        self._one_at_a_time = trio.Lock()

    def pause(self) -> None:
        """Stop searching; a proof that runs is finished."""
        self._service.pause()

    def resume(self) -> None:
        """Go on."""
        self._service.resume()

    async def use_threads(self, threads: int | None, prove_threads: int | None) -> None:
        """Cap the threads; None leaves them. Raises ThreadsError before anything is changed."""
        for wanted in (threads, prove_threads):
            check_threads(wanted or 0)
        if threads is not None:
            self._threads = threads
            self._searcher.use_threads(threads)
        if prove_threads is not None:
            self._prove_threads = prove_threads
            for prover in self._provers:
                await prover.use_threads(prove_threads)

    async def generate(self, blocks: int, payee: bytes | None) -> list[BlockId]:
        """Mine so many blocks, paying ``payee`` if given; their ids. Raises MiningHeldError."""
        async with self._one_at_a_time:
            usual = self._service.templates.payee
            if payee is not None:
                self._service.pay(payee)
            try:
                with self._events.subscribe(MinedNews, MiningHeld, room=blocks + 1) as mined:
                    self._service.want(blocks)
                    return [await _next_id(mined) for _ in range(blocks)]
            finally:
                self._service.stop_wanting()
                self._service.pay(usual)

    def standing(self) -> MiningStanding:
        """How it goes."""
        chain = self._chain.view.context
        rates = self._service.statistics.rates()
        reference = reference_work(self._params.puzzle, self._params.model)
        expected = expected_block_ms(
            rates.attempts_per_second, chain.next_target(0), reference, reference
        )
        return MiningStanding(
            running=self._service.searching,
            paused=self._service.paused,
            payee=self._service.templates.payee,
            threads=self._threads,
            prove_threads=self._prove_threads,
            rates=rates,
            expected_block_ms=expected,
            doing=self._service.doing,
        )


async def _next_id(mined: Subscription[NodeEvent]) -> BlockId:
    """Raises MiningHeldError."""
    news = await mined.receive()
    if isinstance(news, MiningHeld):
        raise MiningHeldError(news.why)
    # There is room for all that are waited for.
    assert isinstance(news, MinedNews)
    return news.block_id
