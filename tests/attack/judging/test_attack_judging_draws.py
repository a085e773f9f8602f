"""How often a draw misses what is false, and how much a miner who chooses among beacons gains.

A sample is drawn from the block d above a report. Whoever finds that block knows the sample before
anybody else, and may keep the block back for another draw: it loses the block's reward each time,
and somebody else may find the next. Whoever has much of the power may also try to replace a block
of another's, by two in a row. The numbers on the page are those that come out here, of draws as the
chain makes them.
"""

import re
from collections.abc import Iterator
from itertools import count
from math import comb, log2
from pathlib import Path
from random import Random

import pytest

from esper.dao.benchmarks.report import drawn_sample
from esper.primitives.ids import Txid
from esper.primitives.networks import MAINNET

PAGE = Path(__file__).parents[3] / "docs" / "judging.md"
REPORT = Txid(bytes([5]) * 64)
ITEMS = 1_000
SAMPLE = MAINNET.governance.report_samples
DRAWS = 4_000
GIVES_UP = 8
"""Blocks behind at which a miner stops trying to replace another's block."""
ROW = re.compile(
    r"^\| (\d+) of 100 \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+(?:\.\d)?) \|$", re.M
)


def missed(false: int) -> float:
    """Chance that none of so many false bits of a thousand is drawn."""
    return comb(ITEMS - false, SAMPLE) / comb(ITEMS, SAMPLE)


def draws(false: int) -> Iterator[bool]:
    """Whether draw after draw misses all false bits."""
    for number in count():
        sample = drawn_sample(REPORT, number.to_bytes(64, "big"), ITEMS, SAMPLE)
        yield min(sample) >= false


def withheld(share: float, chance: float) -> float:
    """Chance that a draw suits whoever keeps back own blocks whose draw does not.

    The block counts if it is another's, or its own and good: x = share (chance + (1 - chance) x)
    + (1 - share) chance.
    """
    return chance / (1 - share * (1 - chance))


def played(share: float, false: int, *, replaces: bool) -> float:
    """The same by playing it; ``replaces``: it tries to replace others' blocks too."""
    chance, drawn = Random(7), draws(false)
    suits = sum(_one_play(chance, drawn, share, replaces=replaces) for _ in range(DRAWS))
    return suits / DRAWS


def _one_play(chance: Random, drawn: Iterator[bool], share: float, *, replaces: bool) -> bool:
    while True:
        is_own, is_good = chance.random() < share, next(drawn)
        if is_good:
            return True
        if not is_own:
            return replaces and _replaced(chance, drawn, share)


def _replaced(chance: Random, drawn: Iterator[bool], share: float) -> bool:
    """Another branch from below the block, whose first block has a draw that suits."""
    theirs, mine = 1, 0
    while theirs - mine < GIVES_UP:
        if chance.random() >= share:
            theirs += 1
        elif mine or next(drawn):
            mine += 1
        if mine > theirs:
            return True
    return False


@pytest.mark.parametrize("false", [50, 250, 500])
def test_a_sample_misses_false_bits_as_often_as_chance_says(false: int) -> None:
    drawn = draws(false)
    found = sum(next(drawn) for _ in range(DRAWS)) / DRAWS
    assert abs(found - missed(false)) < 0.03


def test_each_item_is_drawn_as_often_as_any() -> None:
    counts = [0] * 10
    for number in range(DRAWS):
        for index in drawn_sample(REPORT, number.to_bytes(64, "big"), ITEMS, SAMPLE):
            counts[index * 10 // ITEMS] += 1
    mean = DRAWS * SAMPLE / 10
    # Four deviations of a binomial count.
    assert all(abs(one - mean) < 4 * (mean * 0.9) ** 0.5 for one in counts)


def test_the_report_is_in_its_draw_and_so_is_the_beacon() -> None:
    beacon, other = bytes(64), bytes([1]) * 64
    first = drawn_sample(REPORT, beacon, 16_384, SAMPLE)
    assert first != drawn_sample(Txid(other), beacon, 16_384, SAMPLE)
    assert first != drawn_sample(REPORT, other, 16_384, SAMPLE)
    assert first == drawn_sample(REPORT, beacon, 16_384, SAMPLE)


@pytest.mark.parametrize("false", [50, 500])
@pytest.mark.parametrize("share", [0.1, 0.25, 1 / 3])
def test_keeping_blocks_back_gains_what_the_formula_says(share: float, false: int) -> None:
    found = played(share, false, replaces=False)
    assert abs(found - withheld(share, missed(false))) < 0.03
    # In bits: never more than those of 1 / (1 - share) beacons to choose from.
    assert log2(withheld(share, missed(false)) / missed(false)) <= -log2(1 - share)


@pytest.mark.parametrize(("tenths", "false"), [(1, 50), (2, 50), (5, 50), (5, 500)])
def test_more_false_bits_never_survive_more_often(tenths: int, false: int) -> None:
    share = tenths / 20
    assert withheld(share, missed(false + 10)) < withheld(share, missed(false))
    assert missed(false) < withheld(share, missed(false)) < 1


def test_the_page_says_what_comes_out() -> None:
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert [int(row[0]) for row in rows] == [5, 25, 50]
    for told in rows:
        false = int(told[0]) * ITEMS // 100
        alone = missed(false)
        assert abs(int(told[1]) - 100 * alone) <= 1
        for place, share in ((2, 0.1), (3, 0.25), (4, 1 / 3)):
            assert abs(int(told[place]) - 100 * played(share, false, replaces=True)) <= 2
        # False ones that burn before one stands, each with its bond.
        assert abs(float(told[5]) - (1 - alone) / alone) <= 0.6
