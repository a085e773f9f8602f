import pytest

from esper.p2p.peers.bars import (
    LONGEST_MS,
    MADE_ROOM,
    MOST_BARS,
    REMEMBERED_MS,
    SUBJECT_BYTES,
    Bar,
    Barred,
    Bars,
    as_times_of_day,
    from_times_of_day,
    of_id,
    of_ip,
)
from tests.support.net.peer_world import NOW, ip, peer_id

WALL = 1_700_000_000_000


def barred(value: int, bar: Bar = Bar.BAN, lasts_ms: int = 1_000, began_ms: int = NOW) -> Barred:
    return Barred(of_id(peer_id(value)), bar, began_ms, began_ms + lasts_ms)


def test_subjects_are_ids_and_parts_of_addresses() -> None:
    assert len(of_id(peer_id(1))) == SUBJECT_BYTES
    assert of_ip(ip("2600::1")) == of_ip(ip("2600::2"))
    assert of_ip(ip("8.8.8.8")) != of_ip(ip("8.8.8.9"))
    assert len({of_id(peer_id(1))[:1], of_ip(ip("2600::1"))[:1]}) == 2


def test_a_bar_ends() -> None:
    bars = Bars()
    bars.put(barred(1), NOW)
    assert bars.until(of_id(peer_id(1)), NOW + 999) == NOW + 1_000
    assert bars.until(of_id(peer_id(1)), NOW + 1_000) is None
    assert bars.until(of_id(peer_id(2)), NOW) is None


def test_the_stronger_and_the_longer_stay() -> None:
    bars = Bars()
    bars.put(barred(1, Bar.BAN, 9_000), NOW)
    bars.put(barred(1, Bar.DROP, 1_000), NOW)
    assert bars.found(of_id(peer_id(1))) == barred(1, Bar.BAN, 9_000)
    bars.put(barred(1, Bar.DROP, 99_000), NOW)
    assert bars.found(of_id(peer_id(1))) == barred(1, Bar.BAN, 99_000)
    # What is over does not linger.
    bars.put(barred(1, Bar.DROP, 1, NOW + 10**6), NOW + 10**6)
    assert bars.found(of_id(peer_id(1))) == barred(1, Bar.DROP, 1, NOW + 10**6)


def test_a_person_has_the_last_word() -> None:
    bars = Bars()
    bars.put(barred(1, Bar.BAN, 9_000), NOW)
    bars.put(barred(1, Bar.BY_HAND, 500), NOW)
    bars.put(barred(1, Bar.BAN, 99_000), NOW + 1)
    assert bars.until(of_id(peer_id(1)), NOW) == NOW + 500
    assert bars.lift(of_id(peer_id(1)))
    assert not bars.lift(of_id(peer_id(1)))
    assert bars.until(of_id(peer_id(1)), NOW) is None


def test_drops_can_be_taken_back_and_bans_not_that_way() -> None:
    bars = Bars()
    bars.put(barred(1, Bar.DROP), NOW)
    bars.put(barred(2, Bar.BAN), NOW)
    for value in (1, 2, 3):
        bars.lift_drop(of_id(peer_id(value)))
    assert [one.subject for one in bars.current(NOW)] == [of_id(peer_id(2))]


def test_what_is_remembered() -> None:
    bars = Bars()
    for value, bar in ((1, Bar.DROP), (2, Bar.BAN), (3, Bar.BY_HAND)):
        bars.put(barred(value, bar, 1_000 * value), NOW)
    assert [one.bar for one in bars.current(NOW)] == [Bar.BY_HAND, Bar.BAN, Bar.DROP]
    assert [one.bar for one in bars.remembered(NOW)] == [Bar.BAN, Bar.BY_HAND]
    assert bars.current(NOW + 3_000) == []
    assert [one.bar for one in bars.remembered(NOW + REMEMBERED_MS - 1)] == [Bar.BAN]
    assert bars.remembered(NOW + REMEMBERED_MS) == []
    told = bars.statistics()
    assert (told.dropped, told.banned, told.by_hand) == (1, 1, 1)


def is_kept(bars: Bars, value: int) -> bool:
    return bars.until(of_id(peer_id(value)), NOW) is not None


def test_there_are_so_many_and_the_weakest_go() -> None:
    bars = Bars()
    bars.put(barred(0, Bar.BY_HAND, 5), NOW)
    bars.put(barred(1, Bar.BAN, 10), NOW)
    for value in range(2, MOST_BARS):
        bars.put(barred(value, Bar.DROP, 10_000 + value), NOW)
    assert len(bars.current(NOW)) == MOST_BARS
    bars.put(barred(MOST_BARS, Bar.DROP, 10_000), NOW)
    # The drops that end first have gone.
    assert len(bars.current(NOW)) == MOST_BARS + 1 - MADE_ROOM
    assert is_kept(bars, MOST_BARS)
    assert not is_kept(bars, MADE_ROOM + 1)
    assert is_kept(bars, MADE_ROOM + 2)
    # Bans push out drops before each other, and nothing pushes out what a person wants.
    for value in range(MOST_BARS + 1, 2 * MOST_BARS - 2 * MADE_ROOM):
        bars.put(barred(value, Bar.BAN, 20), NOW)
    assert is_kept(bars, 1)
    for value in range(2 * MOST_BARS, 4 * MOST_BARS):
        bars.put(barred(value, Bar.BAN, 20), NOW)
    assert not is_kept(bars, 1)
    assert is_kept(bars, 0)
    assert len(bars.current(NOW)) <= MOST_BARS


def test_what_is_over_goes_first() -> None:
    bars = Bars()
    for value in range(MADE_ROOM - 1):
        bars.put(barred(value, Bar.BAN, 5), NOW)
    bars.put(barred(MADE_ROOM - 1, Bar.DROP, 5), NOW)
    for value in range(MADE_ROOM, MOST_BARS + 1):
        bars.put(barred(value, Bar.DROP, 10_000), NOW + 5)
    # Bans that are over and only remembered go before bars in force.
    assert len(bars.current(NOW + 5)) == MOST_BARS + 1 - MADE_ROOM
    assert bars.statistics().banned == 0
    everything = Bars()
    for value in range(MOST_BARS):
        everything.put(barred(value, Bar.DROP, 5), NOW)
    everything.put(barred(MOST_BARS, Bar.DROP, 5), NOW + 5)
    assert everything.statistics().dropped == 1


@pytest.mark.parametrize("later_ms", [0, 400, 999])
def test_a_bar_ends_at_its_time_of_day_after_a_restart(later_ms: int) -> None:
    kept = as_times_of_day([barred(1)], NOW + 10, WALL)
    [again] = from_times_of_day(kept, 77, WALL + later_ms)
    assert again.until_ms - 77 == 990 - later_ms
    assert again.began_ms - 77 == -10 - later_ms


def test_a_wrong_clock_bars_nobody_for_longer() -> None:
    kept = as_times_of_day([barred(1)], NOW + 10, WALL)
    [again] = from_times_of_day(kept, 77, WALL - 10**12)
    assert again.until_ms == 77 + 1_000
    assert again.began_ms == 77
    [past] = as_times_of_day([barred(1)], NOW + 10**9, 5)
    assert (past.began_ms, past.until_ms) == (0, 0)
    assert LONGEST_MS < REMEMBERED_MS
