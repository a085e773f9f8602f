"""Workers in numbers."""

from esper.metrics.worker_sample import FarmSample, WorkerSample
from esper.node.views.workers.known_workers import KnownWorker
from esper.node.workers.farm.farm import Farm
from esper.node.workers.worker_slot import WorkerState

READY = frozenset({WorkerState.IDLE, WorkerState.BUSY})


def worker_sample(one: KnownWorker) -> WorkerSample:
    """A slot."""
    now = one.standing
    return WorkerSample(
        where=one.where,
        kind=one.kind,
        slot=one.slot,
        is_ready=now.state in READY,
        attempts=now.attempts,
        tokens=now.tokens,
        proofs=now.proofs,
        busy_seconds=now.busy_ms / 1000,
        restarts=now.restarts,
    )


def farm_sample(farm: Farm) -> FarmSample:
    """The cluster."""
    counts = farm.counts
    return FarmSample(not farm.down, counts.starts, counts.lost, counts.replaced)
