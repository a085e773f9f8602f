"""The client: to whom it talks, what it believes, and what it says when nobody answers."""

from __future__ import annotations

import http.client
import itertools
import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.auth import Cookie, CookieError, write_cookie
from esper.rpc.client import (
    LARGEST_ANSWER,
    NodeAnswerError,
    NodeError,
    NodeGoneError,
    NodeUnreachableError,
    RpcClient,
    RpcUrlError,
)
from esper.rpc.examples import TXID
from esper.rpc.exchange import HttpExchange, NoConnectionError
from esper.rpc.method import MAX_TOLD
from esper.rpc.openrpc import openrpc_document
from tests.support.node.answering import Answering
from tests.support.node.fake_node import TOKEN, FakeNode, served, settings

URL = "http://127.0.0.1:9334/"
OTHER = "http://127.0.0.1:9335/"


def client_of(answer: Callable[[httpx.Request], httpx.Response], **how: Any) -> RpcClient:
    return RpcClient(URL, exchange=Answering(answer), **how)


def result(value: Any, **more: Any) -> Callable[[httpx.Request], httpx.Response]:
    return lambda request: httpx.Response(
        200, json={"jsonrpc": "2.0", "id": 1, "result": value, **more}
    )


def test_every_method_can_be_called(tmp_path: Path) -> None:
    node = FakeNode()
    with served(node, settings(tmp_path)), RpcClient.from_environment({}, tmp_path) as client:
        for method in m.METHODS.values():
            answer = client.call(method, method.example.request)
            if method is m.DISCOVER:
                assert answer == openrpc_document(m.METHODS)
            else:
                assert answer == method.example.reply, method.name
    assert node.asked == [name for name in m.METHODS if name != m.DISCOVER.name]


def test_what_was_left_out_is_not_sent() -> None:
    seen: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content)["params"])
        return result(msgspec.to_builtins(m.TOKENIZE.example.reply))(request)

    client_of(answer).call(m.TOKENIZE, s.TokenizeParams(text="a"))
    assert seen == [{"text": "a"}]


def test_fields_that_a_newer_node_adds_are_ignored() -> None:
    client = client_of(result({"txid": TXID, "new": 1}))
    assert client.call(m.SUBMIT_TRANSACTION, s.SubmitParams("00")).txid == TXID


def test_nobody_there_is_said_with_the_address_and_the_remedy() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with RpcClient(url) as client, pytest.raises(NodeUnreachableError) as caught:
            client.call(m.GET_STATUS, s.NoParams())
    assert caught.value.url == url
    assert url in str(caught.value)
    assert "ESPER_RPC" in str(caught.value)
    assert "esperd" in str(caught.value)


def test_an_error_of_the_node_is_typed() -> None:
    body = {"code": e.REFUSED, "message": "the fee is too low", "data": {"rule": "FeeTooLow"}}
    for status in (200, 503):

        def refuses(request: httpx.Request, status: int = status) -> httpx.Response:
            return httpx.Response(status, json={"jsonrpc": "2.0", "id": None, "error": body})

        client = client_of(refuses)
        with pytest.raises(NodeError, match="fee") as caught:
            client.call(m.GET_STATUS, s.NoParams())
        assert (caught.value.code, caught.value.data) == (e.REFUSED, {"rule": "FeeTooLow"})


def test_megabytes_of_a_message_are_not_shown() -> None:
    error = {"code": e.REFUSED, "message": "m" * (1 << 22)}
    body = {"jsonrpc": "2.0", "id": 1, "error": error}
    with pytest.raises(NodeError) as caught:
        client_of(lambda _: httpx.Response(200, json=body)).call(m.GET_STATUS, s.NoParams())
    assert caught.value.message.startswith("mmm")
    assert len(caught.value.message) <= MAX_TOLD + 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"\xff",
        b'{"jsonrpc":"2.0","id":1,"result":' + b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":2,"result":{"done":true}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"done":"yes"}}',
        b'{"jsonrpc":"2.0","id":1,"result":[[[1]]]}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":"a","message":5}}',
    ],
)
def test_answers_of_another_kind_are_refused(content: bytes) -> None:
    with pytest.raises(NodeAnswerError, match="9334"):
        client_of(lambda request: httpx.Response(200, content=content)).call(m.STOP, s.NoParams())


def test_an_answer_is_one_of_its_own_request_and_of_success() -> None:
    client = client_of(result({"done": True}))
    assert client.call(m.STOP, s.NoParams()).done
    # The same answer once more is the first request's.
    with pytest.raises(NodeAnswerError, match="another request's answer"):
        client.call(m.STOP, s.NoParams())
    body = {"jsonrpc": "2.0", "id": 1, "result": {"done": True}}
    with pytest.raises(NodeAnswerError, match="status 503"):
        client_of(lambda request: httpx.Response(503, json=body)).call(m.STOP, s.NoParams())


def test_other_refusals_do_not_make_a_cookie_stale(tmp_path: Path) -> None:
    body = {"code": e.NOT_MINING, "message": "this node does not mine"}
    client = client_of(
        lambda request: httpx.Response(200, json={"jsonrpc": "2.0", "id": 1, "error": body}),
        token=TOKEN,
        cookie_file=tmp_path / "rpc.cookie",
    )
    with pytest.raises(NodeError) as caught:
        client.call(m.PAUSE_MINING, s.NoParams())
    assert caught.value.code == e.NOT_MINING


def test_no_redirect_is_followed() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(307, headers={"location": "http://attacker.example/"})

    with pytest.raises(NodeAnswerError, match="307"):
        client_of(answer, token=TOKEN).call(m.GET_STATUS, s.NoParams())
    assert asked == [URL]


class Endless(httpx.SyncByteStream):
    """A body without end."""

    def __init__(self) -> None:
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        for _ in itertools.count():
            self.sent += 1 << 20
            yield bytes(1 << 20)


def test_an_endless_answer_is_given_up() -> None:
    body = Endless()
    with pytest.raises(NodeAnswerError, match="16777216 bytes"):
        client_of(lambda request: httpx.Response(200, stream=body)).call(m.GET_STATUS, s.NoParams())
    assert body.sent <= LARGEST_ANSWER + (1 << 20)


def test_the_largest_answer_is_read() -> None:
    head, tail = b'{"jsonrpc":"2.0","id":1,"result":{"done":true},"x":"', b'"}'
    data = head + b" " * (LARGEST_ANSWER - len(head) - len(tail)) + tail
    parts = [data[: len(data) // 2], data[len(data) // 2 :]]
    client = client_of(lambda request: httpx.Response(200, content=iter(parts)))
    assert client.call(m.STOP, s.NoParams()).done


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (ConnectionResetError("reset by the other side"), "reset by the other side"),
        (http.client.LineTooLong("header line"), "header line"),
        (http.client.BadStatusLine("SSH-2.0"), "SSH-2.0"),
        (http.client.HTTPException(), "HTTPException"),
        (NoConnectionError("no such address"), "no such address"),
    ],
)
def test_every_failure_of_the_connection_is_said(failure: Exception, said: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise failure

    with pytest.raises(NodeUnreachableError, match=said) as caught:
        client_of(answer).call(m.GET_STATUS, s.NoParams())
    assert not isinstance(caught.value, NodeGoneError)


def test_an_answer_that_drips_is_given_up() -> None:
    clock = itertools.count()
    body = Endless()
    client = client_of(
        lambda request: httpx.Response(200, stream=body), timeout_s=5, now=lambda: next(clock)
    )
    with pytest.raises(NodeUnreachableError, match="5 s"):
        client.call(m.GET_STATUS, s.NoParams())
    assert body.sent <= 8 << 20


def test_a_compressed_answer_is_not_unpacked() -> None:
    client = client_of(
        lambda request: httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Endless())
    )
    with pytest.raises(NodeAnswerError, match="compressed"):
        client.call(m.GET_STATUS, s.NoParams())


def test_a_timeout_is_said() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise TimeoutError("slow")

    with pytest.raises(NodeUnreachableError, match="no answer within 3 s"):
        client_of(answer, timeout_s=3).call(m.GET_STATUS, s.NoParams())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:9334",
        "ftp://127.0.0.1/",
        "http:///",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "http://user:password@127.0.0.1/",
        "http://user@127.0.0.1/",
        "http://:password@127.0.0.1/",
        "http://127.0.0.1/?token=1",
        "http://127.0.0.1/#a",
    ],
)
def test_addresses_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(RpcUrlError) as caught:
        RpcClient(url)
    assert "password@" not in str(caught.value)


def test_a_token_crosses_no_network_in_the_clear() -> None:
    with pytest.raises(RpcUrlError, match="https"):
        RpcClient("http://node.example:9334/", TOKEN)
    RpcClient("https://node.example:9334/", TOKEN).close()
    RpcClient("http://node.example:9334/").close()


def test_a_client_does_not_show_its_token() -> None:
    with RpcClient(URL, TOKEN) as client:
        assert TOKEN not in repr(client)
        assert URL in repr(client)


def authorization(client: RpcClient) -> str | None:
    assert isinstance(client._exchange, HttpExchange)
    found: str | None = client._exchange._headers.get("authorization")
    return found


def test_the_cookies_token_goes_to_the_cookies_address_alone(tmp_path: Path) -> None:
    write_cookie(tmp_path, Cookie(URL, TOKEN))
    cases = [
        ({}, URL, f"Bearer {TOKEN}"),
        ({"ESPER_RPC": URL}, URL, f"Bearer {TOKEN}"),
        ({"ESPER_RPC": "http://127.0.0.1:9335"}, OTHER, None),
        ({"ESPER_RPC": "http://node.example:9334/"}, "http://node.example:9334/", None),
        ({"ESPER_RPC": "https://127.0.0.1:9334/"}, "https://127.0.0.1:9334/", None),
        ({"ESPER_RPC": URL, "ESPER_RPC_TOKEN": "other"}, URL, "Bearer other"),
        ({"ESPER_RPC_TOKEN": "other"}, URL, "Bearer other"),
        # An empty one is none: of the cookie's node it means the cookie's, elsewhere no token.
        ({"ESPER_RPC_TOKEN": ""}, URL, f"Bearer {TOKEN}"),
        ({"ESPER_RPC": URL, "ESPER_RPC_TOKEN": ""}, URL, None),
        ({"ESPER_RPC": OTHER, "ESPER_RPC_TOKEN": ""}, OTHER, None),
    ]
    for environment, url, header in cases:
        with RpcClient.from_environment(environment, tmp_path) as client:
            assert (client.url, authorization(client)) == (url, header), environment


def test_a_node_elsewhere_needs_no_cookie(tmp_path: Path) -> None:
    with RpcClient.from_environment({"ESPER_RPC": URL}, tmp_path) as client:
        assert (client.url, authorization(client)) == (URL, None)


def test_the_patience_is_the_callers(tmp_path: Path) -> None:
    write_cookie(tmp_path, Cookie(URL, TOKEN))
    for environment in ({}, {"ESPER_RPC": OTHER}):
        with RpcClient.from_environment(environment, tmp_path, 3) as client:
            assert isinstance(client._exchange, HttpExchange)
            assert client._exchange._connection.timeout == 3
            assert client._timeout_s == 3


def test_an_address_that_is_none_is_refused_beside_a_cookie_too(tmp_path: Path) -> None:
    write_cookie(tmp_path, Cookie(URL, TOKEN))
    for url in ("http://[::1", "http://127.0.0.1:99999/"):
        with pytest.raises(RpcUrlError, match="no URL: ESPER_RPC must look like"):
            RpcClient.from_environment({"ESPER_RPC": url}, tmp_path)
    for url in ("http://a b/", "http://a/\x7f", "http://[fe80::1%25eth0]/", "ftp://a/"):
        with pytest.raises(RpcUrlError, match="incomplete: ESPER_RPC must look like"):
            RpcClient.from_environment({"ESPER_RPC": url}, tmp_path)


def test_without_a_cookie_and_an_address_there_is_no_node(tmp_path: Path) -> None:
    with pytest.raises(NodeUnreachableError, match=r"rpc\.cookie"):
        RpcClient.from_environment({}, tmp_path)
    (tmp_path / "rpc.cookie").write_text("{")
    with pytest.raises(CookieError):
        RpcClient.from_environment({}, tmp_path)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@pytest.mark.parametrize("named", [False, True])
def test_the_cookie_of_a_killed_node_is_told_as_such(tmp_path: Path, named: bool) -> None:
    """Found in the data directory alone, or under the address that it has too."""
    url = f"http://127.0.0.1:{closed_port()}/"
    write_cookie(tmp_path, Cookie(url, TOKEN))
    environment = {"ESPER_RPC": url} if named else {}
    with (
        RpcClient.from_environment(environment, tmp_path) as client,
        pytest.raises(NodeGoneError) as caught,
    ):
        client.call(m.GET_MINING, s.NoParams())
    assert str(caught.value) == (
        f"the node that wrote {tmp_path / 'rpc.cookie'} is not running (nobody answers at {url}): "
        f"start it with `esperd node --datadir {tmp_path}`, or set ESPER_RPC to the address of "
        "another"
    )
    assert caught.value.url == url


def test_without_a_node_the_command_that_starts_the_one_of_this_folder_is_named(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "my node"
    folder.mkdir()
    with pytest.raises(NodeUnreachableError) as caught:
        RpcClient.from_environment({}, folder)
    assert f"start one with `esperd node --datadir '{folder}'`, or set" in str(caught.value)


def test_the_cookie_of_a_killed_node_whose_port_another_took(tmp_path: Path) -> None:
    """Not the other's refusal of the token: nobody could tell what to do from it."""
    (tmp_path / "other").mkdir()
    with served(FakeNode(), settings(tmp_path / "other")) as port:
        url = f"http://127.0.0.1:{port}/"
        write_cookie(tmp_path, Cookie(url, "ab" * 32))
        with (
            RpcClient.from_environment({}, tmp_path) as client,
            pytest.raises(NodeGoneError, match=r"rpc\.cookie is not running \(another one answers"),
        ):
            client.call(m.STOP, s.NoParams())
        # The honest twin: a token of one's own choice is refused as what it is.
        environment = {"ESPER_RPC": url, "ESPER_RPC_TOKEN": "cd" * 32}
        with (
            RpcClient.from_environment(environment, tmp_path) as client,
            pytest.raises(NodeError) as refused,
        ):
            client.call(m.STOP, s.NoParams())
        assert refused.value.code == e.UNAUTHORIZED
        # And other refusals of the node that wrote the cookie stay its own.
        with RpcClient.from_environment({}, tmp_path / "other") as client:
            client.call(m.STOP, s.NoParams())


def test_a_node_elsewhere_that_is_not_there_is_no_cookies(tmp_path: Path) -> None:
    write_cookie(tmp_path, Cookie(URL, TOKEN))
    url = f"http://127.0.0.1:{closed_port()}/"
    with (
        RpcClient.from_environment({"ESPER_RPC": url}, tmp_path) as client,
        pytest.raises(NodeUnreachableError, match="no node answers at") as caught,
    ):
        client.call(m.GET_STATUS, s.NoParams())
    assert not isinstance(caught.value, NodeGoneError)


def test_proxies_of_the_environment_are_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with (
        served(FakeNode(), settings(tmp_path)) as port,
        RpcClient(f"http://127.0.0.1:{port}/") as client,
    ):
        assert client.call(m.GET_STATUS, s.NoParams()).height == 1


def timers() -> list[threading.Timer]:
    """Those that could still cut a connection."""
    found = [one for one in threading.enumerate() if isinstance(one, threading.Timer)]
    return [one for one in found if not one.finished.is_set()]


class Server:
    """Takes one connection after the other and does with each what it is told."""

    def __init__(self, *scripts: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.heads: list[bytes] = []
        self._thread = threading.Thread(target=self._run, args=(scripts,), daemon=True)
        self._thread.start()

    def _run(self, scripts: tuple[Callable[[socket.socket], None], ...]) -> None:
        for script in scripts:
            connection, _ = self._listener.accept()
            with connection:
                script(connection)

    def read(self, connection: socket.socket) -> bytes:
        """One request, as far as its JSON."""
        data = b""
        while not data.endswith(b"}"):
            part = connection.recv(65_536)
            if not part:
                break
            data += part
        self.heads.append(data)
        return data

    def answer(self, connection: socket.socket) -> None:
        """Read a request and answer it."""
        number = json.loads(self.read(connection).partition(b"\r\n\r\n")[2])["id"]
        body = json.dumps({"jsonrpc": "2.0", "id": number, "result": {"done": True}}).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        self._listener.close()


def test_a_connection_is_kept_and_a_stale_one_is_made_anew() -> None:
    closed = threading.Event()

    def twice_and_close(connection: socket.socket) -> None:
        server.answer(connection)
        server.answer(connection)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with (
        Server(twice_and_close, lambda connection: server.answer(connection)) as server,
        RpcClient(server.url) as client,
    ):
        client.call(m.STOP, s.NoParams())
        client.call(m.STOP, s.NoParams())
        assert closed.wait(10)
        assert client.call(m.STOP, s.NoParams()).done
    assert len(server.heads) == 3
    for head in server.heads:
        assert head.startswith(b"POST / HTTP/1.1\r\nHost: 127.0.0.1:")
        assert b"\r\naccept-encoding: identity\r\n" in head
        assert head.lower().count(b"accept-encoding") == 1


def test_what_nobody_asked_for_is_nobodys_answer() -> None:
    answered, sent = threading.Event(), threading.Event()

    def answers_ahead(connection: socket.socket) -> None:
        server.answer(connection)
        assert answered.wait(10)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        sent.set()
        with suppress(ConnectionResetError):
            connection.recv(1)

    with (
        Server(answers_ahead, lambda connection: server.answer(connection)) as server,
        RpcClient(server.url) as client,
    ):
        client.call(m.STOP, s.NoParams())
        answered.set()
        assert sent.wait(10)
        assert client.call(m.STOP, s.NoParams()).done


@pytest.mark.parametrize("drip", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nx"])
def test_a_server_that_drips_is_cut_off_in_time(drip: bytes) -> None:
    def drips(connection: socket.socket) -> None:
        server.read(connection)
        connection.sendall(drip)
        # Until the client ends it: a byte of the next line now and then.
        with suppress(OSError):
            while not select.select([connection], [], [], 0.02)[0]:
                connection.sendall(b"H"[: 1 if drip.endswith(b"x") else 0])

    with (
        Server(drips) as server,
        RpcClient(server.url, timeout_s=0.3) as client,
        pytest.raises(NodeUnreachableError, match=r"0\.3 s"),
    ):
        client.call(m.STOP, s.NoParams())


def test_the_cut_ends_with_its_answer_and_never_holds_the_program() -> None:
    before = timers()
    during: list[threading.Timer] = []

    def answer(request: httpx.Request) -> httpx.Response:
        during.extend(one for one in timers() if one not in before)
        return result({"done": True})(request)

    def fails(request: httpx.Request) -> httpx.Response:
        raise ConnectionResetError

    client_of(answer, timeout_s=3_600).call(m.STOP, s.NoParams())
    [timer] = during
    assert timer.daemon
    assert timers() == before
    with pytest.raises(NodeUnreachableError):
        client_of(fails, timeout_s=3_600).call(m.STOP, s.NoParams())
    assert timers() == before


def test_a_cut_finds_no_connection_or_a_closed_one() -> None:
    exchange = HttpExchange(URL, {}, 1)
    exchange.cut()
    ours, theirs = socket.socketpair()
    with theirs:
        exchange._socket = ours
        exchange.cut()
        assert theirs.recv(1) == b""
        ours.close()
        exchange.cut()


@pytest.mark.parametrize("token", ["a\nb", "caf\xe9", "a\x00"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(RpcUrlError, match="ESPER_RPC_TOKEN"):
        RpcClient(URL, token)
