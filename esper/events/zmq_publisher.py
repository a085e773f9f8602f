"""Publishes over ZeroMQ as Bitcoin Core does: topic, body, and the topic's u32 number.

A PUB socket never waits: to a subscriber whose queue is full it drops, which the numbers show.
Nothing is ever received, so no task waits on its descriptor.
"""

import os
import socket
import stat
import struct
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Final

import zmq

from esper.events.zmq_topics import Plan

NUMBERS: Final = 1 << 32
HEARD_BYTES: Final = 256
"""Of what a subscriber sends: the beginnings of topics."""
_IPC: Final = "ipc://"
PRIVATE: Final = 0o600


class PublisherError(Exception):
    """An address cannot be published on; the message says which, and what to do."""


class Publisher:
    """The sockets of one node. Belongs to one thread."""

    def __init__(self, plan: Plan) -> None:
        """Binds all. Raises PublisherError, and has closed what was open then."""
        self._plan = plan
        self._numbers: Counter[str] = Counter()
        self.dropped = 0
        """Messages that no socket took."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        try:
            for address, high_water in plan.sockets.items():
                self._sockets[address] = self._bound(address, high_water)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def wants(self, topics: Collection[str]) -> bool:
        """Whether any of these is published."""
        return not self._plan.places.keys().isdisjoint(topics)

    def publish(self, topic: str, body: bytes) -> None:
        """Send to whoever has subscribed, if the topic has an address. Never waits."""
        address = self._plan.places.get(topic)
        if address is None:
            return
        number = struct.pack("<I", self._numbers[topic] % NUMBERS)
        self._numbers[topic] += 1
        try:
            self._sockets[address].send_multipart((topic.encode(), body, number), zmq.NOBLOCK)
        except zmq.ZMQError:
            self.dropped += 1

    def skip(self) -> None:
        """Something was lost before it came here: every topic's numbers show a gap."""
        for topic in self._plan.places:
            self._numbers[topic] += 1

    def close(self) -> None:
        """Close all; what has not left is dropped. Again is no more than once."""
        for address, one in self._sockets.items():
            one.close(linger=0)
            if (path := _path_of(address)) is not None:
                path.unlink(missing_ok=True)
        self._sockets.clear()
        self._context.term()

    def _bound(self, address: str, high_water: int) -> "zmq.Socket[bytes]":
        """Raises PublisherError."""
        path = _path_of(address)
        if path is not None:
            _check_free(address, path)
        made = self._context.socket(zmq.PUB)
        try:
            made.setsockopt(zmq.LINGER, 0)
            made.setsockopt(zmq.SNDHWM, high_water)
            made.setsockopt(zmq.MAXMSGSIZE, HEARD_BYTES)
            made.setsockopt(zmq.IPV6, int("[" in address))
            made.bind(address)
            if path is not None:
                path.chmod(PRIVATE)
        except (zmq.ZMQError, OSError) as error:
            made.close(linger=0)
            reason = error.strerror or str(error)
            raise PublisherError(
                f"cannot publish on {address}: {reason}. Choose another address, or stop what "
                "listens there"
            ) from error
        return made


def _path_of(address: str) -> Path | None:
    return Path(address.removeprefix(_IPC)) if address.startswith(_IPC) else None


def _check_free(address: str, path: Path) -> None:
    """ZeroMQ deletes whatever lies where it binds. Raises PublisherError if that is something."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise PublisherError(f"cannot publish on {address}: {error.strerror}") from error
    if not stat.S_ISSOCK(kind):
        raise PublisherError(f"cannot publish on {address}: a file lies there that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
        try:
            knocking.connect(os.fspath(path))
        except OSError:
            # An ended node left it behind.
            return
    raise PublisherError(f"cannot publish on {address}: another program does. Choose another")
