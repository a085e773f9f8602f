"""What subscribers of ZeroMQ get, over real sockets."""

from __future__ import annotations

import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from esper.events.zmq_publisher import Publisher, PublisherError
from esper.events.zmq_topics import HIGH_WATER, planned

PATIENCE_MS = 20_000


@pytest.fixture
def address() -> str:
    """Of a port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{one.getsockname()[1]}"


@contextmanager
def subscribed(address: str, *topics: str, room: int = 0) -> Iterator[zmq.Socket[bytes]]:
    """A subscriber as anybody writes one; ``room`` 0: without limit."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made = context.socket(zmq.SUB)
    made.setsockopt(zmq.RCVHWM, room)
    made.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
    for topic in topics:
        made.setsockopt(zmq.SUBSCRIBE, topic.encode())
    made.connect(address)
    try:
        yield made
    finally:
        made.close(linger=0)
        context.term()


def publisher(address: str, *topics: str) -> Publisher:
    return Publisher(planned({topic: address if topic in topics else "" for topic in HIGH_WATER}))


def greeted(made: Publisher, one: zmq.Socket[bytes], topic: str) -> int:
    """Publish until the subscriber is known; the number of the last message that it got."""
    while True:
        made.publish(topic, b"hello")
        if one.poll(5):
            break
    while one.poll(200):
        last = one.recv_multipart()
    return int(struct.unpack("<I", last[2])[0])


def test_messages_are_topic_body_and_number(address: str) -> None:
    with publisher(address, "hashblock", "sequence") as made, subscribed(address, "hash") as one:
        last = greeted(made, one, "hashblock")
        made.publish("sequence", b"others")
        made.publish("rawblock", b"nobody's")
        for number in range(5):
            made.publish("hashblock", bytes([number]))
        for number in range(5):
            expected = [b"hashblock", bytes([number]), struct.pack("<I", last + 1 + number)]
            assert one.recv_multipart() == expected
        made.skip()
        made.publish("hashblock", b"after")
        assert one.recv_multipart()[2] == struct.pack("<I", last + 7)
        assert made.wants({"hashblock", "rawtx"})
        assert not made.wants({"rawtx"})


def test_numbers_begin_again_after_32_bits(address: str) -> None:
    with publisher(address, "hashtx") as made, subscribed(address, "hashtx") as one:
        greeted(made, one, "hashtx")
        made._numbers["hashtx"] = (1 << 32) - 1
        made.publish("hashtx", b"")
        made.publish("hashtx", b"")
        assert one.recv_multipart()[2] == b"\xff" * 4
        assert one.recv_multipart()[2] == bytes(4)


def test_under_load_what_is_missing_shows_in_the_numbers(address: str) -> None:
    count, body = 20_000, bytes(5_000)
    with publisher(address, "rawtx") as made, subscribed(address, "rawtx", room=1_000) as slow:
        first = greeted(made, slow, "rawtx") + 1
        for _ in range(count):
            # Never waits, whatever the other side does.
            made.publish("rawtx", body)
        assert made.dropped == 0
        got = []
        while slow.poll(500):
            got.append(struct.unpack("<I", slow.recv_multipart()[2])[0])
        assert len(got) < count
        assert got == sorted(set(got))
        # What was told in the end, the numbers show to be whole or not.
        assert (got[-1] - first + 1 > len(got)) or got == list(range(first, first + len(got)))


def test_a_reader_that_keeps_up_misses_nothing(address: str) -> None:
    with publisher(address, "sequence") as made, subscribed(address, "sequence") as one:
        first = greeted(made, one, "sequence") + 1
        for _ in range(20_000):
            made.publish("sequence", bytes(73))
        numbers = [struct.unpack("<I", one.recv_multipart()[2])[0] for _ in range(20_000)]
        assert numbers == list(range(first, first + 20_000))


def test_an_ipc_socket_is_the_owners_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "blocks"
    address = f"ipc://{path}"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with publisher(address, "hashblock") as made:
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        with subscribed(address, "hashblock") as one:
            greeted(made, one, "hashblock")
        with pytest.raises(PublisherError, match="another program does"):
            publisher(address, "hashblock")
    assert not path.exists()


def test_a_file_is_not_deleted(tmp_path: Path) -> None:
    """ZeroMQ would."""
    path = tmp_path / "wallet"
    path.write_bytes(b"keys")
    with pytest.raises(PublisherError, match="no socket"):
        publisher(f"ipc://{path}", "hashblock")
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PublisherError, match="no socket"):
        publisher(f"ipc://{path}", "hashblock")
    with pytest.raises(PublisherError, match="cannot publish on"):
        publisher(f"ipc://{tmp_path}/missing/blocks", "hashblock")


def test_an_address_in_use_is_named(address: str) -> None:
    with publisher(address, "hashblock"), pytest.raises(PublisherError) as refused:
        publisher(address, "hashtx")
    assert address in str(refused.value)


def test_closing_twice_is_no_more_than_once(address: str) -> None:
    made = publisher(address, "hashblock")
    made.close()
    made.close()


def test_strangers_bytes_do_not_stop_it(address: str) -> None:
    host, port = address.removeprefix("tcp://").split(":")
    with publisher(address, "hashblock") as made:
        for said in (b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"\xff" * 100_000):
            with socket.create_connection((host, int(port))) as stranger:
                stranger.sendall(said)
        with subscribed(address, "hashblock") as one:
            greeted(made, one, "hashblock")
