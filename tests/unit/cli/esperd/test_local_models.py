"""``esperd models``: by a node that runs, and by the disk alone."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from esper.cli.esperd import app as esperd
from esper.cli.esperd.steering import _tier_line
from esper.primitives.networks import REGTEST
from esper.rpc.client import NodeUnreachableError, RpcClient
from esper.rpc.examples import LOCAL_MODEL, MINED_TIER, MODEL_PACKAGE
from esper.rpc.methods import MODEL_PROGRESS
from esper.rpc.schema import LocalModels, ModelPackages

NAME = LOCAL_MODEL.model_id[:16]


class Node:
    """Says one thing."""

    def __enter__(self) -> "Node":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, method: Any, *_: Any) -> LocalModels | ModelPackages:
        if method is MODEL_PROGRESS:
            return ModelPackages(7, True, [MODEL_PACKAGE])
        changed = msgspec.structs.replace
        return LocalModels(
            7,
            [
                changed(LOCAL_MODEL, first=8, until=29, standing="previous", loaded="resting"),
                changed(LOCAL_MODEL, first=20, standing="scheduled", here=False, loaded="no"),
                changed(LOCAL_MODEL, tier=None, first=None, standing="none", loaded="no"),
            ],
        )


def told(*words: Any, status: int = 0) -> str:
    done = CliRunner().invoke(esperd.application(), ["models", *map(str, words)])
    assert done.exit_code == status, (done.output, done.exception)
    return done.output


def test_a_running_node_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(RpcClient, "from_environment", lambda *_: Node())
    assert told("--datadir", tmp_path).splitlines() == [
        "at height 7",
        f"{NAME}  tier 0, previous, lies here, loaded for calls, until height 29",
        f"{NAME}  tier 0, scheduled, is not here, not loaded, from height 20, no end known",
        f"{NAME}  lies here, no block may be mined with it",
        f"{NAME}  package {'5c' * 8} of proposal 3, fetching, 120 of 481 chunks, no end known",
    ]
    found = json.loads(told("--datadir", tmp_path, "--json"))
    assert (found["running"], found["height"], len(found["models"])) == (True, 7, 3)


def test_without_a_node_it_is_what_lies_on_the_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ESPER_NETWORK", "regtest")
    lines = told("--datadir", tmp_path).splitlines()
    assert lines[0].startswith("no node runs here")
    assert lines[1].startswith(f"{REGTEST.model.model_id.hex()[:16]}  lies in ")
    found = json.loads(told("--datadir", tmp_path, "--json"))
    assert (found["running"], found["height"]) == (False, None)
    assert [one["model_id"] for one in found["models"]] == [REGTEST.model.model_id.hex()]
    monkeypatch.setenv("ESPER_MODEL", str(tmp_path / "nowhere"))
    assert json.loads(told("--datadir", tmp_path, "--json"))["models"] == []


def test_a_node_that_was_named_and_does_not_answer_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def nobody(*_: Any) -> RpcClient:
        raise NodeUnreachableError("http://192.0.2.1", "nobody answers")

    monkeypatch.setattr(RpcClient, "from_environment", nobody)
    monkeypatch.setenv("ESPER_RPC", "http://192.0.2.1")
    assert "nobody answers" in told("--datadir", tmp_path, status=1)


def test_lines_of_tiers() -> None:
    changed = msgspec.structs.replace
    assert _tier_line(MINED_TIER) == (
        f"tier 0      model {NAME}, ready, mined now: a block every 81.0 s, 200.00 ESP an hour"
    )
    other = changed(MINED_TIER, previous=True, mined=False, measured=False, readiness="resting")
    assert _tier_line(other).startswith(f"tier 0      previous {NAME}, resting: a block every")
    assert _tier_line(other).endswith("(estimated)")
    missing = changed(other, readiness="missing", expected_block_ms=0)
    assert _tier_line(missing) == f"tier 0      previous {NAME}, missing"
