"""What an operator sees of the network, and does about it, through ``esperd`` and ``esper``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from esper.cli.esper import app as esper
from esper.cli.esperd import app as esperd
from esper.cli.esperd.networking import length, size
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.client import NodeError, RpcClient
from esper.rpc.errors import INVALID_PARAMS, NOT_FOUND
from esper.rpc.examples import BAN, MULTIADDR, NETWORK, PEER, PEER_ID, PEERS, STATUS
from esper.rpc.method import Method
from tests.support.fake_work import fake_network
from tests.support.node.esperd_world import mine, run, use_fakes


class FakeClient:
    """A node that answers the examples, or what a test put in their place."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.answers: dict[str, Any] = {}

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, method: Method[Any, Any], request: Any) -> Any:
        self.asked.append((method.name, request))
        return self.answers.get(method.name, method.example.reply)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    made = FakeClient()
    monkeypatch.setattr(RpcClient, "from_environment", lambda *_: made)
    return made


def asked(*arguments: Any) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_peers_are_a_table_with_what_can_be_typed_again(client: FakeClient) -> None:
    other = msgspec.structs.replace(
        PEER,
        address="[2001:db8::7]:41022",
        direction="in",
        ping_ms=None,
        bytes_in=999,
        connected_s=59,
        services=[],
        blocks_only=True,
        static=False,
    )
    client.answers["get_peers"] = s.Peers([PEER, other], PEERS.left)
    lines = run("peers").splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("address"))
    head, first, second = lines[at : at + 3]
    assert head.split() == ["address", "id", "dir", "height", "ping", "in", "out", "since",
                            "services"]  # fmt: skip
    assert first.split() == ["192.0.2.7:9333", PEER_ID, "out", "1", "41", "ms", "793.3", "KiB",
                             "9.6", "KiB", "1", "h", "0", "m", "archive", "transactions",
                             "(configured)"]  # fmt: skip
    assert second.split() == ["[2001:db8::7]:41022", PEER_ID, "in", "1", "-", "999", "B", "9.6",
                              "KiB", "59", "s", "(blocks", "only)"]  # fmt: skip
    for word in ("id", "height", "since"):
        column = head.index(word)
        assert first[column - 1] == second[column - 1] == " "
        assert " " not in (first[column], second[column])
    assert lines[at + 4] == "who left last, and why"
    assert lines[at + 5] == f"12 s ago  198.51.100.9:41022  {PEER_ID}  late: no pong in 20 s"


def test_peers_say_how_the_node_stands(client: FakeClient) -> None:
    # What it did while it caught up is of no use any more.
    client.answers["get_network"] = msgspec.structs.replace(NETWORK, blocks_per_second=0.2)
    lines = run("peers").splitlines()
    assert lines[:4] == [
        "network     synced, height 1",
        "peers       2 that this node dialled, 1 that dialled it",
        "listening   0.0.0.0:9333",
        f"own address {MULTIADDR}",
    ]
    client.answers["get_network"] = msgspec.structs.replace(
        NETWORK, synced=False, why_not_synced="it catches up: wait", state="blocks", height=100,
        best_height=1204, blocks_per_second=12.5, seconds_left=88, listening="", multiaddr="",
        warnings=["this machine's clock is 40 s behind: set it"],
    )  # fmt: skip
    client.answers["get_peers"] = s.Peers([], [])
    assert run("peers").splitlines() == [
        "network     blocks, height 100 of 1204 that a peer claims, 12.5 blocks/s, 1 m 28 s left; "
        "not synced: it catches up: wait",
        "peers       2 that this node dialled, 1 that dialled it",
        "listening   no: nobody is let in",
        "warning     this machine's clock is 40 s behind: set it",
        "",
        "nobody is connected",
    ]


def test_near_without_being_synced_is_called_waiting(client: FakeClient) -> None:
    client.answers["get_network"] = msgspec.structs.replace(
        NETWORK, synced=False, why_not_synced="no peer", state="near"
    )
    assert run("peers").startswith("network     waiting, height 1; not synced: no peer\n")


def test_a_peer_that_is_dialled_in_vain_is_one_line(client: FakeClient) -> None:
    gone = s.LeftPeer("192.0.2.9:9333", PEER_ID, 5, "not reached: Connection refused")
    later, other = [msgspec.structs.replace(gone, left_s=seconds) for seconds in (25, 60)]
    left = [gone, later, msgspec.structs.replace(other, why="closed by the peer")]
    client.answers["get_peers"] = s.Peers([], left)
    assert run("peers").splitlines()[-2:] == [
        f"5 s ago  192.0.2.9:9333  {PEER_ID}  not reached: Connection refused (2 times)",
        f"1 m 0 s ago  192.0.2.9:9333  {PEER_ID}  closed by the peer",
    ]


def test_peers_as_an_object(client: FakeClient) -> None:
    found = asked("peers")
    assert found == {
        "network": msgspec.to_builtins(NETWORK),
        **msgspec.to_builtins(PEERS),
    }


def test_steering_the_network(client: FakeClient) -> None:
    assert run("connect", MULTIADDR) == "connected to 192.0.2.7:9333, at height 1, esper/0.1.0\n"
    assert client.asked.pop() == ("connect_peer", s.ConnectParams(MULTIADDR))
    assert asked("connect", MULTIADDR) == msgspec.to_builtins(PEER)
    assert run("disconnect", PEER_ID) == "1 connection ended\n"
    client.answers["disconnect_peer"] = s.Disconnected(2)
    assert run("disconnect", "192.0.2.7") == "2 connections ended\n"
    assert client.asked.pop() == ("disconnect_peer", s.PeerParams("192.0.2.7"))
    assert asked("disconnect", PEER_ID) == {"connections": 2}
    client.answers["disconnect_peer"] = s.Disconnected(0)
    assert run("disconnect", PEER_ID) == "it was not connected, and is dialled no more\n"
    told = "192.0.2.7 is kept away for 1 h 0 m: a person asked for it\n"
    assert run("ban", "192.0.2.7", "--seconds", 3600) == told
    assert client.asked.pop() == ("ban_peer", s.BanParams("192.0.2.7", 3600))
    assert asked("ban", "192.0.2.7") == msgspec.to_builtins(BAN)
    assert client.asked.pop() == ("ban_peer", s.BanParams("192.0.2.7", 86_400))
    assert run("bans") == told
    assert asked("bans") == {"bans": [msgspec.to_builtins(BAN)]}
    client.answers["get_bans"] = []
    assert run("bans") == "nobody is kept away\n"
    assert run("unban", "192.0.2.7") == "192.0.2.7 may come again\n"
    assert client.asked.pop() == ("unban_peer", s.PeerParams("192.0.2.7"))
    assert asked("unban", PEER_ID) == {"unbanned": PEER_ID}


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(("code", "status"), [(INVALID_PARAMS, 2), (NOT_FOUND, 1)])
@pytest.mark.parametrize("command", ["connect", "disconnect", "ban", "unban"])
def test_what_names_nobody_is_misused_and_who_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    client: FakeClient,
    command: str,
    code: int,
    status: int,
    as_json: bool,
) -> None:
    def refuse(*_: Any) -> None:
        raise NodeError(code, "peer: it is nobody")

    monkeypatch.setattr(client, "call", refuse)
    told = run(command, "somebody", *(["--json"] if as_json else []), status=status)
    if as_json:
        assert json.loads(told) == {"error": {"name": "Node", "message": "peer: it is nobody"}}
    else:
        assert told == "error: peer: it is nobody\n"


def test_a_ban_of_no_time_is_misused() -> None:
    assert "seconds" in run("ban", PEER_ID, "--seconds", 0, status=2)


@pytest.mark.parametrize("command", ["peers", "connect", "disconnect", "ban", "unban", "bans"])
def test_without_a_node_there_is_a_sentence(tmp_path: Path, command: str) -> None:
    given = [] if command in ("peers", "bans") else [PEER_ID]
    told = run(command, *given, "--datadir", tmp_path, status=1)
    assert str(tmp_path) in told


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (5 << 20, "5.0 MiB"),
        (3 << 40, "3072.0 GiB"),
    ],
)
def test_sizes_for_people(count: int, told: str) -> None:
    assert size(count) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (59, "59 s"), (60, "1 m 0 s"), (3_725, "1 h 2 m"), (90_000, "1 d 1 h")],
)
def test_times_for_people(seconds: int, told: str) -> None:
    assert length(seconds) == told


# --- esper status ------------------------------------------------------------------------------


def status_lines(client: FakeClient, **changes: Any) -> list[str]:
    client.answers[m.GET_STATUS.name] = msgspec.structs.replace(STATUS, **changes)
    done = CliRunner().invoke(esper.application(), ["status"])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def test_status_tells_of_peers(client: FakeClient) -> None:
    lines = status_lines(client, best_height=9)
    assert (
        "peers       2 that this node dialled, 1 that dialled it; the best claims height 9" in lines
    )
    assert lines[0] == "devnet, as of height 1"


def test_status_without_a_network(client: FakeClient) -> None:
    lines = status_lines(client, inbound=None, outbound=None, best_height=None)
    assert not [line for line in lines if line.startswith("peers")]


def test_status_says_why_it_is_not_synced_and_what_helps(client: FakeClient) -> None:
    why = "nobody is connected: `esperd connect ADDRESS` names a peer"
    lines = status_lines(client, synced=False, why_not_synced=why, inbound=0, outbound=0,
                         best_height=0)  # fmt: skip
    assert lines[0] == f"devnet, as of height 1, not synced: {why}"
    assert "peers       0 that this node dialled, 0 that dialled it" in lines


# --- esperd resync -----------------------------------------------------------------------------


@pytest.fixture
def regtest(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch, fake_network())


@pytest.mark.usefixtures("regtest")
def test_a_chain_is_set_aside_by_whoever_means_it(tmp_path: Path) -> None:
    datadir = tmp_path / "d"
    mine(datadir, blocks=1)
    told = run("resync", "--datadir", datadir, status=2)
    assert "--accept-loss" in told
    assert "1 blocks valid" in run("verify-chain", "--datadir", datadir)
    told = run("resync", "--datadir", datadir, "--accept-loss")
    [aside] = datadir.glob("set-aside-*")
    assert told.startswith(f"the chain lies in {aside} now")
    assert "0 blocks valid" in run("verify-chain", "--datadir", datadir)
    assert (datadir / "wallets").is_dir()
    found = asked("resync", "--datadir", datadir, "--accept-loss")
    assert found == {"datadir": str(datadir), "set_aside": None}
    told = run("resync", "--datadir", datadir, "--accept-loss")
    assert told.startswith("there was no chain to set aside. ")
    mine(datadir, blocks=1)
    found = asked("resync", "--datadir", datadir, "--accept-loss")
    assert Path(found["set_aside"]).is_dir()


@pytest.mark.usefixtures("regtest")
def test_what_is_no_data_directory_is_left_alone(tmp_path: Path) -> None:
    told = run("resync", "--datadir", tmp_path, "--accept-loss", status=2)
    assert "is no data directory" in told
    assert list(tmp_path.iterdir()) == []


def test_the_commands_of_the_network_are_in_the_list() -> None:
    done = CliRunner().invoke(esperd.application([]), ["--help"])
    for name in ("peers", "connect", "disconnect", "ban", "unban", "bans", "resync"):
        assert f"  {name} " in done.output
