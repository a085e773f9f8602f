"""Prometheus' families of a gateway. Endpoints, codes and statuses are the program's own words."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from esper.metrics.gateway_sample import GatewaySample, Steps


def gateway_families(sample: GatewaySample) -> Iterator[Metric]:
    """All families, always the same ones."""
    requests = CounterMetricFamily(
        "esper_gateway_requests", "Requests that were answered.", labels=["endpoint", "code"]
    )
    for (endpoint, code), count in sorted(sample.requests.items()):
        requests.add_metric([endpoint, code], count)
    yield requests
    yield _histogram("queue_seconds", "From admission to a slot of the engine.", sample.queue)
    yield _histogram("first_token_seconds", "From admission to the first token.", sample.first)
    yield _labelled("tokens", "Tokens of answered requests.", "kind", sample.tokens)
    yield _gauge("streams", "Streams that are open.", sample.streams)
    yield _gauge("slots_used", "Answers that are being made.", sample.slots_used)
    yield _gauge("waiting", "Requests that wait for a slot.", sample.waiting)
    yield _gauge("proof_backlog_calls", "Calls that wait to be proven.", sample.backlog_calls)
    receipts = GaugeMetricFamily(
        "esper_gateway_receipts", "Calls that are followed, by status.", labels=["status"]
    )
    for status, count in sorted(sample.receipts.items()):
        receipts.add_metric([status], count)
    yield receipts
    yield CounterMetricFamily(
        "esper_gateway_disagreements",
        "Answers of the chain that were not the signed ones.",
        value=sample.disagreements,
    )
    yield CounterMetricFamily(
        "esper_gateway_credits_burned",
        "Micro-credits that proofs have cost.",
        value=sample.credits_burned,
    )


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"esper_gateway_{name}", told, value=value)


def _labelled(name: str, told: str, label: str, values: Mapping[str, int]) -> Metric:
    found = CounterMetricFamily(f"esper_gateway_{name}", told, labels=[label])
    for value, count in sorted(values.items()):
        found.add_metric([value], count)
    return found


def _histogram(name: str, told: str, steps: Steps) -> Metric:
    below, buckets = 0, []
    ends = (*map(str, steps.ends_s), "+Inf")
    for end, count in zip(ends, steps.counts, strict=True):
        below += count
        buckets.append((end, below))
    return HistogramMetricFamily(
        f"esper_gateway_{name}", told, buckets=buckets, sum_value=steps.sum_s
    )
