"""By which terms `esper model pack` and `check` judge: a node's, or those of genesis."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as replaced
from typer.testing import CliRunner

from esper.cli.esper import environment
from esper.cli.esper import session as sessions
from esper.cli.esper.models import candidate
from esper.cli.esper.models.model import app
from esper.cli.esper.models.terms import Terms, terms_of
from esper.cli.esper.session import Session
from esper.consensus.registry import genesis_registry
from esper.dao.registry import TierRegistry
from esper.model.package.errors import ManifestError
from esper.primitives.networks import MAINNET, REGTEST, TESTNET
from esper.rpc.client import NodeError
from esper.wallet.errors import MisuseError, NodeContradictionError
from tests.support.vm_world import World
from tests.support.wallet.fake_wallet_node import FakeNode

HALF = REGTEST.governance.proving_cost_limit // 2
MOVED = {"proving_cost_limit": {"in_force": str(HALF)}}


def asked(monkeypatch: pytest.MonkeyPatch, **said: Any) -> FakeNode:
    """A node of regtest that says this."""
    node = FakeNode(World(), **said)
    monkeypatch.setattr(environment, "connect", lambda _: node)
    return node


def terms(network: str | None = None, datadir: Path = Path("nowhere")) -> Terms:
    return terms_of(Session(datadir, None, False, False), network)


@pytest.mark.parametrize("network", [None, "regtest"])
def test_what_is_in_force_holds(monkeypatch: pytest.MonkeyPatch, network: str | None) -> None:
    (tier,) = genesis_registry(REGTEST).tiers
    moved = TierRegistry((replace(tier, model=replace(tier.model, bank_size=5_000)),))
    node = asked(monkeypatch, moved=MOVED, tiers=moved)
    node.world.height = 7
    found = terms(network)
    assert found.params.governance.proving_cost_limit == HALF
    assert found.tiers == moved
    assert found.described() == {
        "network": "regtest",
        "in_force": True,
        "height": 7,
        "words": "what is in force on regtest at height 7, as the node says",
    }


def test_without_a_node_it_is_what_the_network_began_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ESPER_RPC", raising=False)
    found = terms(None, tmp_path)
    assert found.described() == {
        "network": "mainnet",
        "in_force": False,
        "height": None,
        "words": f"what mainnet began with, votes may have moved it: no node answers at {tmp_path}",
    }
    assert (found.params, found.tiers) == (MAINNET, genesis_registry(MAINNET))
    assert terms("testnet", tmp_path).params == TESTNET


def test_a_node_of_another_network_is_not_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked(monkeypatch, moved=MOVED)
    found = terms("testnet")
    assert (found.params, found.height) == (TESTNET, None)
    assert found.words.endswith("moved it: the node is on regtest")


def test_a_node_of_a_network_of_its_own_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the name, and another genesis."""
    asked(monkeypatch, genesis="ab" * 64)
    for network in (None, "regtest"):
        found = terms(network)
        assert (found.params.name, found.height) == (network or "mainnet", None)
        assert "a network of its own, 'regtest'" in found.words


def test_a_node_that_is_not_synced_may_say_what_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    node = asked(monkeypatch)
    found = node.settings()
    late = replaced(found, as_of=replaced(found.as_of, synced=False))
    monkeypatch.setattr(node, "settings", lambda: late)
    assert terms().words.endswith("which is not synced: it may be old")


def test_what_no_vote_leads_to_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, moved={"proving_cost_limit": {"in_force": "1"}})
    with pytest.raises(NodeContradictionError):
        terms()


def test_without_a_home_there_is_no_node(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(_: Path) -> Path:
        raise MisuseError("set HOME")

    monkeypatch.setattr(sessions, "expanded", no_home)
    assert terms().words.endswith("moved it: set HOME")


@pytest.mark.parametrize("command", ["pack", "check"])
def test_the_commands_judge_by_them(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    seen: list[Any] = []

    def judge(_: Path, params: Any, tiers: Any, *more: Any) -> None:
        seen.append((params, tiers))
        raise ManifestError("that is enough")

    node = asked(monkeypatch, moved=MOVED)
    monkeypatch.setattr(candidate, "candidate_of", judge)
    done = CliRunner().invoke(app, [command, "a-folder"])
    assert done.exit_code == 1, done.output
    ((params, tiers),) = seen
    assert params.governance.proving_cost_limit == HALF
    assert tiers == node.tiers


def test_a_bank_is_made_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ticket that is taken where none is named depends on what a proof may cost."""
    seen: list[Any] = []

    def make(_: Path, texts: Any, params: Any, *more: Any) -> None:
        seen.append(params.governance.proving_cost_limit)
        raise ManifestError("that is enough")

    asked(monkeypatch, moved=MOVED)
    monkeypatch.setattr(candidate, "bank_for", make)
    assert CliRunner().invoke(app, ["pack", "a-folder", "--bank", "genesis"]).exit_code == 1
    assert seen == [HALF]


def test_what_the_node_refuses_to_say_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    node = asked(monkeypatch)

    def refuses(*_: Any) -> None:
        raise NodeError(-32601, "there is no such method")

    monkeypatch.setattr(node, "call", refuses)
    done = CliRunner().invoke(app, ["check", "a-folder", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stderr)["error"]["message"] == "there is no such method"
