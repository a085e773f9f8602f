"""Steering a miner, and what it says of itself."""

from typing import Final

import trio

from esper.consensus.ticket import reference_work
from esper.node.chain.chain_service import ChainService
from esper.node.events import Events, Subscription
from esper.node.mining.mining_service import MinedNews, MiningService
from esper.node.mining.mining_statistics import expected_block_ms
from esper.node.views.rpc_formats import address_text
from esper.node.views.status_views import usefulness_per_mille
from esper.node.workers.work_ports import ProverPort, SearcherPort
from esper.primitives.ids import BlockId
from esper.primitives.params import NetworkParameters
from esper.rpc import schema as s

MOST_GENERATED: Final = 1_000
"""Blocks that one request may ask for."""


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
        """Cap the threads; None leaves them."""
        if threads is not None:
            self._threads = threads
            self._searcher.use_threads(threads)
        if prove_threads is not None:
            self._prove_threads = prove_threads
            for prover in self._provers:
                await prover.use_threads(prove_threads)

    async def generate(self, blocks: int, payee: bytes | None) -> list[BlockId]:
        """Mine so many blocks, paying ``payee`` if given; their ids."""
        async with self._one_at_a_time:
            usual = self._service.templates.payee
            if payee is not None:
                self._service.pay(payee)
            try:
                with self._events.subscribe(MinedNews, room=blocks) as mined:
                    self._service.want(blocks)
                    return [await _next_id(mined) for _ in range(blocks)]
            finally:
                self._service.stop_wanting()
                self._service.pay(usual)

    async def view(self) -> s.Mining:
        """The numbers."""
        rates = self._service.statistics.rates()
        view = self._chain.view
        chain = view.context
        useful = usefulness_per_mille(view)
        reference = reference_work(self._params.puzzle, self._params.model)
        target = chain.next_target(0)
        return s.Mining(
            running=self._service.searching,
            paused=self._service.paused,
            payee=address_text(self._service.templates.payee, self._params),
            threads=self._threads,
            prove_threads=self._prove_threads,
            attempts_per_second=round(rates.attempts_per_second, 1),
            tokens_per_second=round(rates.tokens_per_second, 1),
            expected_block_ms=expected_block_ms(
                rates.attempts_per_second, target, reference, reference
            ),
            proof_ms=rates.proof_ms,
            blocks_found=rates.found,
            blocks_stale=rates.stale,
            stale_per_mille=rates.stale_per_mille,
            calls_answered=rates.calls_answered,
            usefulness_per_mille=useful,
            doing=self._service.doing,
        )


async def _next_id(mined: Subscription[MinedNews]) -> BlockId:
    news = await mined.receive()
    # There is room for all that are waited for.
    assert isinstance(news, MinedNews)
    return news.block_id
