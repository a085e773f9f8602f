"""Bits, samples, and where reports stand in a proposal's record."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.dao.benchmarks.report import Report, bit, bits_of, drawn_sample, has_bits_for
from esper.dao.benchmarks.standing import (
    STANDS,
    has_gate,
    open_next,
    settled_height,
    with_place,
    without_place,
)
from esper.dao.records import ReportPlace
from esper.dao.steps import Step
from esper.primitives.ids import Txid
from esper.primitives.networks import DEVNET, REGTEST
from tests.support.dao_proposals import proposal


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_bits_say_what_holds_of_each_item(right: list[bool]) -> None:
    bits = bits_of(tuple(right))
    assert [bit(bits, at) for at in range(len(right))] == right
    assert has_bits_for(bits, len(right))
    assert not has_bits_for(bits + b"\0", len(right))
    assert not has_bits_for(bits[:-1], len(right))


def test_nothing_stands_behind_the_last_bit() -> None:
    assert has_bits_for(b"\7", 3)
    assert not has_bits_for(b"\x0f", 3)
    assert has_bits_for(b"\xff", 8)


def test_a_sample_is_of_distinct_items() -> None:
    times: Counter[int] = Counter()
    for name in range(300):
        sample = drawn_sample(Txid(name.to_bytes(64, "big")), bytes(64), 20, 4)
        assert len(set(sample)) == 4
        times.update(sample)
    assert set(times) == set(range(20))
    assert max(times.values()) < 2 * 60
    assert sorted(drawn_sample(Txid(bytes(64)), bytes(64), 3, 8)) == [0, 1, 2]
    assert drawn_sample(Txid(bytes(64)), bytes([1]) * 64, 20, 4) != drawn_sample(
        Txid(bytes(64)), bytes(64), 20, 4
    )


def test_what_waits_to_be_proven() -> None:
    report = Report(Txid(bytes(64)), bytes(33), 0, 1, b"\1", (5, 3), 0, 0)
    assert (report.place(5), report.place(3), report.place(1)) == (0, 1, None)
    once = report.with_proven(1)
    assert (once.place(3), once.place(5), once.is_proven) == (None, 0, False)
    assert once.with_proven(0).is_proven
    assert not Report(Txid(bytes(64)), bytes(33), 0, 1, b"\1", (), 0, 0).is_proven


def place(name: int, suite: int, next_height: int) -> ReportPlace:
    return ReportPlace(Txid(bytes([name]) * 64), suite, next_height)


def test_a_suite_has_one_standing_while_a_report_stands() -> None:
    one = proposal(gate=2, close=50)
    assert not has_gate(one)
    assert has_gate(proposal(gate=0))
    for name, suite in ((1, 1), (2, 1), (3, 0)):
        one = with_place(one, place(name, suite, 40 + name))
    assert one.standing == ()
    assert open_next(one, Step.TAIL, REGTEST.governance) == 41
    one = with_place(one, place(1, 1, STANDS))
    assert (one.standing, has_gate(one)) == ((1,), False)
    assert open_next(one, Step.TAIL, REGTEST.governance) == 42
    one = with_place(with_place(one, place(2, 1, STANDS)), place(3, 0, STANDS))
    assert (one.standing, has_gate(one)) == ((0, 1), True)
    assert [report.id[0] for report in one.reports] == [1, 2, 3]
    one = without_place(one, Txid(bytes([1]) * 64))
    assert has_gate(one)
    one = without_place(one, Txid(bytes([2]) * 64))
    assert (one.standing, has_gate(one)) == ((0,), False)
    assert open_next(one, Step.TAIL, REGTEST.governance) == 48
    assert open_next(one, Step.CLOSE, REGTEST.governance) == 50


@pytest.mark.parametrize("network", [REGTEST, DEVNET], ids=lambda one: one.name)
def test_heights_of_the_specification(network: object) -> None:
    # Devnet: a vote that opens at 200 closes at 230, and takes reports until 213.
    assert settled_height(213, DEVNET.governance) == 230
    assert settled_height(20, REGTEST.governance) == 26
