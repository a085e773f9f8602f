from dataclasses import replace

from esper.p2p.peers.places.eviction import PROTECTED, Candidate, choose_to_leave
from tests.support.net.peer_world import SECRET, number

A, B = b"group a", b"group b"


def candidate(value: int, group: bytes = A, *, since_ms: int | None = None) -> Candidate:
    return Candidate(number(value), group, value if since_ms is None else since_ms)


def test_nobody_leaves_where_all_are_protected() -> None:
    assert choose_to_leave([], SECRET) is None
    assert choose_to_leave([candidate(1)], SECRET) is None
    static = [replace(candidate(value), static=True) for value in range(40)]
    assert choose_to_leave(static, SECRET) is None


def test_the_youngest_of_the_largest_group_leaves() -> None:
    old = [candidate(value, b"old %d" % value) for value in range(20)]
    large = [candidate(value, A) for value in range(100, 108)]
    small = [candidate(value, B) for value in range(200, 205)]
    assert choose_to_leave(old + large + small, SECRET) == 107
    assert choose_to_leave((small + large + old)[::-1], SECRET) == 107


def test_of_equal_groups_the_youngest_leaves() -> None:
    assert choose_to_leave([candidate(value, b"%d" % value) for value in range(40)], SECRET) == 39


def test_the_older_half_stays() -> None:
    # One of the single group is protected as its oldest, ten are left.
    everybody = [candidate(value) for value in range(11)]
    assert choose_to_leave(everybody, SECRET) == 10
    assert stayers(everybody, SECRET) == {0, 1}


def test_static_peers_stay() -> None:
    everybody = [candidate(value) for value in range(9)]
    everybody.append(replace(candidate(50), static=True))
    assert choose_to_leave(everybody, SECRET) == 8


def test_short_ways_stay() -> None:
    everybody = [replace(candidate(value), ping_ms=90) for value in range(20)]
    for value in range(20 - PROTECTED, 20):
        everybody[value] = replace(everybody[value], ping_ms=10)
    assert choose_to_leave(everybody, SECRET) == 20 - PROTECTED - 1
    # Who did not answer a ping yet is nearer to nobody.
    silent = [candidate(value) for value in range(20)]
    assert choose_to_leave(silent, SECRET) == 19


def test_who_brought_blocks_last_stays() -> None:
    everybody = [replace(candidate(value), block_ms=5) for value in range(20)]
    for value in range(20 - PROTECTED, 20):
        everybody[value] = replace(everybody[value], block_ms=6)
    assert choose_to_leave(everybody, SECRET) == 20 - PROTECTED - 1


def test_who_brought_transactions_last_stays() -> None:
    everybody = [replace(candidate(value), transaction_ms=5) for value in range(20)]
    for value in range(20 - PROTECTED, 20):
        everybody[value] = replace(everybody[value], transaction_ms=6)
    assert choose_to_leave(everybody, SECRET) == 20 - PROTECTED - 1


def stayers(candidates: list[Candidate], secret: bytes) -> set[int]:
    rest = list(candidates)
    while (leaver := choose_to_leave(rest, secret)) is not None:
        rest = [one for one in rest if one.number != leaver]
    return {one.number for one in rest}


def test_four_groups_stay_and_only_the_secret_says_which() -> None:
    everybody = [candidate(value, b"%d" % value) for value in range(40)]
    one, other = stayers(everybody, SECRET), stayers(everybody, bytes(32))
    # Age protects the oldest of the others.
    assert len(one) == len(other) == PROTECTED + 1
    assert one != other


def test_the_order_of_connections_says_nothing() -> None:
    everybody = [candidate(value, b"%d" % (value % 7)) for value in range(40)]
    mixed = [everybody[value * 17 % 40] for value in range(40)]
    for secret in (SECRET, bytes(32)):
        assert stayers(mixed, secret) == stayers(everybody, secret)
        assert stayers(everybody[::-1], secret) == stayers(everybody, secret)


def test_a_group_is_protected_through_its_oldest_alone() -> None:
    everybody = [candidate(value) for value in range(40)]
    assert stayers(everybody, SECRET) == {0, 1}
