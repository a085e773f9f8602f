"""What the network is told: from the settings of a node, checked together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esper.embedded import SEED_FILES, find_embedded
from esper.node.setting_fields import SettingsError
from esper.node.settings import OWN_PORT, Resolved, Settings
from esper.p2p.peers.book.seeds import SeedError, read_seeds
from esper.p2p.peers.multiaddr import Multiaddr, parse_endpoint, parse_multiaddr
from esper.p2p.sync.headers.assumed import AssumedBlock, parse_assumed
from esper.primitives.params import NetworkParameters

PORTS: Final = {"mainnet": 9333, "testnet": 19333, "devnet": 29333, "regtest": 39333}
"""Where each network's nodes listen."""
ANYWHERE: Final = ("0.0.0.0", "::")
LOOPBACK: Final = "127.0.0.1"
MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What the network service is started with."""

    listen: tuple[str, ...]
    """Addresses or names to listen on; empty: nobody is let in."""
    port: int
    """Of TCP; 0: any that is free."""
    external: tuple[bytes, int] | None
    """16 bytes and a port that others are told, None: as they say; port 0: the listening one."""
    static: tuple[Multiaddr, ...]
    """Peers to stay connected to."""
    connect_only: bool
    """Nobody else is dialled."""
    seeds: tuple[Multiaddr, ...]
    """To begin with."""
    inbound: int
    """Connections that others may open."""
    upload_per_s: int
    """Bytes of history that all peers together are given."""
    archive: bool
    """Every proof is kept."""
    assumed: AssumedBlock | None
    """Below it proofs are not checked."""
    alone: bool
    """It is synced, and mines, without peers."""
    local_groups: bool
    """Local addresses are networks of their own: never on networks with value."""


def network_settings(resolved: Resolved, params: NetworkParameters) -> NetworkSettings:
    """The network's part of the settings. Raises SettingsError where they contradict each other."""
    one = resolved.settings
    _check_together(resolved)
    listen = () if one.no_listen else (one.listen,) if one.listen else ANYWHERE
    if listen == ANYWHERE and params.is_local:
        listen = (LOOPBACK,)
    return NetworkSettings(
        listen=listen,
        port=PORTS[params.name] if one.port == OWN_PORT else one.port,
        external=parse_endpoint(one.external_address) if one.external_address else None,
        static=tuple(map(parse_multiaddr, one.connect)),
        connect_only=one.connect_only,
        seeds=() if one.connect_only else _seeds(resolved, params),
        inbound=0 if one.no_listen else one.connections,
        upload_per_s=one.upload_mib * MIB,
        archive=one.archive,
        assumed=parse_assumed(one.assume_valid) if one.assume_valid else None,
        alone=one.alone,
        local_groups=one.local_groups and params.is_local,
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
