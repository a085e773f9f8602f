from esper.p2p.limits import MOST_ADDRESSES
from esper.p2p.peers.book.address_answers import (
    CACHE_MS,
    LEAST_TOLD,
    MOST_GROUPS,
    PART_TOLD,
    AddressAnswers,
)
from esper.p2p.peers.book.address_book import AddressBook
from esper.p2p.peers.book.address_table import STALE_MIN
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
    public_ip,
    seeded,
)

ASKER = ip("9.9.1.1")


def filled(count: int) -> AddressBook:
    book = AddressBook(SECRET, PUBLIC)
    group = 0
    while len(book) < count:
        group += 1
        book.add(known(address(group)), public_ip(group % 97), 1, MINUTE)
    return book


def ask(
    answers: AddressAnswers, asker: bytes = ASKER, now_ms: int = NOW, seed: int = 1
) -> set[str]:
    told = answers.answer(asker, 5, now_ms, MINUTE, seeded(seed))
    return {f"{one.ip.hex()}:{one.port}" for one in told}


def test_an_answer_is_a_part_of_the_book() -> None:
    assert len(ask(AddressAnswers(filled(120), PUBLIC))) == 120 // PART_TOLD
    assert len(ask(AddressAnswers(filled(1_100), PUBLIC))) == MOST_ADDRESSES
    assert len(ask(AddressAnswers(filled(20), PUBLIC))) == LEAST_TOLD
    assert len(ask(AddressAnswers(filled(3), PUBLIC))) == 3
    assert ask(AddressAnswers(AddressBook(SECRET, PUBLIC), PUBLIC)) == set()


def test_a_group_gets_the_same_for_a_day() -> None:
    answers = AddressAnswers(filled(120), PUBLIC)
    first = ask(answers)
    assert ask(answers, ip("9.9.200.3"), NOW + CACHE_MS - 1, seed=2) == first
    assert ask(answers, ip("9.8.1.1"), seed=2) != first
    assert ask(answers, now_ms=NOW + CACHE_MS, seed=2) != first


def test_what_was_forgotten_is_told_no_more_and_news_neither() -> None:
    book = filled(3)
    answers = AddressAnswers(book, PUBLIC)
    ask(answers)
    seen = next(iter(book.entries()))
    told_min = seen.seen_min
    seen.seen_min = MINUTE
    told = answers.answer(ASKER, 5, NOW, MINUTE, seeded())
    assert next(one for one in told if one.ip == seen.address.ip).seen_min == told_min
    book.remove(seen.address.endpoint)
    book.add(known(address(900)), ip("9.9.9.9"), 1, MINUTE)
    assert len(ask(answers)) == 2


def test_stale_and_dead_addresses_are_not_told() -> None:
    book = filled(3)
    stale, dead, _ = book.entries()
    stale.seen_min = MINUTE - STALE_MIN - 1
    dead.failures = 2
    assert len(ask(AddressAnswers(book, PUBLIC))) == 1
    stale.seen_min += 1
    dead.failures = 1
    assert len(ask(AddressAnswers(book, PUBLIC))) == 3


def test_local_addresses_stay_where_they_mean_something() -> None:
    book = AddressBook(SECRET, DEVNET)
    for where in (at("127.0.0.1"), at("10.0.0.1"), at("8.8.8.8")):
        assert book.add_given(where, MINUTE)
    answers = AddressAnswers(book, DEVNET)
    assert len(ask(answers, ip("127.0.0.9"))) == 3
    assert len(ask(answers, ip("10.9.9.9"))) == 2
    assert len(ask(answers, ip("9.9.9.9"))) == 1


def test_answers_are_bounded() -> None:
    book = filled(120)
    answers = AddressAnswers(book, PUBLIC)
    first = ask(answers, public_ip(0))
    for group in range(1, MOST_GROUPS):
        ask(answers, public_ip(group), seed=group)
    assert ask(answers, public_ip(0), seed=7) == first
    ask(answers, public_ip(MOST_GROUPS))
    assert answers.statistics().groups == MOST_GROUPS
    assert answers.statistics().bytes == MOST_GROUPS * 22 * (120 // PART_TOLD)
    assert ask(answers, public_ip(0), seed=7) != first
