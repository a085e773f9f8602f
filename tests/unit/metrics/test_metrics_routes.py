"""Scrapes and health checks over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from esper.metrics.routes import metrics_routes
from esper.metrics.sample import Health, NodeSample
from esper.rpc.routes import Gate
from tests.support.node.fake_node import FakeNode, served, settings
from tests.unit.metrics.test_families import SAMPLE


class FakeGauge:
    """A node that says what a test wants."""

    def __init__(self) -> None:
        self.found = Health(125)
        self.scrapes = self.checks = 0

    async def sample(self) -> NodeSample:
        self.scrapes += 1
        return SAMPLE

    def usefulness_per_mille(self) -> int:
        return self.found.usefulness_per_mille

    async def health(self) -> Health:
        self.checks += 1
        return self.found


@contextmanager
def browsing(gauge: FakeGauge, folder: Path) -> Iterator[httpx.Client]:
    asked = settings(folder)
    others = metrics_routes(gauge, Gate(asked))
    with served(FakeNode(), asked, others=others) as port:
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, trust_env=False) as browser:
            yield browser


def test_a_scrape_is_what_prometheus_reads(tmp_path: Path) -> None:
    with browsing(FakeGauge(), tmp_path) as browser:
        answer = browser.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert answer.headers["cache-control"] == "no-store"
        found = {one.name for one in text_string_to_metric_families(answer.text)}
    assert "esper_chain_height" in found


def test_a_wrong_token_reads_no_metrics(tmp_path: Path) -> None:
    gauge = FakeGauge()
    with browsing(gauge, tmp_path) as browser:
        wrong = {"authorization": "Bearer 00"}
        assert browser.get("/metrics", headers=wrong).status_code == 401
        assert browser.post("/metrics").status_code == 405
    assert gauge.scrapes == 0


@pytest.mark.parametrize("reasons", [(), ("the tip is old; wait",)])
def test_health_says_whether_the_node_may_be_used(tmp_path: Path, reasons: tuple[str, ...]) -> None:
    gauge = FakeGauge()
    gauge.found = Health(125, reasons)
    with browsing(gauge, tmp_path) as browser:
        ready, live = browser.get("/health/ready"), browser.get("/health/live")
    assert gauge.checks == 1
    assert ready.status_code == (503 if reasons else 200)
    assert ready.json() == {
        "status": "not ready" if reasons else "ready",
        "reasons": list(reasons),
        "usefulness_per_mille": 125,
    }
    assert (live.status_code, live.json()) == (
        200,
        {"status": "live", "usefulness_per_mille": 125},
    )


def test_the_last_connections_answer_them_too(tmp_path: Path) -> None:
    routes = metrics_routes(FakeGauge(), Gate(settings(tmp_path)))
    assert all(route.is_essential for route in routes)
