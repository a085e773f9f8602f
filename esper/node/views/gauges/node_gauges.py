"""What metrics and health checks say of a node."""

from collections.abc import Callable, Sequence
from math import log2

import esper
from esper.dao.registry import ONE
from esper.metrics.gateway_sample import GatewaySample
from esper.metrics.sample import Health, MiningSample, NodeSample, PeersSample, TierSample
from esper.metrics.worker_sample import WorkerSample
from esper.node.chain.chain_service import ChainService
from esper.node.chain.recent_usefulness import PER_MILLE, usefulness_per_mille
from esper.node.clock import Clock
from esper.node.entries.prospects import Readiness
from esper.node.mempool.mempool_service import MempoolService
from esper.node.mining.mining_control import MiningControl
from esper.node.peers.port import PeersPort
from esper.node.views.gauges.outside_gauge import OutsideGauge
from esper.node.views.gauges.store_gauge import StoreGauge
from esper.node.views.gauges.worker_gauge import farm_sample, worker_sample
from esper.node.views.sync_state import SyncState
from esper.node.views.workers.known_workers import known_workers
from esper.node.workers.farm.farm import Farm
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay

USABLE = frozenset({Readiness.READY, Readiness.RESTING})
"""Models that answer."""


class NodeGauges:
    """A ``NodeGauge``."""

    def __init__(
        self,
        chain: ChainService,
        mempool: MempoolService,
        sync: SyncState,
        mining: MiningControl | None,
        peers: PeersPort | None,
        store: StoreGauge,
        troubles: Sequence[Callable[[], str]] = (),
        *,
        lag_ms: Callable[[], int],
        clock: Clock,
        outside: OutsideGauge | None = None,
        gateway: Callable[[], GatewaySample | None] = lambda: None,
        farm: Farm | None = None,
    ) -> None:
        """``lag_ms``: how late the event loop's last turn was.

        ``troubles``: what else may be wrong, each a sentence, or nothing while it is in order.
        ``outside``: None serves nobody. ``gateway``: its numbers, None while there is none.
        ``farm``: whose workers share the work, None if the miner has none.
        """
        self._farm = farm
        self._gateway = gateway
        self._chain = chain
        self._mempool = mempool
        self._sync = sync
        self._mining = mining
        self._peers = peers
        self._store = store
        self._troubles = tuple(troubles)
        self._lag_ms = lag_ms
        self._clock = clock
        self._outside = outside

    async def sample(self) -> NodeSample:
        """Its numbers now."""
        sizes = await self._store.bytes_by_part()
        view, counts = self._chain.view, self._chain.counts
        chain, waiting = view.context, self._mempool.pool.statistics()
        return NodeSample(
            version=esper.__version__,
            network=chain.params.name,
            height=chain.height,
            tip_age_s=(self._clock() - chain.times_ms[-1]) / 1000,
            usefulness=usefulness_per_mille(view) / PER_MILLE,
            issued_units=Ledger(Overlay(view.state)).chain.issued,
            reorganisations=counts.reorganisations,
            blocks_imported=counts.blocks,
            import_seconds=counts.took_ms / 1000,
            tiers=tuple(
                TierSample(
                    tier.id,
                    log2(chain.target(tier.own) + 1),
                    tier.own.omega / ONE,
                )
                for tier in chain.registry.tiers
            ),
            mempool_transactions=waiting.transactions,
            mempool_calls=waiting.calls,
            mempool_bytes=waiting.fee_bytes + waiting.call_bytes,
            loop_lag_s=self._lag_ms() / 1000,
            store_bytes=sizes,
            mining=self._mining_sample(),
            peers=self._peers_sample(),
            events=None if self._outside is None else self._outside.events(),
            http=None if self._outside is None else self._outside.http(),
            gateway=self._gateway(),
            workers=self._workers(),
            farm=None if self._farm is None else farm_sample(self._farm),
        )

    def usefulness_per_mille(self) -> int:
        """Paid over proven tokens of the last blocks."""
        return usefulness_per_mille(self._chain.view)

    async def health(self) -> Health:
        """Whether it may be used now: synced, with room on its disk, its models loaded."""
        view = self._chain.view
        reasons = [self._sync.why_not(view.context), await self._store.trouble()]
        if self._mining is not None:
            standing = self._mining.standing()
            if not any(one.readiness in USABLE for one in standing.prospects):
                reasons.append(f"no model is loaded: {standing.doing}")
        reasons += [trouble() for trouble in self._troubles]
        return Health(usefulness_per_mille(view), tuple(filter(None, reasons)))

    def _mining_sample(self) -> MiningSample | None:
        if self._mining is None:
            return None
        standing = self._mining.standing()
        rates = standing.rates
        return MiningSample(
            attempts=rates.attempts_ever,
            found=rates.found,
            stale=rates.stale,
            calls_answered=rates.calls_answered,
            attempts_per_second=rates.attempts_per_second,
            tokens_per_second=rates.tokens_per_second,
            proof_seconds=rates.proof_ms / 1000,
            running=standing.running,
        )

    def _workers(self) -> tuple[WorkerSample, ...]:
        loaded = () if self._mining is None else self._mining.loaded.values()
        return tuple(map(worker_sample, known_workers(self._farm, loaded)))

    def _peers_sample(self) -> PeersSample | None:
        if self._peers is None:
            return None
        network, peers = self._peers.network(), self._peers.peers()
        return PeersSample(
            inbound=network.inbound,
            outbound=network.outbound,
            bytes_in=sum(one.bytes_in for one in peers),
            bytes_out=sum(one.bytes_out for one in peers),
            best_height=network.best_height,
        )
