"""What the network is started with, and what its settings cannot mean together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import esper
from esper.node.peers.network_settings import (
    ANYWHERE,
    PORTS,
    check_not_ourselves,
    network_settings,
)
from esper.node.peers.network_settings import prunes as prunes_of
from esper.node.setting_fields import SettingsError
from esper.node.settings import Resolved, Settings, resolve
from esper.p2p.peers.multiaddr import ip_from_text
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.service.settings import NetworkSettings
from esper.p2p.transport.identity import KEY_FILE, load_identity
from esper.primitives.networks import NETWORKS, network
from tests.support.net.fake_peers import CLOSED, FRIEND


def resolved(folder: Path, **flags: Any) -> Resolved:
    return resolve({"datadir": folder, **flags}, {})


def told(folder: Path, **flags: Any) -> NetworkSettings:
    found = resolved(folder, **flags)
    return network_settings(found, network(found.settings.network))


def test_every_network_has_its_port_and_local_ones_stay_at_home(tmp_path: Path) -> None:
    assert PORTS.keys() == NETWORKS.keys()
    assert len(set(PORTS.values())) == len(PORTS)
    for name in NETWORKS:
        found = told(tmp_path, network=name)
        local = name in ("devnet", "regtest")
        assert found.port == PORTS[name]
        assert found.hosts == (("127.0.0.1",) if local else ANYWHERE)
        assert found.local_groups is local
        # Never where an address costs something.
        assert not told(tmp_path, network=name, local_groups=False).local_groups
        assert found.keeps_local is local
    assert told(tmp_path, network="devnet", listen="0.0.0.0").hosts == ("0.0.0.0",)


def test_a_name_of_this_machine_is_listened_on_at_all_its_addresses(tmp_path: Path) -> None:
    found = told(tmp_path, listen="localhost").hosts
    assert set(found) <= {"127.0.0.1", "::1"}
    assert len(set(found)) == len(found) > 0


def test_what_is_said_arrives(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds"
    seeds.write_text(str(CLOSED))
    assumed = "ab" * 64
    found = told(
        tmp_path,
        listen="192.0.2.1",
        port=0,
        external_address="192.0.2.7:81",
        connect=f"{FRIEND}, {CLOSED}",
        seeds_file=seeds,
        connections=5,
        upload_mib=2,
        archive=True,
        assume_valid=f"12:{assumed}",
        alone=True,
    )
    assert found == NetworkSettings(
        hosts=("192.0.2.1",),
        port=0,
        external=((ip_from_text("192.0.2.7"), 81),),
        static=(FRIEND, CLOSED),
        connect_only=False,
        seeds=(CLOSED,),
        inbound=5,
        upload_per_s=2 << 20,
        archive=True,
        assume_valid=(12, bytes.fromhex(assumed)),
        alone=True,
        local_groups=True,
        spares_local=True,
        keeps_local=True,
        agent=f"esper/{esper.__version__}".encode(),
    )


def test_what_is_not_said_is_the_network_s(tmp_path: Path) -> None:
    found = told(tmp_path, network="mainnet")
    assert (found.external, found.static, found.assume_valid) == ((), (), None)
    assert (found.inbound, found.upload_per_s) == (32, 16 << 20)
    assert (found.archive, found.alone, found.connect_only) == (False, False, False)


def test_a_node_that_lets_nobody_in(tmp_path: Path) -> None:
    found = told(tmp_path, no_listen=True)
    assert (found.hosts, found.inbound) == ((), 0)


def test_who_names_all_peers_has_no_seeds(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds"
    seeds.write_text(str(CLOSED))
    found = told(tmp_path, seeds_file=seeds, connect=str(FRIEND), connect_only=True)
    assert (found.static, found.seeds, found.connect_only) == ((FRIEND,), (), True)


@pytest.mark.parametrize(
    ("flags", "field", "remedy"),
    [
        ({"no_listen": True, "listen": "127.0.0.1"}, "listen", "leave it out"),
        ({"no_listen": True, "external_address": "192.0.2.7"}, "external_address", "leave one"),
        ({"no_listen": True, "connect_only": True}, "connect_only", "name some with `connect`"),
        ({"archive": True, "prune": "yes"}, "prune", "auto or no with `archive`"),
        ({"connect": f"{FRIEND},{FRIEND}"}, "connect", "name it once"),
        ({"seeds_file": "/nowhere/seeds"}, "seeds_file", "/nowhere/seeds cannot be read"),
    ],
)
def test_what_cannot_be_meant_together_names_field_and_remedy(
    tmp_path: Path, flags: dict[str, Any], field: str, remedy: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        told(tmp_path, **flags)
    assert str(refused.value).startswith(f"command line: {field} = ")
    assert remedy in str(refused.value)


def test_a_node_is_no_peer_of_its_own(tmp_path: Path) -> None:
    named = resolved(tmp_path, connect=str(FRIEND))
    # The first start makes the key: nobody can know the id before.
    check_not_ourselves(named)
    assert not (tmp_path / KEY_FILE).exists()
    own = load_identity(tmp_path, lambda size: b"s" * size).node_id
    check_not_ourselves(named)
    ourselves = PeerAddress(FRIEND.ip, FRIEND.port, own)
    with pytest.raises(SettingsError, match="is this node's own id; name another node"):
        check_not_ourselves(resolved(tmp_path, connect=f"{FRIEND},{ourselves}"))


def test_local_addresses_are_treated_alike_at_the_door_and_behind_it(tmp_path: Path) -> None:
    for name, chosen, spared in (
        ("devnet", True, True),
        ("devnet", False, False),
        ("mainnet", True, True),
        ("mainnet", False, True),
    ):
        settings = told(tmp_path, network=name, local_groups=chosen)
        assert settings.spares_local is spared
        assert settings.localities.spares(ip_from_text("127.0.0.1")) is spared


@pytest.mark.parametrize(
    ("settings", "prunes"),
    [
        (Settings(), None),
        (Settings(prune="yes"), True),
        (Settings(prune="no"), False),
        (Settings(archive=True), False),
    ],
)
def test_an_archive_keeps_every_proof(settings: Settings, prunes: bool | None) -> None:
    assert prunes_of(settings) is prunes
