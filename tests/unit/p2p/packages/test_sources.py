"""Peers as givers: pauses double, what comes together counts once, and quick ones get more."""

from __future__ import annotations

from esper.p2p.limits import (
    BUSY_ASIDE_MS,
    CHUNKS_OF_A_PEER,
    CLAIMS_BROKEN,
    MOST_ASIDE_MS,
    MOST_BUSY_ASIDE_MS,
    QUICK_CHUNK_MS,
    SLOW_ASIDE_MS,
)
from esper.p2p.packages.sources import Source
from esper.p2p.peer import Peer, PeerNumber

ROOT = b"r" * 64


def source(outbound: bool = False, lot: float = 0.5) -> Source:
    return Source.of(Peer(PeerNumber(1), bytes(38), outbound, b"g", chunks=True), lot, 0)


def test_refusals_that_come_together_count_once() -> None:
    made = source()
    for _ in range(4):
        made.was_busy(0)
    assert made.aside_until == BUSY_ASIDE_MS
    made.was_busy(10_000)
    assert made.aside_until == 10_000 + 2 * BUSY_ASIDE_MS


def test_pauses_end_somewhere_and_begin_anew() -> None:
    busy, late = source(), source()
    now = 0
    for _ in range(20):
        now = max(busy.aside_until, late.aside_until)
        busy.was_busy(now)
        late.was_late(now)
    assert busy.aside_until == now + MOST_BUSY_ASIDE_MS
    assert late.aside_until == now + MOST_ASIDE_MS
    busy.gave(1)
    busy.was_busy(late.aside_until)
    assert busy.aside_until == late.aside_until + BUSY_ASIDE_MS


def test_quick_ones_are_asked_for_more_and_slow_ones_for_less() -> None:
    made = source()
    for _ in range(CHUNKS_OF_A_PEER + 3):
        made.gave(QUICK_CHUNK_MS)
    assert made.window == CHUNKS_OF_A_PEER
    for expected in (3, 2, 1, 1):
        made.gave(QUICK_CHUNK_MS + 1)
        assert made.window == expected
    made.gave(1)
    made.was_late(0)
    assert made.window == 1


def test_the_quickest_is_asked_first_then_outbound_ones_then_by_lot() -> None:
    quick, slow = source(lot=0.9), source(outbound=True, lot=0.1)
    quick.gave(10)
    slow.gave(9_000)
    order = [quick, source(outbound=True), source(lot=0.1), source(lot=0.2), slow]
    mixed = [order[place] for place in (3, 0, 4, 2, 1)]
    assert sorted(mixed, key=lambda one: one.rank) == order


def test_claims_that_are_broken_count_as_late_once_in_a_while() -> None:
    made = source()
    made.view(ROOT).chunks = 0b1111_1111_1111
    for index in range(CLAIMS_BROKEN - 1):
        made.broke_claim(ROOT, index, 0)
    assert not made.is_aside(0)
    assert made.view(ROOT).chunks == 0b1111_1000_0000
    made.broke_claim(ROOT, 11, 0)
    assert made.aside_until == SLOW_ASIDE_MS
    assert made.view(ROOT).broken == 0
