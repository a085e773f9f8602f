"""What strangers can have held, at its limits, measured part by part against the page's table."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest

from esper.p2p.faults import Offence
from esper.p2p.flow.served import Served
from esper.p2p.limits import (
    ANSWERS_HELD,
    CONNECTIONS,
    EVENTS_WAITING,
    FETCHES_INBOUND,
    FETCHES_OUTBOUND,
    HEADER_BYTES,
    KNOWN_PREFIXES,
    MIB,
    MOST_ADDRESSES,
    MOST_ASKED,
    MOST_BLOCKS,
    MOST_LOCATOR,
    MOST_TRANSACTIONS,
    PREFIX_BYTES,
    PUSHES,
    RECENT_BYTES,
    SYNC_BYTES,
    TALK_QUEUE_BYTES,
    TALK_RECORD_BYTES,
    TX_IN_FLIGHT_BYTES_IN_ALL,
    UNPROVEN_HEADERS,
    NetworkLimits,
)
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.peers.book.address_answers import MOST_GROUPS
from esper.p2p.peers.book.address_book import ENTRY_BYTES
from esper.p2p.peers.book.address_table import NEW_BUCKETS, TRIED_BUCKETS
from esper.p2p.peers.book.address_table import SLOTS as ADDRESS_SLOTS
from esper.p2p.peers.penalties import Offender, Penalties
from esper.p2p.service.connection import Connection
from esper.p2p.transport.channel import HANDSHAKE_BYTES, READ_BYTES
from esper.p2p.transport.door import SLOTS
from esper.p2p.transport.multiplexer import LARGEST_WINDOW, Multiplexer
from esper.p2p.transport.yamux import DATA, FIRST_WINDOW, SYN, WINDOW_UPDATE, head
from esper.p2p.wire.framing import FrameReader
from esper.p2p.wire.messages import ChainRequest, FrameLimits, StreamKind
from esper.p2p.wire.talk_messages import (
    REFUSED_BUSY,
    Announce,
    GetBlocks,
    GetBlockTxs,
    GetHeaders,
    GetTxs,
    Refuse,
)
from esper.primitives.networks import MAINNET
from tests.support.net.peer_world import NOW, PUBLIC, peer_id, public_ip

LIMITS = NetworkLimits.of(MAINNET)
ID = b"i" * 64
PLACES = tuple(range(1_000, 1_000 + MOST_TRANSACTIONS))
SEALED_BYTES = 65_535
ANSWER_LINE_BYTES = 22
PREFIX_COST = 150
"""Bytes of a known prefix in its table, about."""
BAR_COST, SCORE_COST = 320, 700
"""Likewise of a bar, and of an id whose offences are counted."""


def _deep(value: Any) -> int:
    """Bytes of a value with all that it holds."""
    size = sys.getsizeof(value)
    if isinstance(value, tuple):
        return size + sum(_deep(one) for one in value)
    for name in getattr(value, "__slots__", ()):
        size += _deep(getattr(value, name))
    return size


def _windows() -> int:
    """Both streams, as full as a peer may make them, with what one read brings."""
    mux = Multiplexer(dialler=False)
    for number, window in ((1, FIRST_WINDOW), (3, LARGEST_WINDOW)):
        mux.feed(head(WINDOW_UPDATE, SYN, number, 0))
        while mux.parse(64) != (0, 0):
            pass
        mux.agree(mux.streams[number], window)
        mux.feed(head(DATA, 0, number, window) + bytes(window))
        while mux.parse(64) != (0, 0):
            pass
    mux.feed(bytes(SEALED_BYTES))
    return mux.buffered + READ_BYTES + SEALED_BYTES


def _talk_frame() -> int:
    reader = FrameReader(StreamKind.TALK, FrameLimits(LIMITS))
    head_of = (1 + TALK_RECORD_BYTES).to_bytes(4, "big") + b"\7"
    assert not list(reader.feed(head_of + bytes(TALK_RECORD_BYTES - 1)))
    return reader.held


def _queue() -> int:
    connection = Connection(
        PeerNumber(1),
        None,  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        FrameLimits(LIMITS),
        lambda: 0,
        random.Random(1),
    )
    while not connection.why:
        most = connection.statistics().queued
        connection.send(Announce(bytes(HEADER_BYTES)))
    assert "too slowly" in connection.why
    return most


def _requests(request: ChainRequest) -> int:
    """All that wait of one peer, which asks as dearly as it can."""
    served, peer = Served(0), Peer(PeerNumber(1), bytes(38), False, b"g")
    served.joined(peer, 0)
    accepted = []
    for number in range(1, 2 * EVENTS_WAITING):
        # A request every five seconds is always within the budget.
        numbered = request.numbered(number)
        if served.asked(peer.number, numbered, number * 5_000) is None:
            accepted.append(numbered)
    assert len(accepted) == served.statistics().waiting
    size = max(_deep(request), _deep(getattr(request, "indices", ())))
    return size * len(accepted)


REQUESTS: list[ChainRequest] = [
    GetBlockTxs(0, ID, PLACES),
    GetTxs(0, tuple(bytes([at]) * PREFIX_BYTES for at in range(MOST_ASKED))),
    GetHeaders(0, tuple(bytes([at]) * 64 for at in range(MOST_LOCATOR)), 128),
    GetBlocks(0, tuple(bytes([at]) * 64 for at in range(MOST_BLOCKS)), 3),
]


def _book() -> int:
    book = (NEW_BUCKETS + TRIED_BUCKETS) * ADDRESS_SLOTS * ENTRY_BYTES
    return book + MOST_GROUPS * MOST_ADDRESSES * ANSWER_LINE_BYTES


def _bars() -> int:
    penalties = Penalties(PUBLIC)
    for at in range(4_500):
        who = Offender(peer_id(at + 1), public_ip(at % 4_096), b"g", False)
        penalties.offended(who, Offence.CODEC, NOW + at)
    found = penalties.statistics()
    bars = found.bars.dropped + found.bars.banned
    assert 4_000 <= bars <= 4_096
    assert found.scores == 4_096
    return bars * BAR_COST + found.scores * SCORE_COST


def test_all_that_strangers_can_have_held_is_within_the_page_s_table() -> None:
    waiting = max(_requests(one) for one in REQUESTS)
    connection = _windows() + _talk_frame() + _queue() + 2 * KNOWN_PREFIXES * PREFIX_COST
    assert connection <= 2.0 * MIB
    parts = {
        "connections": CONNECTIONS * connection,
        "sync": SYNC_BYTES,
        "fetches": (FETCHES_INBOUND + FETCHES_OUTBOUND + PUSHES) * LIMITS.fetch,
        "answers": ANSWERS_HELD * LIMITS.fetch,
        "recent blocks": RECENT_BYTES,
        "transactions": TX_IN_FLIGHT_BYTES_IN_ALL,
        "headers": UNPROVEN_HEADERS * 2_048,
        "book": _book(),
        "handshakes": SLOTS * (HANDSHAKE_BYTES + READ_BYTES),
    }
    told = {name: size / MIB for name, size in parts.items()}
    assert sum(parts.values()) <= 196 * MIB, told
    # What the page's table does not have.
    beside = CONNECTIONS * waiting + _bars()
    assert beside <= 12 * MIB
    assert sum(parts.values()) + beside <= 206 * MIB, told


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: type(one).__name__)
def test_requests_that_wait_take_little(request_: ChainRequest) -> None:
    """Sixty of 4,096 places each were 9 MB a connection while the peer did not read."""
    assert _requests(request_) < MIB // 2


def test_requests_that_are_long_together_are_refused_as_busy() -> None:
    served, peer = Served(0), Peer(PeerNumber(1), bytes(38), False, b"g")
    served.joined(peer, 0)
    for number in range(1, 9):
        assert served.asked(peer.number, GetBlockTxs(number, ID, PLACES[:256]), 0) is None
    refused = served.asked(peer.number, GetBlockTxs(9, ID, PLACES[:1]), 0)
    assert isinstance(refused, Refuse)
    assert refused.code == REFUSED_BUSY


def test_the_queue_of_a_connection_is_bounded() -> None:
    assert _queue() <= TALK_QUEUE_BYTES
