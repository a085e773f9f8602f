"""A node's part in its network: what of its settings the service begins with."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.node.peers import network_plan as module
from esper.node.peers.network_plan import NetworkPlan, network_plan
from esper.node.peers.network_settings import NetworkSettings, network_settings
from esper.node.settings import resolve
from esper.p2p.sync.assumed import AssumedBlock
from esper.p2p.transport.identity import Identity
from esper.primitives.ids import BlockId
from esper.primitives.networks import network
from tests.support.peer_world import ip

GENESIS = bytes(64)


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of no file: making one takes long."""
    monkeypatch.setattr(
        module, "load_identity", lambda folder, randbytes: Identity.from_seed(bytes(32))
    )


def settings(folder: Path, name: str, **flags: Any) -> NetworkSettings:
    found = resolve({"datadir": folder, "network": name, **flags}, {})
    return network_settings(found, network(name))


def planned(folder: Path, name: str, made: NetworkSettings, agent: str = "esper") -> NetworkPlan:
    return network_plan(made, network(name), GENESIS, folder, agent, 0)


@pytest.mark.parametrize("local_groups", [True, False])
@pytest.mark.parametrize("name", ["mainnet", "testnet", "devnet", "regtest"])
def test_local_addresses_are_something_else_on_local_networks_alone(
    tmp_path: Path, name: str, local_groups: bool
) -> None:
    made = replace(settings(tmp_path, name), local_groups=local_groups)
    found, local = planned(tmp_path, name, made).settings, name in ("devnet", "regtest")
    assert found.local_groups is (local and local_groups)
    assert found.keeps_local is local
    # Only tests that attack on one machine have local addresses limited.
    assert found.spares_local is (local_groups or not local)


def test_the_agent_is_printable_and_short(tmp_path: Path) -> None:
    made = settings(tmp_path, "regtest")
    assert planned(tmp_path, "regtest", made, "é" + "x" * 99).settings.agent == b"?" + b"x" * 63


def test_addresses_to_listen_on_come_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names(host: str, *about: object, **more: object) -> list[Any]:
        return [(0, 0, 0, "", (one, 0)) for one in ("2.1.0.1", "2.1.0.1", "2001:db8::1")]

    monkeypatch.setattr(socket, "getaddrinfo", names)
    made = settings(tmp_path, "regtest", listen="here")
    assert planned(tmp_path, "regtest", made).settings.hosts == ("2.1.0.1", "2001:db8::1")


def test_what_was_chosen_arrives(tmp_path: Path) -> None:
    made = settings(tmp_path, "regtest")
    assert planned(tmp_path, "regtest", made).settings.external == ()
    assert planned(tmp_path, "regtest", made).settings.assume_valid is None
    assumed = AssumedBlock(7, BlockId(b"i" * 64))
    chosen = replace(made, external=(ip("3.1.0.1"), 81), assumed=assumed, alone=True, inbound=3)
    found = planned(tmp_path, "regtest", chosen).settings
    assert found.external == ((ip("3.1.0.1"), 81),)
    assert found.assume_valid == (7, b"i" * 64)
    assert (found.alone, found.inbound) == (True, 3)
