"""Prometheus' families of a miner's workers.

Labels are place, kind and slot: the program's own words, and numbers up to as many workers as the
settings allow at one time. A worker's host and process are for ``esperd farm status``: their names
come from other machines, and there is a new one for each worker that dies.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from esper.metrics.worker_sample import FarmSample, WorkerSample

LABELS: Final = ("where", "kind", "slot")
SEARCH: Final = "search"


def worker_families(workers: Sequence[WorkerSample]) -> Iterator[Metric]:
    """All families, always the same ones."""
    ready = GaugeMetricFamily(
        "esper_worker_ready", "1 while a worker is there and has loaded its model.", labels=LABELS
    )
    busy = CounterMetricFamily("esper_worker_busy_seconds", "Time of work.", labels=LABELS)
    restarts = CounterMetricFamily(
        "esper_worker_restarts", "Workers that came after one that was lost.", labels=LABELS
    )
    attempts = CounterMetricFamily(
        "esper_worker_attempts", "Tickets that a search answered.", labels=LABELS
    )
    tokens = CounterMetricFamily(
        "esper_worker_tokens", "Rows of the model that a search computed.", labels=LABELS
    )
    proofs = CounterMetricFamily(
        "esper_worker_proofs", "Proofs that were given; of a farm those that held.", labels=LABELS
    )
    for one in workers:
        labels = (one.where, one.kind, str(one.slot))
        ready.add_metric(labels, int(one.is_ready))
        busy.add_metric(labels, one.busy_seconds)
        restarts.add_metric(labels, one.restarts)
        if one.kind == SEARCH:
            attempts.add_metric(labels, one.attempts)
            tokens.add_metric(labels, one.tokens)
        else:
            proofs.add_metric(labels, one.proofs)
    yield from (ready, busy, restarts, attempts, tokens, proofs)


def farm_families(farm: FarmSample) -> Iterator[Metric]:
    """All families of a farm, always the same ones."""
    yield GaugeMetricFamily(
        "esper_farm_up", "1 while its cluster can be asked for workers.", value=int(farm.is_up)
    )
    yield CounterMetricFamily(
        "esper_farm_starts", "How often its cluster was joined.", value=farm.starts
    )
    lost = CounterMetricFamily("esper_farm_workers_lost", "Workers that are gone.", labels=["why"])
    lost.add_metric(["died"], farm.lost)
    lost.add_metric(["replaced"], farm.replaced)
    yield lost
