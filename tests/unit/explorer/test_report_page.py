"""Reports on models as the DAO's page shows them: scores, samples, who proved what."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from esper.explorer.page import Asking, Page
from esper.explorer.pages.dao import dao
from esper.explorer.port import ChainReader
from esper.explorer.routes import explorer_routes
from esper.explorer.writing import page_writer
from esper.node.clock import wall_ms
from esper.rpc import examples
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.errors import NOT_FOUND, NOT_MINING, RpcError
from tests.support.explorer.hostile_node import MARKUP, HostileNode
from tests.support.node.fake_node import served, settings
from tests.support.node.node_world import go

[REPORT] = examples.REPORTS.reports
PROVER = s.ProverReply(examples.BOB, "7e" * 64, 209)


class OneNode:
    """Answers the examples, and what it is given about reports."""

    def __init__(self, reports: s.Reports | RpcError) -> None:
        self._reports = reports

    async def call(self, method: object, request: object) -> object:
        if method is not m.DAO_REPORTS:
            return method.example.reply  # type: ignore[attr-defined]
        if isinstance(self._reports, RpcError):
            raise self._reports
        return self._reports


def page(reports: s.Reports | RpcError) -> str:
    reader = ChainReader(OneNode(reports))  # type: ignore[arg-type]

    async def main() -> str:
        made = await dao(reader, Asking({}, {}, 0, True))
        assert isinstance(made, Page)
        status = await reader.ask(m.GET_STATUS)
        around = {
            "node": status,
            "now_ms": 0,
            "has_events": False,
            "has_console": False,
            "verifier": None,
        }
        return " ".join(page_writer().written(made, **around).split())

    return str(go(main))


def with_report(**fields: object) -> str:
    return page(replace(examples.REPORTS, reports=[replace(REPORT, **fields)]))


def test_score_sample_and_who_proved() -> None:
    text = page(examples.REPORTS)
    assert "37 of 120, 30.8 %" in text
    assert "needs reports that stand" in text
    assert "height 218: the sample is judged" in text
    assert "item 17, said to be right: proven by" in text
    assert f'href="/address/{examples.BOB}"' in text
    assert f'href="/tx/{"7e" * 64}"' in text
    assert "item 94, said to be wrong:" in text
    assert "not proven yet" in text
    assert "25 ESP held" in text


def test_what_became_of_a_false_report() -> None:
    refuted = s.RefutedItem(item=5, right=True, by=PROVER, share="1250000000")
    fields: dict[str, object] = {
        "state": "refuted",
        "next": None,
        "sample": [],
        "bond": "0",
        "refuted": refuted,
    }
    text = with_report(burned="1250000000", **fields)
    assert "item 5, said to be right, is not: proven by" in text
    assert "who got 12.5 ESP" in text
    assert "0 ESP back, 12.5 ESP burned" in text
    assert "height 218" not in text


def test_a_report_that_stands_waits_for_nothing() -> None:
    text = with_report(state="stands", next=None)
    assert "stands" in text
    assert "25 ESP held" in text
    assert "<dt>Next</dt><dd>height 218" not in text


def test_models_without_suites_or_that_just_ended_have_no_part() -> None:
    for nothing in (replace(examples.REPORTS, suites=[]), RpcError(NOT_FOUND, "ended")):
        assert "Reports on models" not in page(nothing)
    with pytest.raises(RpcError, match="not there"):
        page(RpcError(NOT_MINING, "not there"))


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[httpx.Client]:
    node = HostileNode()
    node.text = MARKUP
    others = explorer_routes(node, remote=False, clock=wall_ms)
    with (
        served(node, settings(tmp_path), others) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as made,
    ):
        yield made


def test_words_of_strangers_are_text(hostile: httpx.Client) -> None:
    text = hostile.get("/dao", headers={"accept": "text/html"}).text
    assert "Reports on models" in text
    assert "&lt;script&gt;" in text
    for broken in ("<script>globalThis", "<img src='//evil", "<svg", "<iframe", "<base"):
        assert broken not in text
