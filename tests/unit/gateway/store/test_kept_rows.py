"""Rows of the line that nobody can read, and books that contradict the chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from esper.gateway.proving_rows import Charge, Place, Row, Status, Step, Version, encode_row
from esper.gateway.store.budget import PeriodState
from esper.gateway.store.gateway_store import GatewayStore
from esper.gateway.store.kept_rows import DAMAGED, put_aside, sound_row
from esper.gateway.store.line import NotBooked
from tests.support.gateway.accounts import KEY, NOW, account, instant

OWNER = account().id
PERIOD = account().period(NOW)
CALL, OTHER = "c" * 32, "d" * 32
VERSION = Version(b"t" * 64, b"bytes", 4, 10, 140)
PLACE = Place(101, b"b" * 64, VERSION.txid)
SENT = Row(
    CALL, b"m" * 64, 3, (5, 6), 20, NOW, status=Status.SUBMITTED, nonce=4, versions=(VERSION,)
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GatewayStore]:
    with GatewayStore(tmp_path / "gateway.db") as opened:
        assert opened.accounts.add(account())
        yield opened


def promised(store: GatewayStore, call: str) -> None:
    assert store.budget.reserve(call, OWNER, 300, NOW)
    store.receipts.promise(instant(call), NOW)


def spoil(store: GatewayStore, call: str, data: bytes) -> None:
    with store._database.commit() as connection:
        connection.execute("UPDATE rows SET data = ? WHERE call = ?", (data, call))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": Status.QUEUED, "nonce": None, "versions": ()},
        {"status": Status.OPEN, "place": PLACE},
        {"status": Status.PROVEN, "place": PLACE, "result": PLACE},
        {"status": Status.LAPSED, "place": PLACE, "lapse": PLACE},
        {"status": Status.UNPROVEN, "reason": "lapsed", "nonce": None},
    ],
)
def test_what_the_line_writes_is_sound(changes: dict[str, Any]) -> None:
    row = replace(SENT, **changes)
    assert sound_row(CALL, encode_row(row)) == row


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"call": OTHER}, "another call"),
        ({"max_price": -1}, "below 0"),
        ({"prompt_tokens": -1}, "below 0"),
        ({"versions": (replace(VERSION, bid=-1),)}, "below 0"),
        ({"status": Status.OPEN, "place": replace(PLACE, txid=b"x" * 64)}, "never had"),
        ({"status": Status.OPEN, "result": PLACE}, "no call"),
        ({"lapse": PLACE}, "no call"),
        ({"versions": ()}, "no transaction"),
        ({"nonce": None}, "no transaction"),
        ({"status": Status.PROVEN, "place": PLACE}, "no answer"),
    ],
)
def test_what_it_never_writes_is_damage(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        sound_row(CALL, encode_row(replace(SENT, **changes)))


def test_changed_bytes_are_a_row_or_a_value_error() -> None:
    random, data = Random(7), encode_row(SENT)
    for _ in range(2_000):
        changed = bytearray(data)
        for _ in range(random.randint(1, 3)):
            changed[random.randrange(len(changed))] = random.randrange(256)
        try:
            assert sound_row(CALL, bytes(changed)).call == CALL
        except ValueError:
            continue


def test_others_are_loaded_beside_one_that_nobody_can_read(store: GatewayStore) -> None:
    promised(store, CALL)
    promised(store, OTHER)
    spoil(store, CALL, b"\xc1")
    store.line.follow_from([(100, b"b" * 64)])
    kept = store.line.load(0)
    assert kept.damaged == [CALL]
    assert kept.rows == [put_aside(CALL, 100), instant(OTHER).row]
    found = store.line.find(CALL)
    assert found is not None
    assert (found.status, found.reason) == (Status.UNPROVEN, DAMAGED)


def test_what_it_reserved_falls_back_and_its_bytes_stay(store: GatewayStore) -> None:
    promised(store, CALL)
    promised(store, OTHER)
    spoil(store, CALL, b"\xc1")
    assert store.budget.state(OWNER, PERIOD) == PeriodState(20, 400)
    for height in (100, 104):
        # At each start anew; the first height counts.
        store.line.put_aside(store.line.load(0).damaged, height)
    assert store.budget.state(OWNER, PERIOD) == PeriodState(20, 200)
    assert store.budget.charges(CALL) == {"serve": 10}
    with store._database.reading() as connection:
        question = "SELECT settled_at, data FROM rows WHERE call = ?"
        assert connection.execute(question, (CALL,)).fetchone() == (100, b"\xc1")
    assert [row.call for row in store.line.load(101).rows] == [OTHER]


def test_a_proof_charged_before_does_not_keep_the_rest_from_its_way(store: GatewayStore) -> None:
    promised(store, CALL)
    promised(store, OTHER)
    assert store.line.commit(Step(charges=[Charge(CALL, 100)]), NOW) == []
    both = Step(charges=[Charge(CALL, 100), Charge(OTHER, 90)], followed=(101, b"b" * 64))
    both.next_nonce = 7
    [refused] = store.line.commit(both, NOW)
    assert refused.call == CALL
    assert refused.reason == "it was charged before"
    assert store.budget.charges(CALL) == {"serve": 10, "proof": 100}
    assert store.budget.charges(OTHER) == {"serve": 10, "proof": 90}
    assert store.budget.state(OWNER, PERIOD) == PeriodState(210, 0)
    kept = store.line.load(0)
    assert (kept.next_nonce, kept.followed) == (7, [(101, b"b" * 64)])


def test_a_charge_without_a_promise_is_told_and_its_key_has_its_own_again(
    store: GatewayStore,
) -> None:
    assert store.budget.reserve(CALL, OWNER, 300, NOW)
    refused = store.line.commit(Step(charges=[Charge(CALL, 100)]), NOW)
    assert refused == [NotBooked(CALL, "it has no promise")]
    assert store.budget.state(OWNER, PERIOD) == PeriodState(0, 0)
    assert KEY not in refused[0].reason
