"""What no link covers must not be in a receipt: whatever is changed, a link fails by name."""

import json
from itertools import combinations

import pytest

from esper.receipts.form import encode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.verdict import EXIT_PROVEN, LINKS
from tests.support.receipt_mutations import (
    changed_bytes,
    changed_leaves,
    found_at,
    glued,
    leaves,
    replaced,
)
from tests.support.receipt_world import around, promise_receipt, receipt_world

WORLD = receipt_world()
SOURCES = {
    "alone": WORLD.promised(WORLD.alone),
    "together": WORLD.promised(WORLD.together[0]),
    "third": WORLD.promised(WORLD.together[2]),
    "lane": WORLD.promised(WORLD.lanes[0]),
    "other lane": WORLD.promised(WORLD.lanes[1]),
}
RECEIPTS = {name: encode_receipt(one) for name, one in SOURCES.items()}
PROMISE = encode_receipt(promise_receipt())
AROUND = around()


def assert_broken(data: bytes, what: object, honest: bytes) -> None:
    if data == honest:
        return
    broken = judge_bytes(data, AROUND).broken
    assert broken is not None, what
    assert broken.name in LINKS
    assert broken.detail


@pytest.mark.parametrize("name", RECEIPTS)
def test_the_honest_ones_are_proven(name: str) -> None:
    verdict = judge_bytes(RECEIPTS[name], AROUND)
    assert verdict.exit_code == EXIT_PROVEN, verdict.broken
    assert {link.status for link in verdict.links} == {"ok"}
    assert [link.name for link in verdict.links] == list(LINKS)


@pytest.mark.parametrize("name", [*RECEIPTS, "promise"])
def test_every_leaf_is_under_a_link(name: str) -> None:
    honest = (RECEIPTS | {"promise": PROMISE})[name]
    others = [one for key, one in RECEIPTS.items() if key != name]
    tried = set()
    for path, data in changed_leaves(honest, others):
        assert_broken(data, path, honest)
        tried.add(path)
    assert tried == {path for path, _ in leaves(json.loads(honest))}
    assert len(tried) > 10


@pytest.mark.parametrize("name", ["alone", "lane"])
def test_lists_that_are_shorter_or_longer(name: str) -> None:
    honest = RECEIPTS[name]
    value = json.loads(honest)
    lists = {path[:-1] for path, _ in leaves(value) if isinstance(path[-1], int)}
    for path in lists:
        found = found_at(value, path)
        for new in (found[:-1], [*found, found[-1]], found[::-1], found[1:]):
            assert_broken(replaced(honest, path, new), (path, len(new)), honest)


@pytest.mark.parametrize(("one", "two"), list(combinations(RECEIPTS, 2)))
def test_parts_of_two_receipts_do_not_fit(one: str, two: str) -> None:
    """Each part of the other, and each two of them."""
    keys: set[str] = set()
    for chosen, data in glued(RECEIPTS[one], RECEIPTS[two]):
        assert_broken(data, chosen, RECEIPTS[one])
        keys.update(chosen)
    assert {"text", "instant", "group", "anchor"} <= keys


@pytest.mark.parametrize("name", RECEIPTS)
def test_ten_thousand_single_bytes(name: str) -> None:
    for at, data in changed_bytes(RECEIPTS[name], 10_000 // len(RECEIPTS)):
        assert_broken(data, at, RECEIPTS[name])


def test_single_bytes_of_a_promise() -> None:
    for at, data in changed_bytes(PROMISE, 1_000):
        assert_broken(data, at, PROMISE)
