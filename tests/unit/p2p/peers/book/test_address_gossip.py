from esper.p2p.peers.book.address_book import AddressBook
from esper.p2p.peers.book.address_gossip import (
    FRESH_MIN,
    MOST_PASSED,
    PASSED_AGAIN_MS,
    UNASKED,
    UNASKED_MS,
    AddressGossip,
    Gossiper,
)
from tests.support.net.peer_world import (
    DEVNET,
    MINUTE,
    NOW,
    PUBLIC,
    SECRET,
    address,
    at,
    ip,
    known,
    number,
    public_ip,
)

TELLER = Gossiper(number(1), ip("9.9.9.9"), 7)
OTHERS = [Gossiper(number(value), public_ip(value), 7) for value in range(2, 30)]
DAY = 24 * 3_600_000
MORNING = NOW // DAY * DAY


def gossip() -> tuple[AddressGossip, AddressBook]:
    book = AddressBook(SECRET, PUBLIC)
    return AddressGossip(book, PUBLIC), book


def test_an_address_goes_on_to_two_that_did_not_tell_it() -> None:
    hears, book = gossip()
    passed = hears.heard(TELLER, [known(address(1))], [TELLER, *OTHERS], NOW, MINUTE)
    assert len({one.peer for one in passed}) == 2
    assert {one.address for one in passed} == {known(address(1))}
    assert TELLER.number not in {one.peer for one in passed}
    assert book.find(address(1).endpoint) is not None


def test_the_same_two_get_it_whoever_tells() -> None:
    mine, _ = gossip()
    theirs, _ = gossip()
    teller = Gossiper(number(99), ip("9.8.9.9"), 7)
    one = mine.heard(TELLER, [known(address(1))], OTHERS, MORNING, MINUTE)
    other = theirs.heard(teller, [known(address(1))], OTHERS[::-1], MORNING + 5, MINUTE)
    assert [to.peer for to in one] == [to.peer for to in other]
    receivers = {
        tuple(to.peer for to in gossip()[0].heard(TELLER, [known(address(g))], OTHERS, NOW, MINUTE))
        for g in range(20)
    }
    assert len(receivers) > 10
    again = gossip()[0].heard(TELLER, [known(address(1))], OTHERS, MORNING + DAY, MINUTE)
    assert [to.peer for to in again] != [to.peer for to in one]


def test_a_peer_is_heard_eight_times_in_ten_minutes() -> None:
    hears, book = gossip()
    told = [known(address(group)) for group in range(1, 20)]
    passed = hears.heard(TELLER, told, OTHERS, NOW, MINUTE)
    assert len(book) == UNASKED
    assert len(passed) == 2 * UNASKED
    assert not hears.heard(TELLER, told[UNASKED:], OTHERS, NOW + UNASKED_MS - 1, MINUTE)
    assert len(book) == UNASKED
    hears.heard(Gossiper(number(50), ip("9.7.9.9"), 7), told[10:11], OTHERS, NOW, MINUTE)
    assert len(book) == UNASKED + 1
    hears.heard(TELLER, told[UNASKED:10], OTHERS, NOW + UNASKED_MS, MINUTE)
    assert len(book) > UNASKED + 1


def test_only_what_was_seen_just_now_goes_on() -> None:
    for age, goes in ((FRESH_MIN, True), (FRESH_MIN + 1, False), (-FRESH_MIN - 1, False)):
        hears, book = gossip()
        told = known(address(1), MINUTE - age)
        assert bool(hears.heard(TELLER, [told], OTHERS, NOW, MINUTE)) is goes
        assert len(book) == 1


def test_an_address_goes_on_once_an_hour() -> None:
    hears, _ = gossip()
    told = [known(address(1))]
    assert hears.heard(TELLER, told, OTHERS, NOW, MINUTE)
    assert not hears.heard(OTHERS[0], told, OTHERS, NOW + PASSED_AGAIN_MS - 1, MINUTE)
    assert hears.heard(OTHERS[0], told, OTHERS, NOW + PASSED_AGAIN_MS, MINUTE)


def test_local_addresses_go_where_they_mean_something() -> None:
    book = AddressBook(SECRET, DEVNET)
    hears = AddressGossip(book, DEVNET)
    near = Gossiper(number(1), ip("127.0.0.1"), 7)
    others = [near, Gossiper(number(2), ip("127.0.0.1"), 8), OTHERS[0]]
    passed = hears.heard(near, [known(at("127.0.0.1"))], others, NOW, MINUTE)
    assert [one.peer for one in passed] == [number(2)]
    assert not hears.heard(TELLER, [known(at("127.0.0.2"))], others, NOW, MINUTE)
    on_mainnet, _ = gossip()
    assert not on_mainnet.heard(near, [known(at("127.0.0.3"))], others, NOW, MINUTE)


def test_an_answer_is_taken_in_whole_and_goes_nowhere() -> None:
    hears, book = gossip()
    told = [known(address(group)) for group in range(1, 40)]
    assert hears.answered(TELLER, told, MINUTE) == len(book) > UNASKED
    assert hears.statistics().passed == 0


def test_gossip_is_bounded() -> None:
    hears, _ = gossip()
    for group in range(MOST_PASSED + 5):
        teller = Gossiper(number(group + 100), ip("9.9.9.9"), 7)
        hears.heard(teller, [known(address(group))], OTHERS, NOW, MINUTE)
        if group:
            hears.left(teller.number)
    assert hears.statistics().passed == MOST_PASSED
    assert hears.statistics().peers == 1
