"""Who pushes to whom."""

from esper.p2p.actions import Send
from esper.p2p.limits import (
    FIRST_IN,
    FIRST_OF,
    PING_EVERY_MS,
    PONG_MS,
    PREFER_GRACE_MS,
    PREFERRERS,
)
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.relay.blocks.preference import Preference, Preferrers
from esper.p2p.wire.talk_messages import Prefer


def peer(number: int, *, outbound: bool = True) -> Peer:
    return Peer(PeerNumber(number), b"%038d" % number, outbound, b"group")


def said(sends: list[Send]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for one in sends:
        assert isinstance(one.message, Prefer)
        found.append((one.peer, one.message.push))
    return found


def test_the_first_two_deliverers_are_preferred() -> None:
    preference = Preference()
    assert said(preference.delivered(peer(1), 0)) == [(1, 1)]
    assert said(preference.delivered(peer(1), 0)) == []
    assert said(preference.delivered(peer(2), 0)) == [(2, 1)]
    assert said(preference.delivered(peer(3), 0)) == []
    assert preference.preferred == (1, 2)


def test_first_in_three_of_eight_replaces_who_was_first_less() -> None:
    preference = Preference()
    for number in (1, 2, 1):
        preference.delivered(peer(number), 0)
    for _ in range(FIRST_IN - 1):
        assert preference.delivered(peer(3), 0) == []
    assert said(preference.delivered(peer(3), 0)) == [(2, 0), (3, 1)]


def test_only_the_last_eight_count() -> None:
    preference = Preference()
    for number in (3, 3):
        preference.delivered(peer(number, outbound=False), 0)
    preference.lose(PeerNumber(3), 0)
    for _ in range(FIRST_OF):
        preference.delivered(peer(1), 0)
    preference.delivered(peer(2), 0)
    assert preference.delivered(peer(3), 0) == []


def test_who_is_first_as_often_is_not_replaced() -> None:
    preference = Preference()
    for number in (1, 1, 1, 2, 2):
        assert preference.delivered(peer(number, outbound=False), 0) == [] or number == 1
    assert preference.delivered(peer(2, outbound=False), 0) == []
    assert said(preference.delivered(peer(2, outbound=False), 0)) == [(1, 0), (2, 1)]


def test_one_at_most_is_inbound() -> None:
    preference = Preference()
    assert said(preference.delivered(peer(1, outbound=False), 0)) == [(1, 1)]
    assert said(preference.delivered(peer(2, outbound=False), 0)) == []
    for _ in range(FIRST_IN - 1):
        sends = preference.delivered(peer(2, outbound=False), 0)
    assert said(sends) == [(1, 0), (2, 1)]
    assert said(preference.delivered(peer(3), 0)) == [(3, 1)]


def test_a_push_on_its_way_is_no_offence_for_ten_seconds() -> None:
    preference = Preference()
    preference.delivered(peer(1), 0)
    assert said(preference.lose(PeerNumber(1), 1_000)) == [(1, 0)]
    assert preference.lose(PeerNumber(1), 1_000) == []
    # As long as a link may fail without being given up.
    assert preference.may_push(PeerNumber(1), 1_000 + PING_EVERY_MS + PONG_MS)
    assert preference.may_push(PeerNumber(1), 1_000 + PREFER_GRACE_MS - 1)
    assert not preference.may_push(PeerNumber(1), 1_000 + PREFER_GRACE_MS)
    assert not preference.may_push(PeerNumber(2), 0)


def test_who_left_is_not_preferred() -> None:
    preference = Preference()
    preference.delivered(peer(1), 0)
    preference.left(PeerNumber(1))
    assert preference.preferred == ()
    assert not preference.may_push(PeerNumber(1), 0)


def test_the_oldest_ten_who_asked_and_lack_it_are_pushed_to() -> None:
    preferrers = Preferrers()
    for number in range(14):
        preferrers.set(PeerNumber(number), True)
    preferrers.set(PeerNumber(0), False)
    preferrers.set(PeerNumber(0), True)
    preferrers.set(PeerNumber(1), True)
    lacking = dict.fromkeys(PeerNumber(number) for number in range(14) if number != 2)
    assert preferrers.first_of(lacking) == [1, *range(3, 12)]
    assert len(preferrers.first_of(lacking)) == PREFERRERS
    assert preferrers.count == 14
