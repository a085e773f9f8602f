"""A driver that a test plays: it writes down what it is told, and says what the test has it say."""

from collections.abc import Sequence
from typing import Any

import pytest
import trio

from esper.node.workers.farm.link_messages import LinkKind, LinkMessage, decode_link, link_bytes
from esper.node.workers.farm.work_records import WorkerFace, WorkReply, face_bytes, reply_bytes
from esper.node.workers.farm.worker_spec import Role, decode_spec
from esper.node.workers.worker_process import Wire, WorkerError, WorkerProcess


class PlayedDriver:
    """One life of a driver."""

    def __init__(self) -> None:
        self.told: list[LinkMessage] = []
        """All that the node said."""
        self.ended = False
        self._say, self._said = trio.open_memory_channel[bytes | None](1000)

    def say(self, kind: LinkKind, worker: int, call: int = 0, data: bytes = b"") -> None:
        self._say.send_nowait(link_bytes(LinkMessage(kind, worker, call, data)))

    def die(self) -> None:
        self._say.send_nowait(None)

    def place(self, worker: int, host: bytes = b"there") -> None:
        self.say(LinkKind.PLACED, worker, data=face_bytes(WorkerFace(host, 7)))

    def prove(self, message: LinkMessage, proof: bytes) -> None:
        """Answer a DO."""
        reply = reply_bytes(WorkReply(0, proof))
        self.say(LinkKind.DONE, message.worker, message.call, reply)

    def asked(self, role: Role) -> list[int]:
        """Workers that were asked for, by number."""
        asked = (one for one in self.told if one.kind is LinkKind.ASK)
        return [one.worker for one in asked if decode_spec(one.data).role is role]

    def of(self, kind: LinkKind) -> list[LinkMessage]:
        return [one for one in self.told if one.kind is kind]

    # As the node's end of a process.

    async def send(self, *messages: LinkMessage) -> None:
        for message in messages:
            self.told.append(decode_link(link_bytes(message)))

    async def receive(self) -> LinkMessage:
        said = await self._said.receive()
        if said is None:
            raise WorkerError("farm worker ended with status 1")
        return decode_link(said)

    async def end(self) -> None:
        self.ended = True


class Drivers:
    """Drivers as they are started, one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lives: list[PlayedDriver] = []
        self.refuse = ""
        """Why none can begin."""
        monkeypatch.setattr(WorkerProcess, "launch", self._launch)

    @property
    def now(self) -> PlayedDriver:
        return self.lives[-1]

    async def _launch(
        self, role: str, command: Sequence[str], threads: int, begin: object, *, wire: Wire
    ) -> Any:
        assert isinstance(begin, LinkMessage)
        assert begin.kind is LinkKind.CONNECT
        await trio.lowlevel.checkpoint()
        if self.refuse:
            raise WorkerError(self.refuse)
        self.lives.append(PlayedDriver())
        return self.now
