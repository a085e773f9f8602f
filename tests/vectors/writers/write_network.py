"""Write the golden vectors of the network's messages and frames.

    python -m tests.vectors.writers.write_network

Run it only to add vectors: bytes that change for an old vector cut a network in two.
"""

import json
from pathlib import Path
from typing import Any, Final

from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import package_messages as packages
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import MOST_WEIGHT, KnownAddress, weight_bytes
from esper.p2p.wire.framing import frame_bytes
from esper.p2p.wire.messages import RECORDS, Message, stream_of
from tests.vectors.fields import encoding
from tests.vectors.writers.write_records import pattern

FILE: Final = Path(__file__).parents[1] / "network.json"

V4: Final = bytes(10) + b"\xff\xff" + bytes((127, 0, 0, 1))
V6: Final = bytes.fromhex("20010db8000000000000000000000001")
ONE, TWO, THREE = pattern(64, 1), pattern(64, 2), pattern(64, 3)
TIP: Final = (1_204, weight_bytes(1 << 70), ONE)
EMPTY: Final = (0, b"", TWO)

MADE: Final[tuple[tuple[str, Message], ...]] = (
    (
        "hello",
        talk.Hello(
            ONE, 0x0123456789ABCDEF, 3, *TIP, 1, 9333, V4, 1_790_000_000_000, b"esper/0.1.0"
        ),
    ),
    ("hello, least", talk.Hello(TWO, 0, 0, *EMPTY, 0, 0, bytes(16), 0, b"")),
    (
        "hello, widest",
        talk.Hello(
            THREE,
            (1 << 64) - 1,
            (1 << 32) - 1,
            (1 << 32) - 1,
            weight_bytes(MOST_WEIGHT),
            THREE,
            (1 << 32) - 1,
            65_535,
            V6,
            (1 << 63) - 1,
            b"~" * 64,
        ),
    ),
    ("ping", talk.Ping(7, *TIP)),
    ("pong", talk.Pong(7, *EMPTY)),
    ("bye", talk.Bye(talk.BYE_NETWORK)),
    ("get_addrs", talk.GetAddrs()),
    ("addrs", talk.Addrs((KnownAddress(V4, 1, pattern(38, 1), 1, 29_000_000),))),
    ("addrs, none", talk.Addrs(())),
    ("addrs, many", talk.Addrs((KnownAddress(V6, 65_535, pattern(38, 2), 0, 0),) * 17)),
    ("prefer", talk.Prefer(1)),
    ("prefer no more", talk.Prefer(0)),
    ("announce", talk.Announce(pattern(700, 4))),
    ("get_block", talk.GetBlock(1, ONE)),
    ("get_block_txs", talk.GetBlockTxs(2, ONE, (0, 127, 128, 65_535))),
    ("nevermind", talk.Nevermind(2)),
    ("have_txs", talk.HaveTxs((talk.Announced(pattern(16, 1), 3_500),))),
    ("get_txs", talk.GetTxs(3, (pattern(16, 1), pattern(16, 2)))),
    ("get_headers", talk.GetHeaders(4, (ONE, TWO), 128)),
    ("get_blocks", talk.GetBlocks(5, (ONE, TWO, THREE), 3)),
    ("refuse", talk.Refuse(5, TWO, talk.REFUSED_PRUNED)),
    ("refuse the rest", talk.Refuse((1 << 32) - 1, bytes(64), talk.REFUSED_CANCELLED)),
    (
        "compact",
        bulk.Compact(
            1,
            pattern(700, 5),
            pattern(300, 6),
            (b"\x91\x01",),
            (pattern(40, 7),),
            (pattern(16, 8), pattern(16, 9)),
            (bulk.Filled(2, pattern(60, 10)),),
        ),
    ),
    (
        "compact, pushed, coinbase alone",
        bulk.Compact(0, b"h", b"o", (), (), (), (bulk.Filled(0, b"c"),)),
    ),
    ("proof", bulk.Proof(1, ONE, pattern(300, 11))),
    ("txs", bulk.Txs(3, (pattern(70, 12), pattern(256, 13)))),
    ("txs, none", bulk.Txs(3, ())),
    ("headers", bulk.Headers(4, ONE, (pattern(650, 14), pattern(651, 15)))),
    ("headers, none", bulk.Headers(4, TWO, ())),
    ("body", bulk.BodyOf(5, ONE, pattern(400, 16))),
    ("block_txs", bulk.BlockTxs(2, ONE, (pattern(99, 17),))),
    ("get_digests", packages.GetDigests(6, ONE, 0)),
    ("get_digests, the last page there may be", packages.GetDigests(6, TWO, 15)),
    ("get_holdings", packages.GetHoldings(7, ONE)),
    ("digests", packages.Digests(6, ONE, 0, 3, pattern(96, 18))),
    ("digests, one on the second page", packages.Digests(6, TWO, 1, 4_097, pattern(32, 19))),
    ("holdings", packages.Holdings(7, ONE, 10, b"\x05\x02")),
    ("holdings, all of eight", packages.Holdings(7, ONE, 8, b"\xff")),
    ("get_chunk", packages.GetChunk(8, ONE, 0)),
    ("get_chunk, the last there may be", packages.GetChunk((1 << 32) - 1, TWO, 65_535)),
    ("chunk", packages.Chunk(8, ONE, 0, pattern(300, 20))),
    ("chunk, empty", packages.Chunk(8, ONE, 2, b"")),
)


def vector(case: str, message: Message) -> dict[str, Any]:
    """A message with its bytes."""
    kind = message.TYPE
    return encoding(RECORDS[kind], message, case) | {
        "type": kind,
        "stream": stream_of(kind).value,
        "frame": frame_bytes(message).hex(),
    }


def document() -> dict[str, Any]:
    """The file's content."""
    return {"messages": [vector(case, message) for case, message in MADE]}


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
