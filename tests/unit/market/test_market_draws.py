"""Draws on the worked example, who is met by them, and how much they read."""

from collections import Counter
from dataclasses import dataclass, field

import pytest

from esper.market.draws import TRIES, VERIFIERS, Draw, drawn, picked
from esper.market.parameters import MARKETS
from esper.market.records.statuses import DrawStatus as S
from esper.market.roster import RosterPlace, place_at
from tests.support.market_world import COST, OWNER, ListedRoster, party, pattern, roster_of
from tests.support.market_world import settled_session as session_of

CLAIM = session_of().claim
MAIN = MARKETS["mainnet"]


@dataclass
class CountingRoster:
    """Counts what is read of it."""

    inner: ListedRoster
    reads: Counter[int] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        return self.inner.count

    @property
    def weight(self) -> int:
        return self.inner.weight

    def place(self, index: int) -> RosterPlace:
        self.reads[index] += 1
        return self.inner.place(index)


def crowd(size: int, owner: int | None = None) -> ListedRoster:
    parts = ((party(at), party(at if owner is None else owner), 3) for at in range(size))
    return roster_of(*parts)


def test_the_same_beacon_draws_the_same_and_another_one_others() -> None:
    roster = crowd(9)
    found = drawn(CLAIM, 900, pattern(64, 1), 3, roster, OWNER)
    assert found == drawn(CLAIM, 900, pattern(64, 1), 3, roster, OWNER)
    assert found != drawn(CLAIM, 900, pattern(64, 2), 3, roster, OWNER)
    assert found != drawn(CLAIM, 901, pattern(64, 1), 3, roster, OWNER)


def test_dear_replies_are_likelier_and_none_is_left_out() -> None:
    turns = Counter(
        draw.amount // COST
        for at in range(400)
        for draw in drawn(CLAIM, 900, pattern(64, at) + bytes((at >> 8,)), 16, crowd(3), OWNER)
    )
    assert set(turns) == set(range(40))


def test_the_providers_owner_never_verifies_and_nobody_twice() -> None:
    alone = crowd(5, owner=21)
    for at in range(20):
        for draw in drawn(CLAIM, 900, pattern(64, at), 4, alone, party(21)):
            assert draw.verifiers == (None, None)
        for draw in drawn(CLAIM, 900, pattern(64, at), 4, alone, party(1)):
            first, second = draw.verifiers
            assert first is not None
            assert second is None


def test_heavier_ones_are_drawn_as_often_as_they_weigh() -> None:
    roster = roster_of((party(1), party(1), 9), (party(2), party(2), 1))
    met = Counter(place_at(roster, weight).provider for weight in range(10))
    assert met == {party(1): 9, party(2): 1}


@pytest.mark.parametrize("size", [1, 2, 3, 12, 3072])
def test_a_search_reads_as_often_as_a_roster_can_be_halved(size: int) -> None:
    small = RosterPlace(party(1), party(1), 0)
    places = tuple(RosterPlace(small.provider, small.owner, at + 1) for at in range(size))
    for weight in {0, size // 2, size - 1}:
        roster = CountingRoster(ListedRoster(places))
        assert place_at(roster, weight).cumulative == weight + 1
        assert roster.reads.total() <= max(1, (size - 1).bit_length() + 1)


def test_what_one_owner_can_make_a_claim_read_is_bounded() -> None:
    roster = CountingRoster(crowd(50, owner=21))
    drawn(CLAIM, 900, pattern(64, 1), MAIN.most_draws, roster, party(21))
    searches = MAIN.most_draws * VERIFIERS * TRIES
    assert searches == 256
    assert roster.reads.total() <= 7 * searches
    assert len(roster.reads) <= roster.count


def test_who_a_status_names() -> None:
    first, second = crowd(2).places
    draw = Draw(1, (first, second))
    named = [draw.verifier(status) for status in S]
    assert named == [None, first, second, None]


def test_what_was_not_answered_is_never_picked() -> None:
    statuses = [S.UNANSWERED, S.FIRST, S.VOID, S.SECOND, S.SECOND]
    met = {
        one
        for at in range(50)
        for one in picked(CLAIM.session, 900, pattern(64, at), statuses, MAIN.openings)
    }
    assert met == {1, 3, 4}
    assert picked(CLAIM.session, 900, bytes(64), [S.VOID, S.UNANSWERED], 2) == ()
