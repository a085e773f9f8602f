"""``esperd peers, connect, disconnect, ban, unban, bans``: the network of a node that runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import typer

from esper.cli.esperd.answers import JsonOption, answer
from esper.cli.esperd.asked_node import DatadirOption, asked_node
from esper.cli.esperd.columns import columns
from esper.rpc.methods import (
    BAN_PEER,
    CONNECT_PEER,
    DISCONNECT_PEER,
    GET_BANS,
    GET_NETWORK,
    GET_PEERS,
    UNBAN_PEER,
)
from esper.rpc.schema import (
    MAX_BAN_S,
    Ban,
    BanParams,
    ConnectedPeer,
    ConnectParams,
    LeftPeer,
    NetworkReply,
    NoParams,
    PeerParams,
)

PeerArgument = Annotated[
    str, typer.Argument(metavar="PEER", help="Its id, address or multiaddr, as `peers` shows them.")
]
HEADS: Final = ("address", "id", "dir", "height", "ping", "in", "out", "since", "services")
UNITS: Final = ("B", "KiB", "MiB", "GiB")
DURATIONS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"))


def peers(datadir: DatadirOption = None, as_json: JsonOption = False) -> None:
    """Who is connected, how the node stands, and why the last ones left."""
    with asked_node(datadir, as_json) as node:
        network = node.call(GET_NETWORK, NoParams())
        found = node.call(GET_PEERS, NoParams())
        answer(
            as_json,
            {"network": msgspec.to_builtins(network), **msgspec.to_builtins(found)},
            *_network_lines(network),
            *_table_lines(found.peers),
            *_left_lines(found.left),
        )


def connect(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="As /ip4/ADDRESS/tcp/PORT/p2p/ID.")
    ],
    datadir: DatadirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Dial a peer, and stay connected to it until the node ends.

    The setting `connect` does the same for every start.
    """
    with asked_node(datadir, as_json) as node:
        made = node.call(CONNECT_PEER, ConnectParams(address))
        answer(
            as_json,
            msgspec.to_builtins(made),
            f"connected to {made.address}, at height {made.height}, {made.agent}",
        )


def disconnect(
    peer: PeerArgument, datadir: DatadirOption = None, as_json: JsonOption = False
) -> None:
    """End a peer's connections; it may come back."""
    with asked_node(datadir, as_json) as node:
        ended = node.call(DISCONNECT_PEER, PeerParams(peer)).connections
        things = "connection" if ended == 1 else "connections"
        told = (
            f"{ended} {things} ended" if ended else "it was not connected, and is dialled no more"
        )
        answer(as_json, {"connections": ended}, told)


def ban(
    peer: PeerArgument,
    seconds: Annotated[
        int, typer.Option(min=1, max=MAX_BAN_S, help="How long; a day without it.")
    ] = 86_400,
    datadir: DatadirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep an id or an address away for a while, and end its connections."""
    with asked_node(datadir, as_json) as node:
        made = node.call(BAN_PEER, BanParams(peer, seconds))
        answer(as_json, msgspec.to_builtins(made), _ban_line(made))


def unban(peer: PeerArgument, datadir: DatadirOption = None, as_json: JsonOption = False) -> None:
    """Let an id or an address come again."""
    with asked_node(datadir, as_json) as node:
        node.call(UNBAN_PEER, PeerParams(peer))
        answer(as_json, {"unbanned": peer}, f"{peer} may come again")


def bans(datadir: DatadirOption = None, as_json: JsonOption = False) -> None:
    """Whom this node keeps away, why and how long."""
    with asked_node(datadir, as_json) as node:
        found = node.call(GET_BANS, NoParams())
        lines = [_ban_line(one) for one in found] or ["nobody is kept away"]
        answer(as_json, {"bans": msgspec.to_builtins(found)}, *lines)


def _network_lines(now: NetworkReply) -> list[str]:
    lines = [
        f"network     {_standing(now)}",
        f"peers       {now.outbound} that this node dialled, {now.inbound} that dialled it",
        f"listening   {now.listening or 'no: nobody is let in'}",
    ]
    if now.multiaddr:
        lines.append(f"own address {now.multiaddr}")
    lines += [f"warning     {one}" for one in now.warnings]
    return [*lines, ""]


def _standing(now: NetworkReply) -> str:
    # A node that is near the best chain it knows, and not synced, waits for something else.
    told = f"{'waiting' if now.state == 'near' else now.state}, height {now.height}"
    if now.best_height > now.height:
        told += f" of {now.best_height} that a peer claims"
    if now.blocks_per_second > 0 and not now.synced:
        told += f", {now.blocks_per_second:g} blocks/s"
    if now.seconds_left is not None:
        told += f", {length(now.seconds_left)} left"
    return told if now.synced else f"{told}; not synced: {now.why_not_synced}"


def _table_lines(found: Sequence[ConnectedPeer]) -> list[str]:
    """With ids and addresses whole, so that they can be used."""
    return columns([HEADS, *map(_row, found)]) if found else ["nobody is connected"]


def _row(peer: ConnectedPeer) -> tuple[str, ...]:
    kinds = [*peer.services]
    kinds += ["(blocks only)"] if peer.blocks_only else []
    kinds += ["(configured)"] if peer.static else []
    return (
        peer.address,
        peer.peer_id,
        peer.direction,
        str(peer.height),
        "-" if peer.ping_ms is None else f"{peer.ping_ms} ms",
        size(peer.bytes_in),
        size(peer.bytes_out),
        length(peer.connected_s),
        " ".join(kinds) or "-",
    )


def _left_lines(left: Sequence[LeftPeer]) -> list[str]:
    if not left:
        return []
    # One that is dialled in vain again and again is one line, of the last time.
    times = Counter((one.address, one.peer_id, one.why) for one in left)
    newest = {(one.address, one.peer_id, one.why): one.left_s for one in reversed(left)}
    lines = [
        f"{length(newest[key])} ago  {key[0]}  {key[1] or '-'}  {key[2]}"
        + (f" ({count} times)" if count > 1 else "")
        for key, count in times.items()
    ]
    return ["", "who left last, and why", *lines]


def _ban_line(one: Ban) -> str:
    return f"{one.target} is kept away for {length(one.seconds_left)}: {one.why}"


def size(count: int) -> str:
    """Bytes for people: ``812 B``, ``1.2 MiB``."""
    amount, unit = float(count), UNITS[0]
    for unit in UNITS:
        if amount < 1024 or unit == UNITS[-1]:
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def length(seconds: int) -> str:
    """A time for people, in its two largest units: ``41 s``, ``2 h 5 m``."""
    for place, (unit, name) in enumerate(DURATIONS):
        if seconds >= unit:
            smaller, letter = DURATIONS[place + 1] if place + 1 < len(DURATIONS) else (1, "s")
            return f"{seconds // unit} {name} {seconds % unit // smaller} {letter}"
    return f"{seconds} s"
