"""What no link covers must not be in a receipt: whatever is changed, a link fails by name."""

import base64
import json
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from esper.receipts.form import encode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.verdict import EXIT_PROVEN, LINKS
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
Path = tuple[str | int, ...]


def dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in pairs:
            yield from leaves(one, (*path, key))
    else:
        yield path, value


def found_at(value: Any, path: Path) -> Any:
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def replaced(data: bytes, path: Path, new: Any) -> bytes:
    value = json.loads(data)
    found_at(value, path[:-1])[path[-1]] = new
    return dumped(value)


def flipped(value: Any) -> Any:
    """One character or one bit, in the middle."""
    if isinstance(value, int):
        return value ^ 1
    if not value:
        return "x"
    at = len(value) // 2
    return value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]


def other(path: Path, value: Any) -> Any:
    """Another value of the same form."""
    if isinstance(value, int):
        return value + 7
    if path[-1] in ("genesis_hash", "tokenizer_id", "block_id", "weight"):
        return ("0" if value[-1] != "0" else "1").rjust(len(value), "0")
    texts = {("text",), ("request",), ("network",), ("format",), ("kind",)}
    if path[:1] in texts:
        return value + "s"
    return base64.b64encode(base64.b64decode(value)[::-1] + b"\0" * (path[-1] == "data")).decode()


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
    others = [json.loads(one) for key, one in RECEIPTS.items() if key != name]
    tried = 0
    for path, value in leaves(json.loads(honest)):
        for new in (flipped(value), other(path, value)):
            assert_broken(replaced(honest, path, new), (path, new), honest)
        for rest in others:
            new = found_at(rest, path)
            if new is not None and not isinstance(new, dict | list):
                assert_broken(replaced(honest, path, new), (path, new), honest)
        tried += 1
    assert tried > 10


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
    mine, theirs = json.loads(RECEIPTS[one]), json.loads(RECEIPTS[two])
    keys = [key for key in mine if key in theirs and mine[key] != theirs[key]]
    assert {"text", "instant", "group", "anchor"} <= set(keys)
    for count in (1, 2):
        for chosen in combinations(keys, count):
            glued = {key: theirs[key] if key in chosen else mine[key] for key in mine}
            assert_broken(dumped(glued), chosen, RECEIPTS[one])


def changed_bytes(honest: bytes, many: int) -> None:
    for turn in range(many):
        at = turn * len(honest) // many
        new = (honest[at] + 1 + turn % 255) % 256
        data = honest[:at] + bytes((new,)) + honest[at + 1 :]
        assert_broken(data, (at, new), honest)


@pytest.mark.parametrize("name", RECEIPTS)
def test_ten_thousand_single_bytes(name: str) -> None:
    changed_bytes(RECEIPTS[name], 10_000 // len(RECEIPTS))


def test_single_bytes_of_a_promise() -> None:
    changed_bytes(PROMISE, 1_000)
