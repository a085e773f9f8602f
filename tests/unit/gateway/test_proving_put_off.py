"""Calls that cannot be signed now, or never: others go first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from esper.gateway.proving import ProvingLine
from esper.gateway.proving_choice import SIGN_TRIES
from esper.gateway.proving_put_off import FIRST_MS, LONGEST_MS, PutOff
from esper.gateway.proving_rows import (
    EXPIRY_BLOCKS,
    QUEUE_MS,
    Block,
    Conditions,
    Row,
    Sign,
    Spent,
    Status,
    Version,
)

MODEL = b"m" * 64
START_MS = 1_000_000
NOW = Conditions(START_MS, 0, 10**6, 10**6, 10, frozenset({MODEL}))


def row(call: str, **changes: Any) -> Row:
    return replace(Row(call, MODEL, 2, (5, 6), 1_000, START_MS), **changes)


def at(now_ms: int) -> Conditions:
    return replace(NOW, now_ms=now_ms)


def line_of(*rows: Row) -> ProvingLine:
    return ProvingLine(rows, 0, 100)


def asked(line: ProvingLine, now: Conditions = NOW) -> Sign:
    sign = line.look(now).sign
    assert sign is not None
    return sign


def signed(line: ProvingLine, now: Conditions = NOW) -> Version:
    sign = asked(line, now)
    [version] = line.signed(sign, sign.call.encode() + b"%d" % line.tip, b"data").sends
    return version


def lapsed(line: ProvingLine) -> None:
    for _ in range(EXPIRY_BLOCKS):
        line.added(Block(line.tip + 1, b"e%d" % (line.tip + 1)))


def test_waits_grow_and_end() -> None:
    put_off = PutOff()
    assert not put_off
    waits = []
    for _ in range(100):
        put_off.add("a", 0)
        moments = range(0, LONGEST_MS + 1, FIRST_MS)
        waits.append(next(ms for ms in moments if not put_off.waits("a", ms)))
    assert waits[:3] == [FIRST_MS, 2 * FIRST_MS, 4 * FIRST_MS]
    assert waits[-1] == max(waits) == LONGEST_MS
    assert put_off.tries("a") == 100
    put_off.forget("a")
    assert not put_off
    assert put_off.tries("a") == 0


def test_a_clock_set_back_makes_nobody_wait_for_long() -> None:
    put_off = PutOff()
    put_off.add("a", 10**12)
    assert put_off.waits("a", 10**12)
    assert not put_off.waits("a", 10**11)


def test_another_goes_first_and_it_comes_again() -> None:
    line = line_of(row("a"), row("b"))
    first = asked(line)
    line.not_signed(first, START_MS)
    assert line.has_put_off
    assert signed(line).nonce == first.nonce
    assert line.look(NOW).sign is None
    again = asked(line, at(START_MS + FIRST_MS))
    assert (again.call, again.nonce) == ("a", first.nonce + 1)
    line.signed(again, b"t", b"data")
    assert not line.has_put_off


def test_one_that_never_can_be_is_given_up_at_once() -> None:
    line = line_of(row("a"), row("b"))
    step = line.not_signed(asked(line), START_MS, is_lost=True)
    assert step.releases == ["a"]
    assert (step.keep["a"].status, step.keep["a"].reason) == (Status.UNPROVEN, "damaged")
    assert not line.has_put_off
    assert asked(line).call == "b"


def test_one_that_could_not_be_for_a_day_says_so() -> None:
    line = line_of(row("a"))
    line.not_signed(asked(line), START_MS)
    step = line.look(at(START_MS + QUEUE_MS))
    assert step.keep["a"].reason == "not_signed"
    assert step.releases == ["a"]
    assert not line.has_put_off


def test_one_that_only_waited_has_expired() -> None:
    line = line_of(row("a"))
    assert line.look(at(START_MS + QUEUE_MS)).keep["a"].reason == "expired"


def test_a_nonce_that_others_wait_behind_is_filled_by_another() -> None:
    line = line_of(row("a"), row("b"))
    assert [signed(line).nonce, signed(line).nonce] == [0, 1]
    lapsed(line)
    now_ms = START_MS
    for _ in range(SIGN_TRIES):
        assert line.rows["a"].status is not Status.UNPROVEN
        sign = asked(line, at(now_ms))
        assert (sign.call, sign.nonce) == ("a", 0)
        line.not_signed(sign, now_ms)
        if line.rows["b"].status is Status.LAPSED:
            assert signed(line, at(now_ms)).nonce == 1
        now_ms += LONGEST_MS
    assert (line.rows["a"].status, line.rows["a"].reason) == (Status.UNPROVEN, "not_signed")
    # A branch may still take its version: what that costs stays reserved.
    assert not line.rows["a"].released
    line.enqueue(row("c", queued_at_ms=now_ms))
    filling = asked(line, at(now_ms))
    assert (filling.call, filling.nonce) == ("c", 0)


def test_an_old_version_in_a_block_ends_the_wait() -> None:
    line = line_of(row("a"))
    version = signed(line)
    lapsed(line)
    line.not_signed(asked(line), START_MS)
    assert line.has_put_off
    line.undone(140, b"e140")
    line.added(Block(140, b"p", (Spent(version.txid, version.nonce),)))
    assert not line.has_put_off
