"""Prometheus' families of a node's numbers. No label comes from users.

Names: ``esper_`` and a room of the node; counters end in ``_total``, times are seconds.
"""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from esper.metrics.gateway_families import gateway_families
from esper.metrics.sample import (
    EventsSample,
    HttpSample,
    MiningSample,
    NodeSample,
    PeersSample,
    TierSample,
)
from esper.metrics.worker_families import farm_families, worker_families

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


def exposition(sample: NodeSample) -> bytes:
    """What a scrape answers: the text format 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(sample))
    return generate_latest(registry)


class _Once(Collector):
    """A collector of one sample."""

    def __init__(self, sample: NodeSample) -> None:
        self._sample = sample

    def collect(self) -> Iterator[Metric]:
        return families(self._sample)


def families(sample: NodeSample) -> Iterator[Metric]:
    """All families of a sample, always the same ones for the same parts of a node."""
    build = {"version": sample.version, "network": sample.network}
    yield InfoMetricFamily("esper_build", "This program and its network.", value=build)
    yield from _chain(sample)
    yield from _tiers(sample.tiers)
    yield _gauge("mempool_transactions", "Transactions that wait.", sample.mempool_transactions)
    yield _gauge("mempool_calls", "Calls among them.", sample.mempool_calls)
    yield _gauge("mempool_bytes", "Bytes of all that waits.", sample.mempool_bytes)
    yield _gauge("loop_lag_seconds", "Lateness of the event loop's last turn.", sample.loop_lag_s)
    store = GaugeMetricFamily("esper_store_bytes", "Bytes on disk.", labels=["part"])
    for part, size in sample.store_bytes.items():
        store.add_metric([part], size)
    yield store
    if sample.mining is not None:
        yield from _mining(sample.mining)
        yield from worker_families(sample.workers)
    if sample.farm is not None:
        yield from farm_families(sample.farm)
    if sample.peers is not None:
        yield from _peers(sample.peers)
    if sample.events is not None:
        yield from _events(sample.events)
    if sample.http is not None:
        yield from _http(sample.http)
    if sample.gateway is not None:
        yield from gateway_families(sample.gateway)


def _chain(sample: NodeSample) -> Iterator[Metric]:
    yield _gauge("chain_height", "Height of the tip.", sample.height)
    yield _gauge(
        "chain_tip_age_seconds", "The machine's clock less the tip's time.", sample.tip_age_s
    )
    yield _gauge(
        "chain_usefulness_ratio", "Paid over proven tokens of the last blocks.", sample.usefulness
    )
    yield _gauge("chain_issued_units", "Units in existence.", sample.issued_units)
    yield _counter(
        "chain_reorganisations", "Changes of the tip that undid a block.", sample.reorganisations
    )
    yield SummaryMetricFamily(
        "esper_chain_block_import_seconds",
        "Joining the chain, without the check of proofs.",
        count_value=sample.blocks_imported,
        sum_value=sample.import_seconds,
    )


def _tiers(tiers: tuple[TierSample, ...]) -> Iterator[Metric]:
    target = GaugeMetricFamily(
        "esper_tier_target_log2", "Target of the next block, lower is harder.", labels=["tier"]
    )
    multiplier = GaugeMetricFamily(
        "esper_tier_multiplier_ratio", "What a block of the tier weighs.", labels=["tier"]
    )
    for one in tiers:
        target.add_metric([str(one.tier)], one.target_log2)
        multiplier.add_metric([str(one.tier)], one.multiplier)
    yield target
    yield multiplier


def _mining(mining: MiningSample) -> Iterator[Metric]:
    yield _counter("mining_attempts", "Tickets that were answered.", mining.attempts)
    blocks = GaugeMetricFamily(
        "esper_mining_blocks",
        "Own blocks since the start: found ones may leave the chain again and be stale.",
        labels=["outcome"],
    )
    blocks.add_metric(["found"], mining.found)
    blocks.add_metric(["stale"], mining.stale)
    yield blocks
    yield _gauge("mining_calls_answered", "Calls answered in own blocks.", mining.calls_answered)
    yield _gauge("mining_attempts_per_second", "Tickets a second.", mining.attempts_per_second)
    yield _gauge(
        "mining_tokens_per_second", "Rows of the model a second.", mining.tokens_per_second
    )
    yield _gauge("mining_proof_seconds", "Median of the last proofs.", mining.proof_seconds)
    yield _gauge("mining_running", "1 while it searches.", int(mining.running))


def _peers(peers: PeersSample) -> Iterator[Metric]:
    connected = GaugeMetricFamily(
        "esper_p2p_peers", "Peers that are connected.", labels=["direction"]
    )
    connected.add_metric(["inbound"], peers.inbound)
    connected.add_metric(["outbound"], peers.outbound)
    yield connected
    moved = GaugeMetricFamily(
        "esper_p2p_connected_bytes",
        "Bytes moved with the peers that are connected now.",
        labels=["direction"],
    )
    moved.add_metric(["in"], peers.bytes_in)
    moved.add_metric(["out"], peers.bytes_out)
    yield moved
    yield _gauge("p2p_best_height", "The greatest height that a peer claims.", peers.best_height)


def _events(events: EventsSample) -> Iterator[Metric]:
    sequence = GaugeMetricFamily(
        "esper_events_sequence", "Events since the start.", labels=["topic"]
    )
    for topic, count in events.sequence.items():
        sequence.add_metric([topic], count)
    yield sequence
    yield _gauge("events_subscribers", "Open sockets and streams.", events.subscribers)
    yield _counter(
        "events_dropped", "Events that were lost, and subscribers too slow.", events.dropped
    )


def _http(http: HttpSample) -> Iterator[Metric]:
    yield _gauge("http_connections", "Open connections.", http.connections)
    refused = CounterMetricFamily(
        "esper_http_refused", "Connections and requests that were refused.", labels=["reason"]
    )
    for reason, count in http.refused.items():
        refused.add_metric([reason], count)
    yield refused


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"esper_{name}", told, value=value)


def _counter(name: str, told: str, value: float) -> Metric:
    return CounterMetricFamily(f"esper_{name}", told, value=value)
