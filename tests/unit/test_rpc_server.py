"""The server as clients meet it: over a socket."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx
import pytest

from esper.rpc import errors as e
from esper.rpc import schema as s
from esper.rpc.auth import COOKIE_FILE, read_cookie
from esper.rpc.client import NodeError, RpcClient
from tests.unit.fake_node import TOKEN, FakeNode, served, settings


def test_a_client_with_the_cookie_reads_and_steers(tmp_path: Path) -> None:
    node = FakeNode()
    with served(node, settings(tmp_path)) as port:
        cookie = read_cookie(tmp_path)
        assert cookie is not None
        assert cookie.url == f"http://127.0.0.1:{port}/"
        assert stat.S_IMODE((tmp_path / COOKIE_FILE).stat().st_mode) == 0o600
        with RpcClient.from_environment({}, tmp_path) as client:
            assert client.status().height == 1
            assert client.block(s.BlockParams(height=0)).hash == node.blocks[0].hash
            assert client.submit(s.SubmitParams("00ff")).txid
            assert client.stop().done
    assert node.waiting == ["00ff"]
    assert not (tmp_path / COOKIE_FILE).exists()


def test_without_a_token_one_reads_but_does_not_steer(tmp_path: Path) -> None:
    node = FakeNode()
    with served(node, settings(tmp_path)) as port, RpcClient(f"http://127.0.0.1:{port}") as client:
        assert client.status().network == "devnet"
        with pytest.raises(NodeError) as caught:
            client.submit(s.SubmitParams("00ff"))
    assert caught.value.code == e.UNAUTHORIZED
    assert node.asked == ["status"]
    assert TOKEN not in str(caught.value)


def test_health_says_that_the_server_answers_and_asks_the_node_nothing(tmp_path: Path) -> None:
    node = FakeNode()
    with served(node, settings(tmp_path)) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
    assert answer.status_code == 200
    assert node.asked == []
