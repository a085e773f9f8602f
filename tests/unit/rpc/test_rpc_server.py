"""The server as clients meet it: over a socket."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx
import pytest
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response

from esper.http.listening import BindError
from esper.http.routes import RefusedError, Route, RouteLimits, everyone
from esper.http.slots import Slots
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.auth import COOKIE_FILE, CookieError, read_cookie
from esper.rpc.client import NodeError, RpcClient
from esper.rpc.routes import rpc_routes
from tests.support.node.fake_node import TOKEN, FakeNode, served, settings


def test_a_client_with_the_cookie_reads_and_steers(tmp_path: Path) -> None:
    node = FakeNode()
    with served(node, settings(tmp_path)) as port:
        cookie = read_cookie(tmp_path)
        assert cookie is not None
        assert cookie.url == f"http://127.0.0.1:{port}/"
        assert stat.S_IMODE((tmp_path / COOKIE_FILE).stat().st_mode) == 0o600
        with RpcClient.from_environment({}, tmp_path) as client:
            assert client.call(m.GET_STATUS, s.NoParams()).height == 1
            assert client.call(m.GET_BLOCK, s.BlockParams(height=0)).hash == node.blocks[0].hash
            assert client.call(m.SUBMIT_TRANSACTION, s.SubmitParams("00ff")).txid
            assert client.call(m.STOP, s.NoParams()).done
    assert node.waiting == ["00ff"]
    assert not (tmp_path / COOKIE_FILE).exists()


def test_without_a_token_one_reads_but_does_not_steer(tmp_path: Path) -> None:
    node = FakeNode()
    with served(node, settings(tmp_path)) as port, RpcClient(f"http://127.0.0.1:{port}") as client:
        assert client.call(m.GET_STATUS, s.NoParams()).network == "devnet"
        with pytest.raises(NodeError) as caught:
            client.call(m.SUBMIT_TRANSACTION, s.SubmitParams("00ff"))
    assert caught.value.code == e.UNAUTHORIZED
    assert node.asked == ["get_status"]
    assert TOKEN not in str(caught.value)


def test_health_says_that_the_server_answers_and_asks_the_node_nothing(tmp_path: Path) -> None:
    node = FakeNode()
    with served(node, settings(tmp_path)) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
    assert answer.status_code == 200
    assert node.asked == []


def test_a_refused_address_is_named_with_a_remedy_and_the_other_nodes_cookie_stays(
    tmp_path: Path,
) -> None:
    with served(FakeNode(), settings(tmp_path)) as port:
        cookie = read_cookie(tmp_path)
        second = settings(tmp_path, port=port, secret=bytes(32))
        with (
            pytest.raises(BindError, match=f"port {port}.*another port"),
            served(FakeNode(), second),
        ):
            pass
        assert read_cookie(tmp_path) == cookie
    with (
        pytest.raises(BindError, match=r"192\.0\.2\.1"),
        served(FakeNode(), settings(tmp_path, host="192.0.2.1")),
    ):
        pass


def test_a_cookie_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    with (
        pytest.raises(CookieError, match="missing"),
        served(FakeNode(), settings(tmp_path / "missing")),
    ):
        pass


def test_the_cookie_of_a_server_on_all_addresses_names_one_that_can_be_called(
    tmp_path: Path,
) -> None:
    with served(FakeNode(), settings(tmp_path, host="0.0.0.0")) as port:
        cookie = read_cookie(tmp_path)
        assert cookie is not None
        assert cookie.url == f"http://127.0.0.1:{port}/"
        with RpcClient.from_environment({}, tmp_path) as client:
            assert client.call(m.GET_STATUS, s.NoParams()).height == 1


def test_many_requests_share_a_connection(tmp_path: Path) -> None:
    node = FakeNode()
    with served(node, settings(tmp_path)), RpcClient.from_environment({}, tmp_path) as client:
        for _ in range(50):
            client.call(m.GET_STATUS, s.NoParams())
        with pytest.raises(NodeError):
            client.call(m.GET_BLOCK, s.BlockParams(height=9))
        assert client.call(m.GET_STATUS, s.NoParams()).height == 1
    assert node.asked.count("get_status") == 51


def test_a_failing_node_fails_one_request_at_a_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    node = FakeNode()
    with served(node, settings(tmp_path)), RpcClient.from_environment({}, tmp_path) as client:

        def fail(name: str) -> None:
            raise KeyError("inner")

        node.behave = fail
        with pytest.raises(NodeError, match="incident") as caught:
            client.call(m.GET_STATUS, s.NoParams())
        assert caught.value.code == e.INTERNAL_ERROR
        assert "inner" not in str(caught.value)
        assert caught.value.data["incident"] in caplog.text
        node.behave = None
        assert client.call(m.GET_STATUS, s.NoParams()).height == 1


def test_the_server_does_not_say_what_it_is_made_of(tmp_path: Path) -> None:
    with served(FakeNode(), settings(tmp_path)) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
    assert answer.headers.keys() == {"content-length", "content-type", "keep-alive"}


def test_the_host_that_is_listened_on_is_served(tmp_path: Path) -> None:
    with served(FakeNode(), settings(tmp_path, host="127.0.0.2")) as port:
        cookie = read_cookie(tmp_path)
        assert cookie is not None
        assert cookie.url == f"http://127.0.0.2:{port}/"
        with RpcClient.from_environment({}, tmp_path) as client:
            assert client.call(m.GET_STATUS, s.NoParams()).height == 1
            assert client.call(m.STOP, s.NoParams()).done


def test_a_name_is_listened_on_and_the_cookie_says_which_address_works(tmp_path: Path) -> None:
    with served(FakeNode(), settings(tmp_path, host="localhost")) as port:
        cookie = read_cookie(tmp_path)
        assert cookie is not None
        assert cookie.url in (f"http://127.0.0.1:{port}/", f"http://[::1]:{port}/")
        with RpcClient.from_environment({}, tmp_path) as client:
            assert client.call(m.GET_STATUS, s.NoParams()).height == 1


def test_other_routes_are_served_beside_the_rpc_and_its_own_come_first(tmp_path: Path) -> None:
    async def page(asked: Request, granted: None) -> Response:
        return PlainTextResponse("a page")

    async def nobody(asked: HTTPConnection) -> None:
        raise RefusedError(401, "a key is needed")

    get = frozenset({"GET"})
    limits = RouteLimits(Slots(1))
    others = [
        Route("/page", get, everyone, page, limits),
        Route("/closed", get, nobody, page, limits),
        Route("/health", get, nobody, page, limits),
    ]
    with served(FakeNode(), settings(tmp_path), others=others) as port:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as browser:
            assert browser.get("/page").text == "a page"
            assert browser.get("/closed").status_code == 401
            assert browser.get("/health").status_code == 200
        with RpcClient.from_environment({}, tmp_path) as client:
            assert client.call(m.GET_STATUS, s.NoParams()).height == 1


def test_the_rpc_and_the_health_check_are_served_on_the_last_connections(tmp_path: Path) -> None:
    assert all(route.is_essential for route in rpc_routes(FakeNode(), settings(tmp_path)))
