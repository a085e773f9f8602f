"""The verifier in Rust decides as the one in Python: each status, and the first link that fails."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from esper._native import judge_receipt
from esper.primitives.ids import ModelId
from esper.receipts.build import build_proof
from esper.receipts.form import encode_receipt
from esper.receipts.links.model import model_bytes
from esper.receipts.ports import NamedModel
from tests.support.block_workshop import PARAMS
from tests.support.receipt_twin import Path, Twins, changed_bytes, leaves
from tests.support.receipt_world import (
    GENESIS,
    MODEL,
    FakeJudge,
    WorkshopAnchor,
    WorkshopSource,
    around,
    promise_receipt,
    receipt_world,
)

WORLD = receipt_world()
STRANGE = replace(PARAMS, model=replace(PARAMS.model, model_id=ModelId(bytes(64))))
FOREIGN = build_proof(
    WorkshopSource(WORLD.tip, params=STRANGE),
    WORLD.alone,
    FakeJudge(),
    anchor=WorkshopAnchor(WORLD.tip),
)
AT_HOME = around(tokenizer=False)
ABROAD = replace(AT_HOME, networks={STRANGE.name: (STRANGE, GENESIS)})
RECEIPTS = {
    "alone": WORLD.promised(WORLD.alone),
    "together": WORLD.promised(WORLD.together[0]),
    "lane": WORLD.promised(WORLD.lanes[0]),
    "other lane": WORLD.promised(WORLD.lanes[1], request=False),
    "bare": WORLD.receipt(WORLD.alone, work=False, anchor=False),
    "promise": promise_receipt(),
    "foreign": FOREIGN,
}
BYTES = {name: encode_receipt(one) for name, one in RECEIPTS.items()}
TWINS = {name: Twins(ABROAD if name == "foreign" else AT_HOME) for name in RECEIPTS}
OPEN = ("chain", "paid", "text")


def dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def mutations(path: Path, value: Any) -> Iterator[Any]:
    """One character or bit; another value of the same form; nothing, or the greatest."""
    if isinstance(value, int):
        yield from (value ^ 1, value + 7, (1 << 53) - 1)
        return
    at = len(value) // 2
    yield value[:at] + ("A" if value[at : at + 1] != "A" else "B") + value[at + 1 :]
    yield ""
    if path[-1] in ("genesis_hash", "tokenizer_id", "block_id", "weight"):
        yield ("0" if value[-1] != "0" else "1").rjust(len(value), "0")
        return
    try:
        data = base64.b64decode(value, validate=True)
    except ValueError:
        yield value + "s\u2019"
        return
    # A bit at the front, in the middle and at the end, and a byte more: the form stays right.
    for bit in (0, len(data) // 2, len(data) - 1) if data else ():
        flipped = data[:bit] + bytes((data[bit] ^ 1,)) + data[bit + 1 :]
        yield base64.b64encode(flipped).decode()
    yield base64.b64encode(data + b"\0").decode()


def replaced(honest: bytes, path: Path, new: Any) -> bytes:
    value = json.loads(honest)
    at = value
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = new
    return dumped(value)


@pytest.mark.parametrize("name", RECEIPTS)
def test_honest_receipts(name: str) -> None:
    assert TWINS[name].agree(BYTES[name]) is None
    full = {status for link, status in TWINS[name].rust(BYTES[name]) if link not in OPEN}
    assert full <= {"ok", "absent"}


@pytest.mark.parametrize("name", RECEIPTS)
def test_every_leaf(name: str) -> None:
    found = set()
    for path, value in leaves(json.loads(BYTES[name])):
        for new in mutations(path, value):
            found.add(TWINS[name].agree(replaced(BYTES[name], path, new)))
    # Text is not compared, so that of an answer may say anything here.
    assert "form" in found
    assert len(found) >= (4 if name == "promise" else 8)


@pytest.mark.parametrize("name", RECEIPTS)
def test_lists_that_are_shorter_or_longer(name: str) -> None:
    value = json.loads(BYTES[name])
    for path in {path[:-1] for path, _ in leaves(value) if isinstance(path[-1], int)}:
        at = value
        for key in path:
            at = at[key]
        for new in (at[:-1], [*at, at[-1]], at[::-1], at[1:], []):
            TWINS[name].agree(replaced(BYTES[name], path, new))


@pytest.mark.parametrize("name", RECEIPTS)
def test_parts_that_are_missing(name: str) -> None:
    value = json.loads(BYTES[name])
    for count in (1, 2):
        for gone in combinations(value, count):
            rest = {key: one for key, one in value.items() if key not in gone}
            TWINS[name].agree(dumped(rest))


@pytest.mark.parametrize(("one", "two"), list(combinations(RECEIPTS, 2)))
def test_parts_of_two_receipts(one: str, two: str) -> None:
    mine, theirs = json.loads(BYTES[one]), json.loads(BYTES[two])
    keys = [key for key in mine if key in theirs and mine[key] != theirs[key]]
    for count in (1, 2):
        for chosen in combinations(keys, count):
            glued = {key: theirs[key] if key in chosen else mine[key] for key in mine}
            TWINS[one].agree(dumped(glued))


@pytest.mark.parametrize("name", RECEIPTS)
def test_single_bytes(name: str) -> None:
    for data in changed_bytes(BYTES[name], 150):
        TWINS[name].agree(data)


@pytest.mark.soak
@pytest.mark.parametrize("name", RECEIPTS)
def test_ten_thousand_single_bytes(name: str) -> None:
    for data in changed_bytes(BYTES[name], 10_000):
        TWINS[name].agree(data)


def test_cut_short_and_longer() -> None:
    honest = BYTES["lane"]
    for end in range(0, len(honest), len(honest) // 200):
        assert TWINS["lane"].agree(honest[:end]) == "form"
    for more in (b" ", b"\n", b"\0", b"}", honest):
        assert TWINS["lane"].agree(honest + more) == "form"


def test_without_anybody_who_knows_the_chain() -> None:
    for name in RECEIPTS:
        surroundings = ABROAD if name == "foreign" else AT_HOME
        twins = Twins(replace(surroundings, chain=None))
        assert twins.agree(BYTES[name]) is None
        assert dict(twins.rust(BYTES[name]))["chain"] == ("absent" if name == "promise" else "open")


def test_models_at_hand_and_trusted() -> None:
    plain = encode_receipt(replace(FOREIGN, anchor=None))
    assert Twins(ABROAD).agree(plain) is None
    trusted = Twins(replace(ABROAD, trusted=frozenset((MODEL.entry.model_id,))))
    at_hand = Twins(replace(ABROAD, models=[MODEL]))
    for twins in (trusted, at_hand):
        assert twins.agree(plain) is None
        assert dict(twins.rust(plain))["model"] == "ok"
    changed = NamedModel(replace(MODEL.entry, bank_size=5000), MODEL.puzzle)
    assert Twins(replace(ABROAD, models=[changed])).agree(plain) == "model"


@pytest.mark.parametrize(
    "changes",
    [
        {"bank_size": 5000},
        {"special_ids": (0, 1, 2, 3)},
        {"bank_root": bytes(64)},
        {"tier": 1},
        {"tokenizer_id": bytes(64)},
        {"shape": replace(MODEL.entry.shape, max_seq=256)},
        {"shape": replace(MODEL.entry.shape, vocab=200)},
    ],
)
def test_models_that_differ(changes: dict[str, Any]) -> None:
    changed = NamedModel(replace(MODEL.entry, **changes), MODEL.puzzle)
    receipt = replace(FOREIGN, models=(model_bytes(changed),))
    assert Twins(ABROAD).agree(encode_receipt(receipt)) is not None


def test_records_of_another_form_are_refused() -> None:
    with pytest.raises(ValueError, match="networks or asked"):
        judge_receipt(b"", b"", b"")
