"""What programs outside hear of a real node: sockets, streams, ZeroMQ, and the log by number."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import zmq
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Ping, Request, TextMessage

from esper.consensus.header import decode_header
from esper.primitives.networks import NETWORKS
from tests.support.node.node_process import BIN, PATIENCE_S, environment, running, until

pytestmark = pytest.mark.nodes

NETWORK = ("--network", "regtest")
BLOCKS = 12
LIMITS = NETWORKS["regtest"].limits


class Socket:
    """A websocket as anybody opens one."""

    def __init__(self, url: str, **asked: Any) -> None:
        at = urlsplit(url)
        self.stream = socket.create_connection((at.hostname, at.port), timeout=PATIENCE_S)
        self.frames = WSConnection(ConnectionType.CLIENT)
        self.stream.sendall(self.frames.send(Request(host=at.netloc, target="/ws")))
        self.events: Iterator[Any] = self._events()
        assert isinstance(next(self.events), AcceptConnection)
        self.stream.sendall(self.frames.send(TextMessage(json.dumps(asked))))

    def _events(self) -> Iterator[Any]:
        while data := self.stream.recv(65_536):
            self.frames.receive_data(data)
            yield from self.frames.events()

    def messages(self) -> Iterator[dict[str, Any]]:
        text = ""
        for event in self.events:
            if isinstance(event, Ping):
                self.stream.sendall(self.frames.send(event.response()))
            elif isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    yield json.loads(text)
                    text = ""

    def close(self) -> None:
        self.stream.close()


@contextmanager
def subscribed(address: str) -> Iterator[zmq.Socket[bytes]]:
    """All that is published at an address, without a limit of ours."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made = context.socket(zmq.SUB)
    made.setsockopt(zmq.RCVHWM, 0)
    made.setsockopt(zmq.SUBSCRIBE, b"")
    made.connect(address)
    try:
        yield made
    finally:
        made.close(linger=0)
        context.term()


def heard(one: zmq.Socket[bytes]) -> dict[str, list[bytes]]:
    """Bodies by topic of what has come; the numbers of each have no gap."""
    found: dict[str, list[bytes]] = {}
    while one.poll(2_000):
        topic, body, number = one.recv_multipart()
        bodies = found.setdefault(topic.decode(), [])
        assert struct.unpack("<I", number)[0] == len(bodies)
        bodies.append(body)
    return found


def stream(url: str, last: str | None = None) -> Iterator[dict[str, str]]:
    """Server-sent events, as a browser reads them."""
    headers = {} if last is None else {"Last-Event-ID": last}
    timeout = httpx.Timeout(PATIENCE_S)
    with httpx.stream(
        "GET", f"{url}events?topics=block", headers=headers, timeout=timeout, trust_env=False
    ) as answer:
        assert answer.status_code == 200
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            if not line and fields:
                yield fields
                fields = {}
            elif line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value


def esperd(*arguments: str | Path, status: int = 0) -> str:
    done = subprocess.run(
        [BIN / "esperd", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S * 3,
        env=environment(),
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stderr


def asked(url: str, **params: Any) -> dict[str, Any]:
    """The answer to ``get_events``."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "get_events", "params": params}
    found: dict[str, Any] = httpx.post(url, json=call, trust_env=False).json()["result"]
    return found


def test_blocks_are_heard_everywhere_and_a_restart_is_a_gap(tmp_path: Path) -> None:
    datadir = tmp_path / "n"
    hashes, raw = f"ipc://{tmp_path}/h", f"ipc://{tmp_path}/r"
    publish = [
        *("--zmq-pub-hashblock", hashes, "--zmq-pub-sequence", hashes),
        *("--zmq-pub-rawblock", raw),
    ]
    with subscribed(hashes) as ids, subscribed(raw) as blocks:
        with running("mine", datadir, *NETWORK, "--threads", "1", *publish) as node:
            live = Socket(node.url, subscribe=["block", "undone"])
            messages = live.messages()
            standing = next(messages)
            assert standing["next"] == 1
            told: list[dict[str, Any]] = []
            listening = threading.Thread(target=lambda: told.extend(messages), daemon=True)
            listening.start()
            made = esperd("generate", str(BLOCKS), "--datadir", datadir).split()
            assert len(made) == BLOCKS
            esperd("pause", "--datadir", datadir)
            log = until("the log to have all", lambda: log_with(node.url, made))
            events = stream(node.url, f"{log['boot']}-1")
            assert next(events)["event"] == "start"
            first = next(events)
            assert first["id"] == f"{log['boot']}-2"
            events.close()  # type: ignore[attr-defined]
            url = node.url
            assert node.end() == 0
            listening.join(PATIENCE_S)
            live.close()

        # All that was mined, in order, whoever told it.
        seen = [one["data"]["hash"] for one in told if one["topic"] == "block"]
        assert [one for one in seen if one in made] == made
        assert [one["seq"] for one in told] == list(range(1, len(told) + 1))
        found = heard(ids)
        published = [one.hex() for one in found["hashblock"]]
        # A proof that ran may have brought one more, when the sockets were closed already.
        assert published[: len(seen)] == seen
        assert len(published) <= len(seen) + 1
        joined = [one[:64].hex() for one in found["sequence"] if one[64:] == b"C"]
        assert joined == published
        whole = heard(blocks)["rawblock"]
        assert [block_id(one) for one in whole] == published

    with running("node", datadir, *NETWORK) as node:
        assert node.url != url
        events = stream(node.url, first["id"])
        start, gap = next(events), next(events)
        events.close()  # type: ignore[attr-defined]
        assert (start["event"], gap["event"], gap["data"]) == ("start", "gap", '{"gap":1}')
        again = Socket(node.url, **{"subscribe": ["block"], "boot": log["boot"], "from": 2})
        messages = again.messages()
        assert next(messages)["boot"] != log["boot"]
        assert next(messages) == {"gap": 1}
        again.close()
        metrics = httpx.get(f"{node.url}metrics", trust_env=False).text
        assert 'esper_events_sequence{topic="block"} 0.0' in metrics
        assert "esper_http_connections" in metrics


def log_with(url: str, made: list[str]) -> dict[str, Any] | None:
    """The log's answer once it tells of all these blocks."""
    found = asked(url, n=1_000)
    ids = {one["data"].get("hash") for one in found["events"]}
    return found if ids.issuperset(made) else None


def block_id(raw: bytes) -> str:
    """Of a block as it is published: its header comes first, behind its length."""
    (size,) = struct.unpack_from("<I", raw)
    return decode_header(raw[4 : 4 + size], LIMITS.header_bytes).block_id.hex()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--zmq-pub-hashblock", "tcp://0.0.0.0:28332"), "must be an address of this machine"),
        (
            ("--zmq-pub-rawtx", "ipc:///run/a", "--zmq-pub-rawblock", "ipc:///run/a"),
            "cannot share ipc:///run/a",
        ),
        (("--zmq-pub-rawtx", "ipc:///etc/passwd"), "a file lies there that is no socket"),
    ],
)
def test_what_others_could_reach_starts_no_node(
    tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    error = esperd("node", "--datadir", tmp_path / "n", *NETWORK, *flags, status=2)
    assert said in error
    assert len(error.splitlines()) == 1
