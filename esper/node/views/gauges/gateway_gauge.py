"""A gateway in numbers."""

from collections import Counter
from collections.abc import Iterable

from esper.gateway.counts import BOUNDS_S, Histogram
from esper.gateway.proving_rows import Row, Status
from esper.gateway.service.gateway_service import GatewayService
from esper.metrics.gateway_sample import GatewaySample, Steps

WAITING = frozenset({Status.QUEUED, Status.LAPSED})


def gateway_sample(service: GatewayService, rows: Iterable[Row] = ()) -> GatewaySample:
    """The numbers now; ``rows``: of the calls that are followed."""
    counts = service.counts
    statuses = Counter(row.status for row in rows)
    return GatewaySample(
        requests=dict(counts.requests),
        queue=_steps(counts.queue),
        first=_steps(counts.first_token),
        tokens={"prompt": counts.prompt_tokens, "answer": counts.answer_tokens},
        streams=counts.streams,
        slots_used=service.desk.used,
        waiting=service.desk.waiting,
        backlog_calls=sum(statuses[one] for one in WAITING),
        receipts={status.value: statuses[status] for status in Status},
        disagreements=counts.disagreements,
        credits_burned=counts.credits_burned,
    )


def _steps(found: Histogram) -> Steps:
    return Steps(BOUNDS_S, tuple(found.steps), found.sum_s)
