"""What the network is told: from the settings of a node, checked together."""

import socket
from pathlib import Path
from typing import Final

import esper
from esper.embedded import SEED_FILES, find_embedded
from esper.node.setting_fields import SettingsError
from esper.node.settings import OWN_PORT, Resolved, Settings
from esper.p2p.peers.book.seeds import SeedError, read_seeds
from esper.p2p.peers.multiaddr import (
    Multiaddr,
    parse_endpoint,
    parse_multiaddr,
    peer_id_text,
)
from esper.p2p.service.settings import NetworkSettings
from esper.p2p.sync.headers.assumed import parse_assumed
from esper.p2p.transport.identity import known_id
from esper.primitives.params import NetworkParameters

PORTS: Final = {"mainnet": 9333, "testnet": 19333, "devnet": 29333, "regtest": 39333}
"""Where each network's nodes listen."""
ANYWHERE: Final = ("0.0.0.0", "::")
LOOPBACK: Final = "127.0.0.1"
MIB: Final = 1 << 20
AGENT: Final = f"esper/{esper.__version__}".encode("ascii", "replace")[:64]
"""What peers are told of this program."""


def network_settings(resolved: Resolved, params: NetworkParameters) -> NetworkSettings:
    """The network's part of the settings. Raises SettingsError where they contradict each other."""
    one = resolved.settings
    _check_together(resolved)
    listen = () if one.no_listen else (one.listen,) if one.listen else ANYWHERE
    if listen == ANYWHERE and params.is_local:
        listen = (LOOPBACK,)
    assumed = parse_assumed(one.assume_valid) if one.assume_valid else None
    return NetworkSettings(
        hosts=tuple(ip for host in listen for ip in _addresses(host)),
        port=PORTS[params.name] if one.port == OWN_PORT else one.port,
        external=(parse_endpoint(one.external_address),) if one.external_address else (),
        static=tuple(map(parse_multiaddr, one.connect)),
        connect_only=one.connect_only,
        seeds=() if one.connect_only else _seeds(resolved, params),
        inbound=0 if one.no_listen else one.connections,
        archive=one.archive,
        assume_valid=None if assumed is None else (assumed.height, assumed.block_id),
        alone=one.alone,
        # Never on networks with value: there an owner of many local addresses is one owner.
        local_groups=params.is_local and one.local_groups,
        spares_local=not params.is_local or one.local_groups,
        keeps_local=params.is_local,
        upload_per_s=one.upload_mib * MIB,
        agent=AGENT,
    )


def check_not_ourselves(resolved: Resolved) -> None:
    """A node that names itself would never have that peer. Raises SettingsError, NodeKeyError."""
    named = tuple(map(parse_multiaddr, resolved.settings.connect))
    own = known_id(resolved.settings.datadir) if named else None
    for one in named:
        if one.peer_id == own:
            raise SettingsError(
                f"{resolved.place('connect')}: {peer_id_text(one.peer_id)} is this node's own id; "
                "name another node, or leave it out"
            )


def prunes(settings: Settings) -> bool | None:
    """Whether old proofs are deleted; None: as the network has it."""
    if settings.archive:
        return False
    return {"auto": None, "yes": True, "no": False}[settings.prune]


def _check_together(resolved: Resolved) -> None:
    one = resolved.settings
    if one.no_listen and one.listen:
        raise SettingsError(f"{resolved.place('listen')}: leave it out, or `no_listen`")
    if one.no_listen and one.external_address:
        raise SettingsError(
            f"{resolved.place('external_address')}: nobody can dial a node with `no_listen`; "
            "leave one of them out"
        )
    if one.connect_only and one.no_listen and not one.connect:
        raise SettingsError(
            f"{resolved.place('connect_only')}: it would never have a peer with `no_listen`; name "
            "some with `connect`"
        )
    if one.archive and one.prune == "yes":
        raise SettingsError(f"{resolved.place('prune')}: must be auto or no with `archive`")
    ids = [address.rpartition("/")[2] for address in one.connect]
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(f"{resolved.place('connect')}: {twice} is there twice; name it once")


def _seeds(resolved: Resolved, params: NetworkParameters) -> tuple[Multiaddr, ...]:
    file, own = resolved.settings.seeds_file, f"{params.name}.txt"
    if file == Path():
        if own not in SEED_FILES:
            return ()
        file = find_embedded().seeds / own
    elif not file.exists():
        raise SettingsError(
            f"{resolved.place('seeds_file')}: {file} cannot be read: there is no such file"
        )
    try:
        return read_seeds(file)
    except (SeedError, OSError) as error:
        raise SettingsError(f"{resolved.place('seeds_file')}: {error}") from error


def _addresses(host: str) -> list[str]:
    """The IP addresses of a name of this machine, which a start has checked to have some."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(str(one[4][0]) for one in found))
