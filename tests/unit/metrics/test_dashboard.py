"""The dashboard for Grafana: every name in it is one that a scrape has, and none is left out."""

from __future__ import annotations

import json
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from esper.metrics.families import exposition
from tests.unit.metrics.test_families import SAMPLE

DASHBOARD = Path(__file__).parents[3] / "packaging" / "grafana" / "esper.json"
NAME = re.compile(r"esper_[a-z0-9_]+")


def test_names_of_the_dashboard_are_those_of_a_scrape() -> None:
    text = exposition(SAMPLE).decode()
    samples = {
        one.name for family in text_string_to_metric_families(text) for one in family.samples
    }
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    shown = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in NAME.findall(target["expr"])
    }
    assert shown == samples
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
