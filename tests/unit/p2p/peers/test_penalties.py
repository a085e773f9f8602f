import pytest

from esper.p2p.faults import Offence
from esper.p2p.peers.bars import FOR_GOOD_MS, LONGEST_MS, MADE_ROOM, MOST_BARS, Bar
from esper.p2p.peers.netgroup import Localities
from esper.p2p.peers.own_fault import GRACE_MS, TICKER_LATE_MS
from esper.p2p.peers.penalties import (
    BAN_ID_MS,
    BAN_IP_MS,
    DROP_MS,
    DROPS_BEFORE_BAN,
    DROPS_WINDOW_MS,
    GROUPS_OF_OTHER_RULES,
    HOUR_MS,
    MOST_SCORES,
    OTHER_RULES_MS,
    SILENT_MS,
    WINDOW_MS,
    Consequence,
    Offender,
    Penalties,
)
from tests.support.net.peer_world import NOW, PUBLIC, ip, peer_id, public_ip

WALL = 1_700_000_000_000
WEEK = 7 * 24 * HOUR_MS


def offender(value: int = 1, host: str = "8.8.8.8", *, outbound: bool = False) -> Offender:
    return Offender(peer_id(value), ip(host), b"group %d" % value, outbound)


PEER = offender()


def penalties(static: tuple[bytes, ...] = (), localities: Localities = PUBLIC) -> Penalties:
    some = Penalties(localities, static)
    # Many were asked, so nobody who is late is excused.
    for value in range(100, 120):
        some.asked(peer_id(value), b"group %d" % value, NOW)
    return some


def barred(some: Penalties, who: Offender, now_ms: int = NOW) -> tuple[int | None, int | None]:
    """For how long id and address stay away."""
    by_id, by_ip = some.id_barred_until(who.peer_id, now_ms), some.ip_barred_until(who.ip, now_ms)
    return (
        None if by_id is None else by_id - now_ms,
        None if by_ip is None else by_ip - now_ms,
    )


@pytest.mark.parametrize(
    "offence",
    [
        Offence.CODEC,
        Offence.GUARD,
        Offence.ORDER,
        Offence.UNASKED,
        Offence.SIZE,
        Offence.BUSY,
    ],
)
def test_what_drops_at_once(offence: Offence) -> None:
    some = penalties()
    assert some.offended(PEER, offence, NOW) is Consequence.DROP
    assert barred(some, PEER) == (DROP_MS, None)
    assert barred(some, PEER, NOW + DROP_MS) == (None, None)


def answered_by_others(some: Penalties, now_ms: int) -> None:
    """So that it is not our own line that fails."""
    for value in range(10, 20):
        some.asked(peer_id(value), b"group %d" % value, now_ms)


def test_silence_keeps_away_for_seconds_and_the_third_for_longer() -> None:
    some = penalties()
    for at in (NOW, NOW + 60_000):
        answered_by_others(some, at)
        assert some.offended(PEER, Offence.LATE, at) is Consequence.DROP
        assert barred(some, PEER, at) == (SILENT_MS, None)
        assert barred(some, PEER, at + SILENT_MS) == (None, None)
    answered_by_others(some, NOW + 120_000)
    assert some.offended(PEER, Offence.LATE, NOW + 120_000) is Consequence.DROP
    assert barred(some, PEER, NOW + 120_000) == (DROP_MS, None)


def test_silence_now_and_then_adds_up_to_nothing() -> None:
    some = penalties()
    for number in range(6):
        at = NOW + number * WINDOW_MS // 2
        answered_by_others(some, at)
        assert some.offended(PEER, Offence.LATE, at) is Consequence.DROP
        assert barred(some, PEER, at) == (SILENT_MS, None)


def test_other_rules_keep_an_id_away_for_an_hour() -> None:
    some = penalties()
    assert some.offended(PEER, Offence.OTHER_RULES, NOW) is Consequence.DROP
    assert barred(some, PEER) == (OTHER_RULES_MS, None)


@pytest.mark.parametrize("offence", [Offence.FORGED, Offence.BYTES])
def test_what_bans_at_once(offence: Offence) -> None:
    some = penalties()
    assert some.offended(PEER, offence, NOW) is Consequence.BAN
    assert barred(some, PEER) == (BAN_ID_MS, BAN_IP_MS)
    # Others behind the same address may be dialled.
    assert some.id_barred_until(peer_id(2), NOW) is None
    assert some.ip_barred_until(ip("8.8.8.9"), NOW) is None


def test_every_offence_has_a_consequence() -> None:
    for offence in Offence:
        some = penalties()
        found = {some.offended(PEER, offence, NOW) for _ in range(10)}
        assert found - {Consequence.NONE}, offence


@pytest.mark.parametrize(("offence", "count"), [(Offence.LATE_ANSWER, 2), (Offence.BAD_TX, 10)])
def test_what_drops_when_it_is_often(offence: Offence, count: int) -> None:
    some = penalties()
    for step in range(count - 1):
        assert some.offended(PEER, offence, NOW + step) is Consequence.NONE
    assert barred(some, PEER) == (None, None)
    last = NOW + WINDOW_MS - 1
    for value in range(100, 120):
        some.asked(peer_id(value), b"group %d" % value, last)
    assert some.offended(PEER, offence, last) is Consequence.DROP
    # Counted anew from there.
    assert some.offended(PEER, offence, last) is Consequence.NONE


@pytest.mark.parametrize(("offence", "count"), [(Offence.LATE_ANSWER, 2), (Offence.BAD_TX, 10)])
def test_ten_minutes_later_it_is_not_often(offence: Offence, count: int) -> None:
    some = penalties()
    for _ in range(count - 1):
        some.offended(PEER, offence, NOW)
    for value in range(100, 120):
        some.asked(peer_id(value), b"group %d" % value, NOW + WINDOW_MS)
    assert some.offended(PEER, offence, NOW + WINDOW_MS) is Consequence.NONE
    assert some.offended(offender(2), offence, NOW + WINDOW_MS) is Consequence.NONE


def test_three_drops_a_day_are_a_ban() -> None:
    some = penalties()
    for step in range(DROPS_BEFORE_BAN - 1):
        assert some.offended(PEER, Offence.CODEC, NOW + step) is Consequence.DROP
    last = NOW + DROPS_WINDOW_MS - 1
    for _ in range(9):
        assert some.offended(PEER, Offence.BAD_TX, last) is Consequence.NONE
    assert some.offended(PEER, Offence.BAD_TX, last) is Consequence.BAN


def test_three_drops_in_more_than_a_day_are_none() -> None:
    some = penalties()
    for now_ms in (NOW, NOW + 1, NOW + DROPS_WINDOW_MS):
        assert some.offended(PEER, Offence.SIZE, now_ms) is Consequence.DROP


@pytest.mark.parametrize("offence", [Offence.LATE, Offence.BUSY, Offence.OTHER_RULES])
def test_what_may_be_a_weakness_never_bans(offence: Offence) -> None:
    some = penalties()
    for _ in range(20):
        assert some.offended(PEER, offence, NOW) is Consequence.DROP


def test_an_address_is_banned_twice_as_long_each_time_in_a_week() -> None:
    some, now_ms, found = penalties(), NOW, []
    for value in range(7):
        some.offended(offender(value), Offence.FORGED, now_ms)
        found.append(barred(some, PEER, now_ms)[1])
        now_ms += LONGEST_MS
    assert found == [HOUR_MS * hours for hours in (1, 2, 4, 8, 16, 24, 24)]
    now_ms += WEEK
    some.offended(offender(50), Offence.FORGED, now_ms)
    assert barred(some, PEER, now_ms)[1] == HOUR_MS


def test_ids_that_fall_together_are_one_offence_of_their_address() -> None:
    some = penalties()
    for value in range(8):
        some.offended(offender(value), Offence.FORGED, NOW)
    assert barred(some, PEER)[1] == HOUR_MS


def test_local_addresses_are_never_banned_unless_they_stand_for_others() -> None:
    near = offender(1, "127.0.0.1")
    for localities, expected in (
        (PUBLIC, None),
        (Localities(own_groups=True, kept=True), None),
        (Localities(own_groups=False, spared=False), BAN_IP_MS),
    ):
        some = penalties(localities=localities)
        assert some.offended(near, Offence.FORGED, NOW) is Consequence.BAN
        assert barred(some, near) == (BAN_ID_MS, expected)


def test_static_peers_are_dropped_at_most() -> None:
    some = penalties((PEER.peer_id,))
    for offence in (Offence.FORGED, Offence.CODEC, Offence.CODEC, Offence.CODEC):
        assert some.offended(PEER, offence, NOW) is Consequence.DROP
    assert barred(some, PEER) == (DROP_MS, None)


def test_who_is_static_may_change() -> None:
    some = penalties()
    some.add_static(PEER.peer_id)
    assert some.offended(PEER, Offence.FORGED, NOW) is Consequence.DROP
    some.remove_static(PEER.peer_id)
    assert some.offended(PEER, Offence.FORGED, NOW) is Consequence.BAN


def test_nobody_is_late_alone_among_many_that_are() -> None:
    some = Penalties(PUBLIC)
    for value in range(6):
        some.asked(peer_id(value), b"group %d" % value, NOW)
    # The first is dropped before it shows that all are late.
    assert some.offended(offender(0), Offence.LATE, NOW) is Consequence.DROP
    assert some.offended(offender(1), Offence.LATE_ANSWER, NOW) is Consequence.NONE
    assert not some.is_own_fault(NOW)
    assert some.offended(offender(2), Offence.LATE, NOW) is Consequence.NONE
    assert some.is_own_fault(NOW)
    assert barred(some, offender(0)) == (None, None)
    # What was counted is forgotten, other offences are not excused.
    for value in range(20):
        some.asked(peer_id(value), b"group %d" % value, NOW + GRACE_MS)
    assert not some.is_own_fault(NOW + GRACE_MS)
    assert some.offended(offender(1), Offence.LATE_ANSWER, NOW + GRACE_MS) is Consequence.NONE
    assert some.offended(offender(1), Offence.CODEC, NOW) is Consequence.DROP


def test_other_drops_are_not_taken_back() -> None:
    some = Penalties(PUBLIC)
    for value in range(6):
        some.asked(peer_id(value), b"group %d" % value, NOW)
    assert some.offended(offender(0), Offence.CODEC, NOW) is Consequence.DROP
    assert some.offended(offender(0), Offence.LATE, NOW) is Consequence.DROP
    some.offended(offender(1), Offence.LATE, NOW)
    some.offended(offender(2), Offence.LATE, NOW)
    assert some.is_own_fault(NOW)
    assert barred(some, offender(0)) == (DROP_MS, None)
    assert barred(some, offender(1)) == (None, None)


def test_after_a_pause_of_ours_nobody_is_late() -> None:
    some = penalties()
    assert some.offended(PEER, Offence.LATE, NOW) is Consequence.DROP
    assert not some.ticked(TICKER_LATE_MS, NOW + 1)
    assert some.ticked(TICKER_LATE_MS + 1, NOW + 1)
    assert barred(some, PEER) == (None, None)
    assert some.offended(PEER, Offence.LATE, NOW + 2) is Consequence.NONE
    assert some.offended(PEER, Offence.FORGED, NOW + 2) is Consequence.BAN


def test_many_that_follow_other_rules_tell_of_an_old_release() -> None:
    some = penalties()
    for value in range(GROUPS_OF_OTHER_RULES):
        assert not some.release_may_be_old(NOW)
        some.offended(offender(value, outbound=True), Offence.OTHER_RULES, NOW)
    assert some.release_may_be_old(NOW + HOUR_MS - 1)
    assert not some.release_may_be_old(NOW + HOUR_MS)
    others = penalties()
    for value in range(9):
        others.offended(offender(value), Offence.OTHER_RULES, NOW)
        others.offended(offender(77, outbound=True), Offence.OTHER_RULES, NOW)
        others.offended(offender(value + 100, outbound=True), Offence.CODEC, NOW)
    assert not others.release_may_be_old(NOW)


def test_the_operator_bans_and_lifts() -> None:
    some = penalties()
    some.ban_id(peer_id(1), NOW, 500)
    some.ban_ip(ip("127.0.0.1"), NOW)
    assert [one.bar for one in some.barred(NOW)] == [Bar.BY_HAND] * 2
    assert some.id_barred_until(peer_id(1), NOW) == NOW + 500
    assert some.ip_barred_until(ip("127.0.0.1"), NOW) == NOW + FOR_GOOD_MS
    assert some.lift_id(peer_id(1))
    assert not some.lift_id(peer_id(1))
    assert some.lift_ip(ip("127.0.0.1"))
    assert some.barred(NOW) == []


def test_who_is_let_in_again_begins_anew() -> None:
    some = penalties()
    for _ in range(DROPS_BEFORE_BAN - 1):
        some.offended(PEER, Offence.CODEC, NOW)
    some.lift_id(PEER.peer_id)
    assert some.offended(PEER, Offence.CODEC, NOW) is Consequence.DROP


def test_bans_survive_a_restart_and_drops_do_not() -> None:
    some = penalties()
    some.offended(PEER, Offence.FORGED, NOW)
    some.offended(offender(2), Offence.CODEC, NOW)
    some.ban_id(peer_id(3), NOW)
    again = penalties()
    again.restore(some.to_keep(NOW + 10, WALL), 55, WALL + 20)
    assert barred(again, PEER, 55) == (BAN_ID_MS - 30, BAN_IP_MS - 30)
    assert barred(again, offender(2), 55)[0] is None
    assert barred(again, offender(3), 55)[0] == FOR_GOOD_MS - 30
    # The next ban of the address is the second.
    again.offended(offender(9), Offence.FORGED, 55 + BAN_IP_MS)
    assert barred(again, PEER, 55 + BAN_IP_MS)[1] == 2 * BAN_IP_MS


def test_a_file_bans_nobody_for_longer_than_we_do() -> None:
    some = penalties()
    some.ban_id(peer_id(1), NOW)
    [forged] = some.to_keep(NOW, WALL)
    again = penalties()
    again.restore([type(forged)(forged.subject, Bar.BAN, WALL, WALL + LONGEST_MS + 1)], NOW, WALL)
    assert again.barred(NOW) == []
    again.restore([type(forged)(forged.subject, Bar.BAN, WALL, WALL + LONGEST_MS)], NOW, WALL)
    assert len(again.barred(NOW)) == 1


def test_everything_is_bounded() -> None:
    some = Penalties(PUBLIC)
    for value in range(MOST_SCORES + 10):
        who = Offender(peer_id(value), public_ip(value % 4_000), b"%d" % value, True)
        some.offended(who, Offence.CODEC, NOW)
        some.offended(who, Offence.OTHER_RULES, NOW)
    told = some.statistics()
    assert told.scores == MOST_SCORES
    assert MOST_BARS - MADE_ROOM < told.bars.dropped <= MOST_BARS
