"""`esper model fetch` and `esper model check` of a package that the node follows."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from esper.cli.esper import environment
from esper.cli.esper.app import application
from esper.cli.esper.models import followed_package
from esper.rpc.examples import MODEL_PACKAGE
from esper.rpc.schema import ModelPackages

ROOT = MODEL_PACKAGE.root


class Node:
    """Says one thing after another, and the last for ever."""

    def __init__(self, *states: dict[str, Any], fetches: bool = True) -> None:
        self.states = list(states)
        self.fetches = fetches

    def call(self, *_: Any) -> ModelPackages:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        one = msgspec.structs.replace(MODEL_PACKAGE, **state)
        return ModelPackages(7, self.fetches, [one])


def said(monkeypatch: pytest.MonkeyPatch, node: Node, *words: str, status: int = 0) -> str:
    monkeypatch.setattr(environment, "connect", lambda *_: node)
    monkeypatch.setattr(followed_package, "INTERVAL_S", 0)
    done = CliRunner().invoke(application(), ["model", *words])
    assert done.exit_code == status, (done.output, done.exception)
    return done.output


VERIFIED = {
    "state": "verified",
    "verdict": "verified",
    "done": 481,
    "words": "layers: empty",
}
REFUSED = {"state": "refused", "verdict": "refused", "words": "salt: the same; omega: too large"}


@pytest.mark.parametrize(
    "name", ["3", ROOT, ROOT[:8], MODEL_PACKAGE.model_id[:16], MODEL_PACKAGE.proposal[:12]]
)
def test_fetch_waits_until_it_is_whole_and_checked(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    steps: tuple[dict[str, Any], ...] = ({"state": "waiting"}, {}, {"state": "checking"}, VERIFIED)
    node = Node(*steps)
    lines = said(monkeypatch, node, "fetch", name).splitlines()
    assert len(node.states) == 1
    assert lines[0] == f"package   {ROOT}"
    assert "verdict   it is what its proposal says" in lines
    assert "          layers: empty" in lines
    found = json.loads(said(monkeypatch, Node(*steps), "fetch", name, "--json"))
    assert (found["state"], found["done"]) == ("verified", 481)


def test_what_is_refused_ends_with_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("fetch", "check"):
        text = said(monkeypatch, Node(REFUSED), command, "3", status=1)
        assert "refused: this node would not be ready for it" in text
        assert "          omega: too large" in text.splitlines()


def test_what_does_not_come_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"state": "absent"}
    assert "its vote" in said(monkeypatch, Node(absent), "fetch", "3", status=1)
    text = said(monkeypatch, Node(absent, fetches=False), "fetch", "3", status=1)
    assert "--keep-models" in text
    gone = {"state": "absent", "until": 99}
    assert "height 99" in said(monkeypatch, Node(gone), "fetch", "3", status=1)


def test_check_tells_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "verdict   none: it is not here" in said(
        monkeypatch, Node({"state": "absent"}), "check", "3"
    )
    assert "it is being fetched" in said(monkeypatch, Node({}), "check", ROOT[:12])


def test_a_package_that_nobody_proposed_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "follows no package 4" in said(monkeypatch, Node({}), "fetch", "4", status=1)
    assert "no id" in said(monkeypatch, Node({}), "fetch", "what?", status=1)
