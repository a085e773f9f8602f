"""Each rule of a Beat, beside its honest twin."""

from dataclasses import replace

import pytest

from esper.dao.benchmarks.answers import SHOWN_ANSWER, ShownAnswer
from esper.market.load import TAG_LOADS, LoadOpening, load_answers, load_prompt, opened_load
from esper.market.parameters import MARKETS
from esper.market.records.beat import PLACES, BeatPath, beat_tree
from esper.market.roster import MAX_WEIGHT, beat_weight, place_behind
from esper.market.rules.beat_rules import (
    check_beat_beacon,
    check_beat_once,
    check_beat_window,
    check_load,
    check_load_opening,
)
from esper.primitives.codec import encode
from esper.primitives.errors import market_errors as e
from esper.primitives.merkle import MerkleTree
from esper.primitives.work_outputs import Candidate
from tests.support.market_world import PROVIDER, party, pattern

MAIN = MARKETS["mainnet"]
ANSWERS = tuple(
    ShownAnswer((5 + at, 2), ((Candidate(5 + at, 9),), (Candidate(2, 8),))) for at in range(5)
)
LOADS = MerkleTree.build(TAG_LOADS, [encode(SHOWN_ANSWER, one) for one in ANSWERS])
BEAT = beat_tree(LOADS.root, {}, [pattern(64, 1)])


def opening(index: int) -> LoadOpening:
    path = BeatPath(BEAT.count, BEAT.path(0))
    return LoadOpening(ANSWERS[index], LOADS.path(index), LOADS.root, path)


def test_a_beat_stands_a_few_blocks_behind_the_drawn_height_of_its_slot() -> None:
    for height in (216_142, 216_153):
        check_beat_window(900, height, 216_141, MAIN)
    for slot, height in ((900, 216_141), (900, 216_154), (899, 216_150), (901, 216_150)):
        with pytest.raises(e.BeatWindowViolation, match="must stand from 216142 to 216153"):
            check_beat_window(slot, height, 216_141, MAIN)


def test_a_beat_names_its_branch() -> None:
    beacon = pattern(64, 9)
    check_beat_beacon(beacon[:32], beacon)
    for other in (beacon, beacon[32:], beacon[:31], b""):
        with pytest.raises(e.BeatBeaconViolation):
            check_beat_beacon(other, beacon)


def test_one_beat_in_a_slot() -> None:
    check_beat_once(900, None)
    check_beat_once(900, 899)
    for last in (900, 901):
        with pytest.raises(e.BeatTwiceViolation):
            check_beat_once(900, last)


def test_no_more_load_than_was_offered() -> None:
    check_load(7, 7)
    with pytest.raises(e.LoadViolation, match="load of 8 units, the offer says 7 at most"):
        check_load(8, 7)


@pytest.mark.parametrize("index", range(5))
def test_the_drawn_load_answer_is_opened(index: int) -> None:
    check_load_opening(opening(index), index, 5, BEAT.root)
    for other in range(5):
        if other != index:
            with pytest.raises(e.BeatOpeningViolation, match=f"not answer {other} of 5"):
                check_load_opening(opening(index), other, 5, BEAT.root)
    with pytest.raises(e.BeatOpeningViolation, match=f"not answer {index} of 6"):
        check_load_opening(opening(index), index, 6, BEAT.root)


def test_load_answers_are_those_of_the_last_beat() -> None:
    honest = opening(1)
    with pytest.raises(e.BeatOpeningViolation, match="not those of the last Beat"):
        check_load_opening(honest, 1, 5, beat_tree(pattern(64, 3), {}, []).root)
    with pytest.raises(e.BeatOpeningViolation, match="not those of the last Beat"):
        check_load_opening(replace(honest, load_root=pattern(64, 3)), 1, 5, BEAT.root)
    other = replace(honest, answer=ANSWERS[2])
    with pytest.raises(e.BeatOpeningViolation, match="not answer 1 of 5"):
        check_load_opening(other, 1, 5, BEAT.root)


def test_what_was_not_opened_weighs_nothing() -> None:
    assert beat_weight(7, 5, bonded=True, opened=True) == 5
    assert beat_weight(4, 5, bonded=True, opened=True) == 4
    assert beat_weight(7, 5, bonded=False, opened=True) == 0
    assert beat_weight(7, 5, bonded=True, opened=False) == 0
    assert beat_weight(7, 0, bonded=True, opened=True) == 0


def test_a_place_weighs_something_and_a_roster_can_be_drawn_from() -> None:
    assert place_behind(MAX_WEIGHT - 1, party(1), party(1), 1).cumulative == MAX_WEIGHT
    for behind, own in ((0, 0), (MAX_WEIGHT, 1)):
        with pytest.raises(ValueError, match="must be from 1 and fit"):
            place_behind(behind, party(1), party(1), own)


def test_how_many_answers_a_load_is() -> None:
    params = MARKETS["devnet"]
    assert load_answers(0, 1, params) == 1
    assert load_answers(3, 1 << 31, params) == 6
    assert load_answers((1 << 32) - 1, 1, params) == (1 << 32) - 1


def test_what_is_asked_and_opened_follows_from_beacon_and_provider() -> None:
    asked = load_prompt(pattern(64, 1), PROVIDER, 3, 509, 48)
    assert len(asked) == 48
    assert max(asked) < 509
    assert asked != load_prompt(pattern(64, 1), PROVIDER, 4, 509, 48)
    assert asked != load_prompt(pattern(64, 1), party(1), 3, 509, 48)
    assert asked != load_prompt(pattern(64, 2), PROVIDER, 3, 509, 48)
    assert {opened_load(pattern(64, at), PROVIDER, 3) for at in range(40)} == {0, 1, 2}


def test_places_of_a_beat_are_bounded() -> None:
    from tests.support.market_world import settled_session

    claim = settled_session(1).claim
    assert beat_tree(pattern(64, 1), {PLACES - 1: claim}, []).count == PLACES + 1
    for place in (PLACES, -1):
        with pytest.raises(ValueError, match="places of sessions are 0 to 4095"):
            beat_tree(pattern(64, 1), {place: claim}, [])
