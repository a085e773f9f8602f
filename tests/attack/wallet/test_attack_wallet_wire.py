"""Attacks on a wallet's connection by whoever answers at the node's address."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.client import LARGEST_ANSWER, NodeAnswerError, NodeUnreachableError, RpcClient

pytestmark = pytest.mark.serial

PATIENCE_S = 0.3
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@contextmanager
def server(first: bytes, then: bytes, every_s: float = 0.02) -> Iterator[str]:
    """Says ``first``, and then the same again and again until nobody listens; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                client, _ = listener.accept()
                with client:
                    client.recv(1 << 16)
                    client.sendall(first)
                    while then:
                        client.sendall(then)
                        time.sleep(every_s)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"HTTP/1.1 200 OK\r\nx: ", b"a"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        (HEAD + b"content-length: 1000000\r\n\r\n", b" "),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
    ids=["header", "provisional", "body", "chunks"],
)
def test_an_answer_that_never_ends_is_given_up(first: bytes, then: bytes) -> None:
    """Each byte in time: no read ever takes long, and a wallet would wait for days."""
    began = time.monotonic()
    with (
        server(first, then) as url,
        RpcClient(url, timeout_s=PATIENCE_S) as client,
        pytest.raises(NodeUnreachableError, match=r"within 0\.3 s|more than 0\.3 s"),
    ):
        client.call(m.GET_STATUS, s.NoParams())
    assert time.monotonic() - began < 10


def test_what_comes_before_the_answer_is_passed_over() -> None:
    body = b'{"jsonrpc":"2.0","result":[],"id":1}'
    before = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    said = before + HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
    with server(said, b"") as url, RpcClient(url) as client:
        assert client.call(m.LIST_MODELS, s.NoParams()) == []


def test_an_answer_larger_than_memory_is_given_up() -> None:
    with (
        server(HEAD + b"content-length: 9999999999\r\n\r\n", b" " * (1 << 20), 0) as url,
        RpcClient(url) as client,
        pytest.raises(NodeAnswerError, match=f"more than {LARGEST_ANSWER} bytes"),
    ):
        client.call(m.GET_STATUS, s.NoParams())


def test_a_token_does_not_follow_a_redirect() -> None:
    elsewhere = b"HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
    with (
        server(elsewhere, b"") as url,
        RpcClient(url, "s" * 64) as client,
        pytest.raises(NodeAnswerError, match="status 307"),
    ):
        client.call(m.GET_STATUS, s.NoParams())
