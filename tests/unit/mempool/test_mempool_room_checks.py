"""Who leaves a full room, decision by decision, on lines whose worth the test says."""

from dataclasses import replace
from typing import Any

import pytest

from esper.mempool.errors import MempoolFullError
from esper.mempool.lines.replacement import HOUR_MS, ReplacementCount
from esper.mempool.lines.sender_line import SenderLine
from esper.mempool.policy import MempoolPolicy
from esper.mempool.rate_floor import RateFloor
from esper.mempool.room import Room, Victims
from esper.mempool.waiting import Waiting
from esper.vm.payload import Output, Payload
from esper.vm.transfer import Transfer
from tests.support.mempool_world import PoolWorld, call, pay
from tests.support.vm_world import ALICE, BOB, CAROL, address, make

POLICY = MempoolPolicy(entry_bytes=0)
SIZE = 100
NO_PROJECTION: Any = None


def waits(rate: int, order: int, payload: Payload | None = None, size: int = SIZE) -> Waiting:
    """Something that offers ``rate``; ``order`` tells it apart."""
    bare = make(ALICE, payload or pay(BOB), order)
    return replace(Waiting.of(bare, 0, 0, order), size=size, rate=rate)


class Lines:
    """A room and the lines that it was told of."""

    def __init__(self, *, calls: bool = False) -> None:
        self.room = Room(10_000, POLICY, calls=calls)
        self.lines: dict[bytes, SenderLine] = {}

    def put(self, sender: bytes, *line: Waiting) -> None:
        if line:
            self.lines[sender] = SenderLine(NO_PROJECTION, list(line))
        else:
            self.lines.pop(sender, None)
        self.room.changed(sender, self.lines.get(sender))

    def victims(
        self, excess: int, below: int | None = None, spared: bytes | None = None
    ) -> tuple[list[int], int] | None:
        """Orders of those who leave, and what was lost."""
        found = self.room.victims(excess, below, spared, self.lines)
        if found is None:
            return None
        return [one.order for one in found.leaving], found.worth


def test_two_of_the_cheapest_line_leave_before_one_of_a_dearer() -> None:
    world = Lines()
    world.put(b"a", waits(10, 1), waits(20, 2))
    world.put(b"b", waits(15, 3))
    assert world.victims(1) == ([2], 10)
    assert world.victims(SIZE + 1) == ([2, 1], 10)
    assert world.victims(2 * SIZE + 1) == ([2, 1, 3], 15)


def test_a_line_that_lost_its_cheapest_is_worth_what_is_left() -> None:
    world = Lines()
    world.put(b"a", waits(50, 1), waits(10, 2))
    world.put(b"b", waits(20, 3))
    assert world.victims(SIZE + 1) == ([2, 3], 20)


def test_of_equals_the_newest_leaves() -> None:
    world = Lines()
    world.put(b"a", waits(10, 1), waits(10, 4))
    world.put(b"b", waits(10, 2))
    world.put(b"c", waits(10, 3))
    assert world.victims(1) == ([4], 10)
    assert world.victims(SIZE + 1) == ([4, 3], 10)


def test_what_a_sender_has_in_the_other_room_makes_its_line_neither_dear_nor_new() -> None:
    world = Lines()
    world.put(b"a", waits(10, 1), waits(1, 9, call()))
    world.put(b"b", waits(10, 2))
    # The call offers less and is the newest; it counts where calls are.
    assert world.victims(1) == ([2], 10)
    assert world.room.worth(world.lines[b"a"]) == 10
    assert world.room.worth([waits(1, 9, call())]) is None


def test_nobody_leaves_for_less_than_it_is_worth() -> None:
    world = Lines()
    world.put(b"a", waits(10, 1))
    assert world.victims(1, below=10) is None
    assert world.victims(1, below=11) == ([1], 10)
    assert world.victims(1, below=11, spared=b"a") is None
    assert world.victims(SIZE + 1) is None
    # Nothing changed: the same question has the same answer.
    assert world.victims(1) == ([1], 10)


def test_an_empty_room_has_no_victims() -> None:
    assert Lines().victims(1, below=5) is None
    assert Lines().victims(1) is None
    assert Lines().room.victims(0, 5, None, {}) == Victims([], 0)
    assert Lines().room.least() == 0


def test_a_sender_is_spared_for_its_own_newcomer() -> None:
    world = Lines()
    world.put(b"a", waits(1, 1))
    world.put(b"b", waits(2, 2))
    assert world.victims(1, below=9, spared=b"a") == ([2], 2)
    assert world.victims(1, below=9) == ([1], 1)


def test_what_a_line_was_worth_before_counts_no_more() -> None:
    world = Lines()
    world.put(b"a", waits(1, 1))
    world.put(b"b", waits(5, 2))
    world.put(b"a", waits(9, 3))
    assert world.room.least() == 5
    assert world.victims(1) == ([2], 5)
    world.put(b"b")
    assert world.room.least() == 9
    assert world.victims(1) == ([3], 9)


@pytest.mark.parametrize("ask", [False, True])
def test_who_is_gone_leaves_for_nobody(ask: bool) -> None:
    """A line that is gone would be looked for in vain."""
    world = Lines()
    world.put(b"a", waits(1, 1))
    world.put(b"b", waits(5, 2))
    world.put(b"a")
    if ask:
        assert world.room.least() == 5
    assert world.victims(1) == ([2], 5)
    assert world.victims(SIZE + 1) is None


def test_throwing_outdated_bids_away_changes_no_order() -> None:
    world = Lines()
    names = [bytes([number]) for number in range(40)]
    for number, name in enumerate(names):
        world.put(name, waits(1000 - number, number))
    # Asked right after outdated ones were thrown away, with nothing put on top since.
    bids = len(world.room._bids)
    while len(world.room._bids) >= bids:
        bids = len(world.room._bids)
        world.put(names[0], waits(1000, 0))
    assert len(world.room._bids) == len(names)
    expected = [(number, 1000 - number) for number in reversed(range(40))]
    for number, worth in expected:
        assert world.room.least() == worth
        assert world.victims(1) == ([number], worth)
        world.put(names[number])


def test_each_room_counts_its_own_kind_alone() -> None:
    paid, asked = waits(1, 1), waits(1, 2, call())
    tokens = POLICY.token_bytes * 2
    for calls, own, other in ((False, SIZE, 0), (True, 0, SIZE + tokens)):
        room = Room(10_000, POLICY, calls=calls)
        assert room.taken_by([paid, asked]) == own + other
        room.take(paid)
        room.take(asked)
        assert room.bytes == own + other
        room.free(paid)
        room.free(asked)
        assert room.bytes == 0


def test_outputs_and_tokens_weigh_more_than_their_bytes() -> None:
    room = Room(10_000, replace(POLICY, entry_bytes=7), calls=False)
    three = Transfer((Output(address(BOB), 1),) * 3)
    assert room.weight(waits(1, 1)) == SIZE + 7
    assert room.weight(waits(1, 1, three)) == SIZE + 7 + 2 * POLICY.output_bytes
    assert room.weight(waits(1, 1, call(prompt=5))) == SIZE + 7 + 5 * POLICY.token_bytes


def test_the_least_rate_begins_where_the_room_is_half_full() -> None:
    room = Room(2 * SIZE, POLICY, calls=False)
    room.floor.rise_above(9, 0)
    room.take(waits(1, 1))
    assert room.least_rate(0) == 0
    room.take(waits(1, 2, size=1))
    assert room.least_rate(0) == 10


# --- the same in a mempool ---


def test_what_is_larger_than_the_room_is_refused() -> None:
    world = PoolWorld(MempoolPolicy(fee_bytes=5_000))
    with pytest.raises(MempoolFullError):
        world.send(ALICE, pay(BOB), 0)
    assert len(world.pool) == 0


def test_a_replacement_that_takes_more_room_drives_out_others() -> None:
    world = PoolWorld(MempoolPolicy(fee_bytes=20_000, entry_bytes=1_000))
    cheap = world.send(ALICE, pay(BOB), 0, fee=50_000)
    other = world.send(BOB, pay(ALICE), 0, fee=60_000)
    stays = world.send(CAROL, pay(ALICE), 0, fee=90_000)
    large = Transfer((Output(address(BOB), 10**6),) * 8)
    admission = world.add(world.signed(ALICE, large, 0, fee=200_000))
    assert (admission.replaced, admission.evicted) == (cheap.txid, (other.txid,))
    assert stays.txid in world.pool


def test_one_who_needs_the_room_of_two_drives_out_two() -> None:
    world = PoolWorld(MempoolPolicy(fee_bytes=20_000, entry_bytes=1_000))
    first = world.send(ALICE, pay(BOB), 0, fee=50_000)
    second = world.send(BOB, pay(ALICE), 0, fee=60_000)
    world.send(CAROL, pay(ALICE), 0, fee=500_000)
    large = Transfer((Output(address(BOB), 10**6),) * 10)
    admission = world.add(world.signed(CAROL, large, 1, fee=500_000))
    assert admission.evicted == (first.txid, second.txid)
    statistics = world.pool.statistics()
    assert statistics.fee_bytes <= statistics.fee_limit


# --- the floor, and the count of replacements ---


def test_a_clock_that_goes_back_lifts_no_floor() -> None:
    floor = RateFloor(100)
    floor.rise_above(999, 1000)
    assert floor.at(0) == floor.at(1000) == 1000
    # What is evicted at just the floor raises it, what is below does not.
    floor.rise_above(999, 1000)
    assert floor.at(1000) == 1000
    floor.rise_above(1000, 1000)
    assert floor.at(1000) == 1001


def test_a_floor_of_any_age_costs_no_large_number() -> None:
    floor = RateFloor(1)
    floor.rise_above(999, 0)
    assert floor.at(1 << 200) == 0


def test_who_replaced_long_ago_is_forgotten() -> None:
    count = ReplacementCount(2)
    for number in range(5):
        count.add(bytes([number]), number)
    count.forget_before(3)
    assert len(count) == len(count._of_sender) == 1
    count.check(bytes([4]), HOUR_MS)
    count.forget_before(4)
    assert count._of_sender == {}
