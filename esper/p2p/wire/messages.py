"""All messages: by type their record, their stream and their limit.

Types below 32 and 48, 50 are of the talk stream, the others of the bulk stream. A type of 128 or
more may be sent to anybody and is ignored by whoever does not know it; below, an unknown type is an
offence, so a new message of that kind needs a new version of the stream.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from esper.p2p.faults import Fault, Offence
from esper.p2p.limits import (
    ANSWER_HEAD_BYTES,
    CHUNK_BYTES,
    COMPACT_EXTRA_BYTES,
    HEADERS_BYTES,
    HOLDINGS_BYTES,
    PAGE_BYTES,
    TALK_RECORD_BYTES,
    TRANSACTIONS_BYTES,
    NetworkLimits,
)
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import package_messages as packages
from esper.p2p.wire import talk_messages as talk
from esper.primitives.codec import CodecError, Record, decode, encode

PackageRequest = packages.GetDigests | packages.GetHoldings | packages.GetChunk
"""What is asked about packages of models."""

ChainRequest = talk.GetBlock | talk.GetBlockTxs | talk.GetTxs | talk.GetHeaders | talk.GetBlocks
"""What is asked about blocks and transactions."""

Request = ChainRequest | PackageRequest
"""What has a number and is answered."""

PackageAnswer = packages.Digests | packages.Holdings | packages.Chunk

Answer = (
    bulk.Compact
    | bulk.Proof
    | bulk.Txs
    | bulk.Headers
    | bulk.BodyOf
    | bulk.BlockTxs
    | PackageAnswer
)
"""What carries the number of a request, and is no refusal."""

Message = (
    talk.Hello
    | talk.Ping
    | talk.Bye
    | talk.GetAddrs
    | talk.Addrs
    | talk.Prefer
    | talk.Announce
    | talk.Nevermind
    | talk.HaveTxs
    | talk.Refuse
    | Request
    | Answer
)

UNKNOWN_FROM: Final = 128
"""Types from here on are ignored where they are not known."""
_TALK_BEYOND: Final = frozenset({48, 50})


class StreamKind(Enum):
    """The two streams of a connection."""

    TALK = "talk"
    """Short messages, which never wait behind a proof."""
    BULK = "bulk"
    """Answers and pushed blocks."""


RECORDS: Final[dict[int, Record[Any]]] = {
    0: talk.HELLO,
    1: talk.PING,
    2: talk.PONG,
    3: talk.BYE,
    4: talk.GET_ADDRS,
    5: talk.ADDRS,
    6: talk.PREFER,
    7: talk.ANNOUNCE,
    8: talk.GET_BLOCK,
    9: talk.GET_BLOCK_TXS,
    10: talk.NEVERMIND,
    11: talk.HAVE_TXS,
    12: talk.GET_TXS,
    13: talk.GET_HEADERS,
    14: talk.GET_BLOCKS,
    16: packages.GET_DIGESTS,
    17: packages.GET_HOLDINGS,
    32: bulk.COMPACT,
    33: bulk.PROOF,
    34: bulk.TXS,
    35: bulk.HEADERS,
    36: bulk.BODY,
    37: bulk.BLOCK_TXS,
    38: talk.REFUSE,
    40: packages.DIGESTS,
    41: packages.HOLDINGS,
    50: packages.GET_CHUNK,
    51: packages.CHUNK,
}
"""By type the record."""


def stream_of(kind: int) -> StreamKind:
    """The stream that a type belongs to, if it is below 128."""
    return StreamKind.TALK if kind < 32 or kind in _TALK_BEYOND else StreamKind.BULK


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """How long a record of each type may be on a network."""

    limits: NetworkLimits
    """The network's."""

    def most(self, kind: int, stream: StreamKind) -> int:
        """Bytes of a record of this type on this stream, its type not counted.

        Raises Fault for a type that does not belong there.
        """
        if kind >= UNKNOWN_FROM:
            return TALK_RECORD_BYTES
        if kind not in RECORDS:
            raise Fault(Offence.CODEC, f"message type {kind} is unknown")
        if stream_of(kind) is not stream:
            raise Fault(Offence.CODEC, f"message type {kind} came on the {stream.value} stream")
        if stream is StreamKind.TALK:
            return TALK_RECORD_BYTES
        return self._of_bulk(kind)

    def _of_bulk(self, kind: int) -> int:
        match kind:
            case bulk.Compact.TYPE:
                return self.limits.body + COMPACT_EXTRA_BYTES
            case bulk.Proof.TYPE:
                return self.limits.proof + ANSWER_HEAD_BYTES
            case bulk.Txs.TYPE:
                return TRANSACTIONS_BYTES
            case bulk.Headers.TYPE:
                return HEADERS_BYTES
            case talk.Refuse.TYPE:
                return ANSWER_HEAD_BYTES
            case packages.Digests.TYPE:
                return PAGE_BYTES + ANSWER_HEAD_BYTES
            case packages.Holdings.TYPE:
                return HOLDINGS_BYTES + ANSWER_HEAD_BYTES
            case packages.Chunk.TYPE:
                return CHUNK_BYTES + ANSWER_HEAD_BYTES
            case _:
                return self.limits.body + ANSWER_HEAD_BYTES


def encode_message(message: Message) -> bytes:
    """The record of a message. Raises ValueError for values outside its schema."""
    return encode(RECORDS[message.TYPE], message)


def decode_message(kind: int, record: bytes) -> Message | None:
    """The message of a record; None for a type of 128 or more that is not known.

    The frame's limit was checked before the record was read. Raises Fault (CODEC).
    """
    codec = RECORDS.get(kind)
    if codec is None:
        if kind >= UNKNOWN_FROM:
            return None
        raise Fault(Offence.CODEC, f"message type {kind} is unknown")
    try:
        message: Message = decode(codec, record, limit=len(record), what="message")
    except CodecError as error:
        raise Fault(Offence.CODEC, f"message of type {kind}: {error}") from error
    return message
