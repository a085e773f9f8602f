"""Tiers: records, counting, targets, and updates worked out by hand."""

from dataclasses import replace
from functools import partial

import pytest

from esper.consensus.difficulty import Anchor, next_anchor, tier_target
from esper.consensus.tier_records import TIER_STATE, TIER_STATE_LIMIT
from esper.consensus.tiers import (
    TierState,
    TierTally,
    after_block,
    close_window,
    entry_of,
    multiplier_in_use,
    target_of,
)
from esper.dao.entry_records import MAX_SPECIAL_IDS, TIER, TIER_LIMIT
from esper.dao.registry import MAX_TIERS, Puzzle, TierRegistry
from esper.primitives.codec import CodecError, decode, encode
from esper.primitives.errors.header_errors import BankViolation, ModelViolation, TierViolation
from esper.primitives.networks import MAINNET, REGTEST
from esper.primitives.units import RANGE_512
from tests.support.dao_cases import entry, placed
from tests.support.tier_cases import ONE, registry, state, tier

RULES = MAINNET.difficulty
HALVES = registry(ONE // 2, ONE // 2)


def multipliers(of: TierState) -> list[int]:
    return [tally.multiplier for tally in of.tallies]


def test_registry_refuses_what_is_no_partition() -> None:
    for tiers in (
        (),
        (tier(1, share=ONE // 2), tier(0, share=ONE // 2)),
        (tier(0, share=ONE // 2), tier(0, share=ONE // 2)),
        (tier(0, share=ONE - 1),),
        (tier(0), tier(1, share=1)),
    ):
        with pytest.raises(ValueError, match="must be"):
            TierRegistry(tiers)
    least = [tier(i, share=1) for i in range(MAX_TIERS)]
    with pytest.raises(ValueError, match="must be 1 to 8"):
        TierRegistry((*least, tier(200, share=ONE - MAX_TIERS)))
    assert TierRegistry((*least[1:], tier(200, share=ONE - MAX_TIERS + 1))).tier(200).omega == ONE


@pytest.mark.parametrize(
    ("tier_id", "omega", "share"),
    [
        (256, ONE, ONE),
        (-1, ONE, ONE),
        (0, 0, ONE),
        (0, 1 << 64, ONE),
        (0, ONE, 0),
        (0, ONE, ONE + 1),
    ],
)
def test_tier_bounds(tier_id: int, omega: int, share: int) -> None:
    with pytest.raises(ValueError, match="must be in"):
        tier(tier_id, omega, share)
    assert tier(255, (1 << 64) - 1, 1).id == 255


def test_tallies_are_bounded_and_ascending() -> None:
    for multiplier in (ONE // 4 - 1, 4 * ONE + 1):
        with pytest.raises(ValueError, match="multiplier"):
            TierTally(0, multiplier, 0)
    one = TierTally(3, ONE, 0)
    with pytest.raises(ValueError, match="ascending"):
        TierState((one, one))


def test_unknown_tiers_are_a_broken_rule() -> None:
    known = TierState.of(HALVES)
    for act in (
        lambda: HALVES.tier(2),
        lambda: known.tally(2),
        lambda: known.counted(2),
        lambda: target_of(tier(2).own, HALVES, known, 1 << 400, RULES),
        lambda: close_window(HALVES, state([ONE], [1])),
    ):
        with pytest.raises(TierViolation):
            act()


def test_counting_touches_one_tier() -> None:
    once = TierState.of(HALVES).counted(1)
    assert [tally.blocks for tally in once.tallies] == [0, 1]
    assert [tally.blocks for tally in once.counted(1).counted(0).tallies] == [1, 2]


def test_a_changed_registry_keeps_what_it_knows() -> None:
    before = state([2 * ONE, ONE // 2], [5, 7])
    wider = before.matched(registry(ONE // 2, ONE // 4, ONE // 4))
    assert wider.tallies == (*before.tallies, TierTally(2, ONE, 0))
    assert wider.matched(HALVES) == before


def test_an_update_by_hand() -> None:
    # Twice its share against none: a = 360, 0; f = 1 by the clamp at four times its own.
    idle = close_window(HALVES, state([ONE, ONE], [720, 0]))
    assert multipliers(idle) == [ONE, 2 * ONE]
    # c = 540, 180: f = 2/3 and 2; n the same; sum(a / n) / A = 3/4 + 1/4.
    uneven = close_window(HALVES, state([ONE, ONE], [540, 180]))
    assert multipliers(uneven) == [ONE * 2 // 3, 2 * ONE]
    # c = 600, 120: f = 3/5 and 3, clamped to 2; n_0 (1/2 / n_0 + 1/2 / 2) = 1/2 + n_0 / 4.
    steep = close_window(HALVES, state([ONE, ONE], [600, 120]))
    assert multipliers(steep) == [ONE // 2 + ONE * 3 // 5 // 4, 2 * ONE]
    assert all(tally.blocks == 0 for tally in steep.tallies)


def test_shares_that_are_met_move_nothing() -> None:
    quarters = registry(ONE // 2, ONE // 4, ONE // 4)
    # 1/2 / 2 + 1/4 / (1/2) + 1/4 / 1 = 1.
    for values in ([ONE, ONE, ONE], [2 * ONE, ONE // 2, ONE]):
        met = close_window(quarters, state(values, [360, 180, 180]))
        assert multipliers(met) == values


def test_multipliers_that_all_drifted_return_to_one() -> None:
    quarters = registry(ONE // 2, ONE // 4, ONE // 4)
    drifted = close_window(quarters, state([3 * ONE // 2] * 3, [360, 180, 180]))
    assert multipliers(drifted) == [ONE] * 3


def test_an_empty_window_changes_nothing() -> None:
    before = state([3 * ONE, ONE // 3], [0, 0])
    assert close_window(HALVES, before) == before


@pytest.mark.parametrize(
    ("own", "others", "ahead"),
    [(89, 0, False), (90, 0, True), (289, 200, False), (290, 200, True), (0, 719, False)],
)
def test_no_discount_while_ahead_of_the_share(own: int, others: int, ahead: bool) -> None:
    # Half of all and of 90, an eighth of the window: ahead from 90 more than the others on.
    half = HALVES.tiers[0]
    for multiplier in (4 * ONE, ONE + 1, ONE, ONE // 2):
        at = state([multiplier, ONE], [own, others])
        expected = min(multiplier, ONE) if ahead else multiplier
        assert multiplier_in_use(half, at, 720) == expected


def test_targets_follow_omega_and_multiplier() -> None:
    base = 1 << 400
    at = state([ONE, 4 * ONE], [0, 0])
    assert target_of(HALVES.tier(0).own, HALVES, at, base, RULES) == base
    assert target_of(HALVES.tier(1).own, HALVES, at, base, RULES) == 8 * base
    spent = state([ONE, 4 * ONE], [0, 90])
    assert target_of(HALVES.tier(1).own, HALVES, spent, base, RULES) == 2 * base
    # The easiest ticket of a model is as much work as genesis', not as many tickets.
    assert target_of(HALVES.tier(0).own, HALVES, at, RULES.max_target, RULES) == RULES.max_target
    greatest = 2 * RULES.max_target
    assert target_of(HALVES.tier(1).own, HALVES, at, RULES.max_target, RULES) == greatest
    assert tier_target(RANGE_512, 4 * ONE, ONE, RANGE_512 - 1) == RANGE_512 - 1
    assert tier_target(1, 1, 1, RULES.max_target) == 1


TRIED = TierRegistry((replace(placed(0, 7, ONE, 2 * ONE), previous=(entry(0, 1),)),))


@pytest.mark.parametrize("multiplier", [ONE, 4 * ONE, ONE // 4])
def test_the_replaced_model_is_mined_at_a_quarter(multiplier: int) -> None:
    base, at = 1 << 400, state([multiplier], [0])
    fresh, old = TRIED.tier(0).entries
    assert target_of(fresh, TRIED, at, base, RULES) == base * 2 * multiplier // ONE
    assert target_of(old, TRIED, at, base, RULES) == base * multiplier // ONE // 4


def test_an_entry_is_a_model_with_its_bank() -> None:
    fresh, old = TRIED.tier(0).entries
    for one in (fresh, old):
        assert entry_of(0, one.model.model_id, one.model.bank_root, TRIED) == one
    with pytest.raises(BankViolation):
        entry_of(0, fresh.model.model_id, old.model.bank_root, TRIED)
    with pytest.raises(ModelViolation):
        entry_of(0, entry(0, 9).model.model_id, fresh.model.bank_root, TRIED)
    with pytest.raises(TierViolation):
        entry_of(1, fresh.model.model_id, fresh.model.bank_root, TRIED)


def test_a_longer_bank_leaves_the_shorter_one_to_be_mined() -> None:
    own = entry(0, 7)
    longer = replace(own, model=replace(own.model, bank_root=bytes(64), bank_size=6000))
    both = TierRegistry((replace(placed(0, 7, ONE), previous=(own,)).with_own(longer),))
    assert entry_of(0, own.model.model_id, own.model.bank_root, both) == own
    assert entry_of(0, own.model.model_id, bytes(64), both) == longer
    at = TierState.of(both)
    assert target_of(own, both, at, 1 << 400, RULES) == (1 << 400) // 4
    assert target_of(longer, both, at, 1 << 400, RULES) == 1 << 400


def test_the_boundary_block_closes_its_own_window() -> None:
    anchor = Anchor(1, 0, 1 << 480)
    before = state([ONE, ONE], [540, 179])
    at = partial(after_block, HALVES, before, anchor, tier_id=1, time_ms=10**7, rules=RULES)
    after, moved = at(height=720)
    assert multipliers(after) == [ONE * 2 // 3, 2 * ONE]
    assert [tally.blocks for tally in after.tallies] == [0, 0]
    # Multipliers move, the base target does not.
    assert moved == next_anchor(anchor, 720, 10**7, RULES)
    after, moved = at(height=719)
    assert after == before.counted(1)
    assert moved == anchor


def test_regtest_has_no_windows() -> None:
    before = TierState.of(HALVES)
    rules = REGTEST.difficulty
    assert after_block(
        HALVES, before, None, tier_id=1, height=30, time_ms=5, rules=rules
    ) == (before, None)  # fmt: skip
    with pytest.raises(TierViolation):
        after_block(HALVES, before, None, tier_id=9, height=30, time_ms=5, rules=rules)


def test_golden_records() -> None:
    at = state([ONE, 4 * ONE], [0, 719])
    data = encode(TIER_STATE, at)
    assert data.hex() == "92019293" + "00ce0001000000" + "93" + "01ce00040000cd02cf"
    assert decode(TIER_STATE, data, limit=TIER_STATE_LIMIT, what="tier state") == at
    entry = tier(7, 570_163, 13_107)
    data = encode(TIER, entry)
    assert data[:3].hex() == "970199"
    assert data[-15:].hex() == "ce0008b333cd3333" + "9402403110" + "90" + "00"
    assert decode(TIER, data, limit=TIER_LIMIT, what="tier") == entry


def test_records_fit_their_limits_and_refuse_bad_values() -> None:
    widest = TierState(tuple(TierTally(240 + i, 4 * ONE, (1 << 32) - 1) for i in range(MAX_TIERS)))
    assert len(encode(TIER_STATE, widest)) <= TIER_STATE_LIMIT
    ids = tuple(range((1 << 32) - 1 - MAX_SPECIAL_IDS, (1 << 32) - 1))
    shape = replace(MAINNET.model.shape, vocab=(1 << 32) - 1)
    model = replace(MAINNET.model, shape=shape, special_ids=ids, bos=ids[0], eos=ids[1])
    widest_puzzle = Puzzle(255, 65_535, 65_535, 255)
    last = replace(tier(0, (1 << 64) - 1), model=model, puzzle=widest_puzzle, since=(1 << 32) - 1)
    widest_tier = replace(last, previous=(last.own,))
    assert len(encode(TIER, widest_tier)) <= TIER_LIMIT
    low = bytearray(encode(TIER_STATE, state([ONE], [0])))
    low[-4] = 0  # The multiplier's bit of weight one: 0 is not in bounds.
    with pytest.raises(CodecError):
        decode(TIER_STATE, bytes(low), limit=TIER_STATE_LIMIT, what="tier state")
    twice = bytes.fromhex("920192" + 2 * "9300ce0001000000")
    with pytest.raises(CodecError, match="ascending"):
        decode(TIER_STATE, twice, limit=TIER_STATE_LIMIT, what="tier state")
    below = bytes.fromhex("92019193" + "00" + "cd3fff" + "00")
    with pytest.raises(CodecError, match="multiplier"):
        decode(TIER_STATE, below, limit=TIER_STATE_LIMIT, what="tier state")
