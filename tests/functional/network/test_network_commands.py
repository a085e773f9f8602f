"""Two nodes on this machine, joined and parted through their commands."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from esper.rpc.examples import PEER_ID
from tests.support.node.node_process import BIN, RunningNode, environment, running, until

pytestmark = pytest.mark.nodes

REGTEST = ("--network", "regtest")
QUIET = (*REGTEST, "--connect-only")
"""Dials nobody that a test does not name."""


@dataclass
class Pair:
    """Two nodes: the first mines on demand and waits to be dialled."""

    first: RunningNode
    second: RunningNode

    @property
    def address(self) -> str:
        """Of the first, as anybody dials it."""
        now = asked(self.first, "peers")["network"]
        host, _, port = now["listening"].rpartition(":")
        return f"/ip4/{host}/tcp/{port}/p2p/{now['peer_id']}"


def command(
    node: RunningNode, program: str, *words: str | int, status: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [BIN / program, *map(str, words), "--datadir", node.datadir],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment(),
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def asked(node: RunningNode, *words: str | int, program: str = "esperd") -> Any:
    return json.loads(command(node, program, *words, "--json").stdout)


def refused(node: RunningNode, *words: str | int, status: int = 1) -> str:
    """The one line that a refusal is."""
    [line] = command(node, "esperd", *words, status=status).stderr.splitlines()
    return line


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    with (
        running("node", folder / "a", *QUIET) as first,
        running("node", folder / "b", *QUIET) as second,
    ):
        yield Pair(first, second)


def test_a_pair_is_joined_follows_and_is_parted(pair: Pair) -> None:
    first, second = pair.first, pair.second
    address = pair.address
    assert asked(first, "peers")["peers"] == []
    made = asked(second, "connect", address)
    assert (made["direction"], made["static"]) == ("out", True)
    assert address.endswith(made["peer_id"])
    [seen] = until("the other side", lambda: asked(first, "peers")["peers"] or None)
    assert (seen["direction"], seen["static"]) == ("in", False)
    # Again is the same connection.
    assert asked(second, "connect", address)["number"] == made["number"]
    status = asked(second, "status", program="esper")
    assert (status["outbound"], status["inbound"]) == (1, 0)

    [block] = asked(first, "generate", 1)["hashes"]
    until(
        "the block at the other",
        lambda: asked(second, "status", program="esper")["tip"] == block or None,
    )
    table = command(second, "esperd", "peers").stdout
    assert made["address"] in table
    assert made["peer_id"] in table

    assert asked(second, "disconnect", made["peer_id"]) == {"connections": 1}
    until("the end of it", lambda: asked(second, "peers")["peers"] == [] or None)
    until("the other's end", lambda: asked(first, "peers")["peers"] == [] or None)
    [left, *_] = asked(second, "peers")["left"]
    assert left["peer_id"] == made["peer_id"]
    assert left["why"]
    assert "esperd peers" in refused(second, "disconnect", made["peer_id"])


def test_who_is_banned_is_not_let_in_until_it_is_lifted(pair: Pair) -> None:
    first, second = pair.first, pair.second
    own = asked(second, "peers")["network"]["peer_id"]
    ban = asked(first, "ban", own, "--seconds", 600)
    assert ban["target"] == own
    assert 590 <= ban["seconds_left"] <= 600
    assert [one["target"] for one in asked(first, "bans")["bans"]] == [own]
    told = refused(second, "connect", pair.address)
    assert told.startswith("error: address: ")
    assert asked(first, "peers")["peers"] == []
    assert asked(first, "unban", own) == {"unbanned": own}
    assert asked(first, "bans")["bans"] == []
    assert "esperd bans" in refused(first, "unban", own)
    # It was named by `connect`, and so it is dialled again, or is there already.
    made = asked(second, "connect", pair.address)
    assert own in [one["peer_id"] for one in asked(first, "peers")["peers"]]
    # A ban by hand ends the connections that there are, also to a peer that `connect` named.
    asked(second, "ban", made["peer_id"])
    until("the end of it", lambda: asked(second, "peers")["peers"] == [] or None)
    asked(second, "unban", made["peer_id"])


def test_a_text_that_means_nobody_is_told_what_to_write(pair: Pair) -> None:
    assert "write it as /ip4/" in refused(pair.first, "connect", "192.0.2.7:39333", status=2)
    for verb in ("disconnect", "ban", "unban"):
        assert "name an id" in refused(pair.first, verb, "somebody", status=2)
    assert "own" in refused(pair.first, "connect", pair.address, status=2)


def test_a_named_peer_of_another_id_is_in_the_status_with_what_helps(
    pair: Pair, tmp_path: Path
) -> None:
    wrong = f"{pair.address.rpartition('/')[0]}/{PEER_ID}"
    with running("node", tmp_path / "c", *QUIET, "--connect", wrong) as third:

        def warnings() -> list[str]:
            found: list[str] = asked(third, "status", program="esper")["warnings"]
            return found

        [told] = until("the end of its dial", lambda: warnings() or None)
        assert told.startswith(f"the configured peer {wrong} cannot be reached: another id")
        assert "`esperd peers` shows" in told
        assert f"warning     {told}" in command(third, "esper", "status").stdout
        assert asked(third, "disconnect", PEER_ID) == {"connections": 0}
        assert warnings() == []


def test_a_port_that_is_taken_stops_the_start_with_a_sentence(pair: Pair, tmp_path: Path) -> None:
    _, _, rest = pair.address.partition("/tcp/")
    port = rest.partition("/")[0]
    done = subprocess.run(
        [BIN / "esperd", "node", *REGTEST, "--datadir", tmp_path / "c", "--port", port,
         "--rpc-port", "0"],
        capture_output=True, text=True, check=False, timeout=60, env=environment(),
    )  # fmt: skip
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert port in line
    assert "--port" in line
    assert "Traceback" not in done.stderr
