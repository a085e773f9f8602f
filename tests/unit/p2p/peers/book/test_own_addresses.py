from esper.p2p.peers.book.own_addresses import MOST_VOTES, OwnAddresses
from tests.support.net.peer_world import DEVNET, PUBLIC, ip

OURS, OTHER, OUR_IPV6 = ip("8.8.8.8"), ip("7.7.7.7"), ip("2600::1")


def test_three_groups_that_agree_are_believed() -> None:
    own = OwnAddresses(PUBLIC, 9333)
    for group in (b"a", b"b", b"b"):
        own.told(group, OURS)
    assert own.known() == ()
    own.told(b"c", OURS)
    assert own.known() == ((OURS, 9333),)
    own.told(b"c", OTHER)
    assert own.known() == ()


def test_each_family_is_agreed_upon_by_itself() -> None:
    own = OwnAddresses(PUBLIC, 9333)
    for group in (b"a", b"b", b"c"):
        own.told(group, OURS)
        own.told(group, OUR_IPV6)
    assert own.known() == ((OURS, 9333), (OUR_IPV6, 9333))


def test_configured_ones_come_first_and_once() -> None:
    own = OwnAddresses(PUBLIC, 9333, [(OTHER, 1), (OURS, 9333)])
    for group in (b"a", b"b", b"c"):
        own.told(group, OURS)
    assert own.known() == ((OTHER, 1), (OURS, 9333))
    assert OwnAddresses(PUBLIC, 0, [(OTHER, 1)]).known() == ((OTHER, 1),)


def test_who_listens_nowhere_has_no_address() -> None:
    own = OwnAddresses(PUBLIC, 0)
    for group in (b"a", b"b", b"c"):
        own.told(group, OURS)
    assert own.known() == ()


def test_local_addresses_are_ours_where_they_are_kept() -> None:
    mainnet, devnet = OwnAddresses(PUBLIC, 1), OwnAddresses(DEVNET, 1)
    for group in (b"a", b"b", b"c"):
        mainnet.told(group, ip("127.0.0.1"))
        devnet.told(group, ip("127.0.0.1"))
    assert mainnet.known() == ()
    assert devnet.known() == ((ip("127.0.0.1"), 1),)


def test_votes_are_bounded_to_the_last() -> None:
    own = OwnAddresses(PUBLIC, 1)
    for group in (b"a", b"b", b"c"):
        own.told(group, OURS)
    for value in range(MOST_VOTES - 3):
        own.told(b"%d" % value, bytes([0] * 10 + [255, 255, 9, 9, 9, value]))
    assert own.known() == ((OURS, 1),)
    own.told(b"last", OTHER)
    assert own.known() == ()
    assert own.statistics().votes == MOST_VOTES


def test_a_repeated_word_is_a_fresh_one() -> None:
    own = OwnAddresses(PUBLIC, 1)
    for group in (b"a", b"b", b"c"):
        own.told(group, OURS)
    for value in range(MOST_VOTES):
        own.told(b"%d" % value, bytes([0] * 10 + [255, 255, 9, 9, 9, value]))
        for group in (b"a", b"b", b"c"):
            own.told(group, OURS)
    assert own.known() == ((OURS, 1),)
