"""What a node and the driver of its farm say to each other.

A frame is its length as u32, big-endian, and a record. The driver lives in a cluster whose machines
may run any program in it, so the node reads nothing of it but these records.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, BinaryIO, Final

from esper.node.workers.worker_messages import LENGTH_BYTES, Ready, Unfit
from esper.node.workers.worker_process import Wire
from esper.primitives.codec import Record, Unsigned, VarBytes, decode, encode
from esper.primitives.ids import ModelId

LINK_VERSION: Final = 1
LINK_DATA: Final = 1 << 25
"""Bytes of what a message carries: the largest proofs, and claims of whole batches, take less."""
LINK_BYTES: Final = LINK_DATA + 64
REASON_CHARACTERS: Final = 300


class LinkKind(IntEnum):
    """What a message is. The first six go to the driver, the others come from it."""

    CONNECT = 0
    """The first one; data: address of the cluster."""
    ASK = 1
    """Ask for a worker under this number; data: a WorkerSpec."""
    DO = 2
    """A worker's work; data: what its role takes, answered by DONE with the same call."""
    TELL = 3
    """What a worker is to search for; data: a told search. Nothing answers it."""
    END = 4
    """End a worker, or take back that it was asked for. GONE does not follow."""
    UP = 5
    """The driver has its cluster."""
    UNFIT = 6
    """It has none and ends; data: a sentence."""
    PLACED = 7
    """A worker has loaded what it needs; data: who it is."""
    NEWS = 8
    """A worker lives; data: what its search did, empty for a prover."""
    DONE = 9
    """A worker has done its work; data: a WorkReply."""
    GONE = 10
    """A worker died or could not begin; data: a sentence."""


@dataclass(frozen=True, slots=True)
class LinkMessage:
    """One of either side."""

    kind: LinkKind
    """What it is."""
    worker: int = 0
    """Number that the node gave the worker; 0 where none is meant."""
    call: int = 0
    """Number that the node gave the work."""
    data: bytes = b""
    """By kind."""


def _made(kind: int, worker: int, call: int, data: bytes) -> LinkMessage:
    return LinkMessage(LinkKind(kind), worker, call, data)


LINK_MESSAGE: Final = Record(
    _made,
    LINK_VERSION,
    (
        ("kind", Unsigned(8)),
        ("worker", Unsigned(64)),
        ("call", Unsigned(64)),
        ("data", VarBytes(LINK_DATA)),
    ),
)


def link_bytes(message: LinkMessage) -> bytes:
    """The record of a message."""
    return encode(LINK_MESSAGE, message)


def decode_link(data: bytes) -> LinkMessage:
    """A message from the other side's bytes. Raises CodecError for anything else."""
    return decode(LINK_MESSAGE, data, limit=LINK_BYTES, what="message of the farm's driver")


def sentence(data: bytes) -> str:
    """What the other side gives as a reason: one line of printable characters, cut to a length."""
    text = data[: 4 * REASON_CHARACTERS].decode(errors="replace")
    printable = "".join(one if one.isprintable() else " " for one in text)
    return printable[:REASON_CHARACTERS].strip() or "no reason was given"


def next_frame(stream: BinaryIO) -> bytes:
    """The record of the next frame of a blocking stream. Raises EOFError at its end."""
    head = stream.read(LENGTH_BYTES)
    length = int.from_bytes(head, "big")
    data = stream.read(length) if len(head) == LENGTH_BYTES and length <= LINK_BYTES else b""
    if len(head) != LENGTH_BYTES or len(data) != length:
        raise EOFError
    return data


def _written(message: object) -> bytes:
    assert isinstance(message, LinkMessage)
    return link_bytes(message)


def _read(data: bytes) -> Any:
    message = decode_link(data)
    if message.kind is LinkKind.UP:
        return Ready(ModelId(b""))
    if message.kind is LinkKind.UNFIT:
        return Unfit(sentence(message.data))
    return message


LINK: Final = Wire(_written, _read, LINK_BYTES)
"""How a WorkerProcess speaks to the driver."""
