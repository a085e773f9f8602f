"""What a node and its worker processes say to each other, and how it is framed.

A frame is its length as u32, big-endian, and a pickle. Both ends are this program, joined by a pipe
that nobody else holds: nothing from a peer is ever read this way.
"""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from esper.consensus.ports import WorkClaim
from esper.node.workers.call_answerer import AnsweredCall, OpenCall
from esper.node.workers.loadable import Loadable
from esper.node.workers.rehearsal import RehearsalJob
from esper.node.workers.search import SearchJob, Ticket
from esper.primitives.ids import ModelId
from esper.primitives.params import CallParameters

LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Begin:
    """The first thing that a worker is told: what it works for from its start to its end."""

    entry: Loadable


@dataclass(frozen=True, slots=True)
class Ready:
    """The first thing that a worker says: it has loaded what it needs."""

    model_id: ModelId
    """64 bytes."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """The first and last thing that a worker says if it cannot begin."""

    reason: str
    """A sentence."""


@dataclass(frozen=True, slots=True)
class Search:
    """Search for this from now on; None: stop."""

    job: SearchJob | None
    first_nonce: int = 0
    """Where to begin: whoever searches beside others has nonces of its own."""


@dataclass(frozen=True, slots=True)
class UseThreads:
    """Search with so many threads from now on."""

    threads: int


@dataclass(frozen=True, slots=True)
class Progress:
    """What was tried since the last one, told a few times a second."""

    attempts: int
    tokens: int
    ms: int
    """Time spent on it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A ticket won. The search has stopped."""

    number: int
    """Of the job."""
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class ProveWork:
    """Asks for the proof of a ticket; answered by Proof."""

    claim: WorkClaim


@dataclass(frozen=True, slots=True)
class AnswerCalls:
    """Asks for answers; answered by Answers."""

    calls: Sequence[OpenCall]


@dataclass(frozen=True, slots=True)
class ProveCalls:
    """Asks for the group of a payee's own calls; answered by Proof with the group."""

    calls: Sequence[AnsweredCall]
    payee: bytes
    rules: CallParameters


@dataclass(frozen=True, slots=True)
class ProveLane:
    """Asks for the group of an answer to a lane; answered by Proof with the group."""

    call: AnsweredCall
    sender: bytes
    rules: CallParameters


@dataclass(frozen=True, slots=True)
class Rehearse:
    """Asks for a rehearsal of a model that is about to be activated; answered by it."""

    job: RehearsalJob


@dataclass(frozen=True, slots=True)
class Failed:
    """A request failed: a fault of this machine or build. The worker goes on."""

    reason: str
    """A sentence."""


def frame(message: object) -> bytes:
    """A message as it is sent."""
    data = pickle.dumps(message)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def read_message(stream: BinaryIO) -> Any:
    """The next message of a blocking stream. Raises EOFError at its end."""
    length = int.from_bytes(_exactly(stream, LENGTH_BYTES), "big")
    return pickle.loads(_exactly(stream, length))


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError
    return data
