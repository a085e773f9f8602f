"""What shows an answered draw: each rule beside its honest twin."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from esper.market.draws import Draw
from esper.market.records.opening import DrawOpening
from esper.market.records.statuses import DrawStatus as S
from esper.market.rules.opening_rules import OpenedClaim, check_opening
from esper.primitives.errors import market_errors as e
from tests.support.market_world import (
    COST,
    SLOT,
    ack_path,
    opening_of,
    party,
    pattern,
    roster_of,
    settled_session,
    verifier_beat,
)

SESSION = settled_session()
OPENED = SESSION.opened
FIRST, SECOND = roster_of((party(1), party(1), 5), (party(2), party(2), 5)).places
DRAW = Draw(1_300_123, (FIRST, SECOND))
"""Of the worked example: it hits turn 23, [1,288,000, 1,344,000)."""
HONEST, ROOT = opening_of(SESSION, DRAW, S.SECOND)
ROOTS = {(SECOND.provider, SLOT + 1): ROOT, (SECOND.provider, SLOT + 2): ROOT}


def check(
    opening: DrawOpening = HONEST,
    draw: Draw = DRAW,
    status: S = S.SECOND,
    opened: OpenedClaim = OPENED,
    roots: Callable[[bytes, int], bytes | None] = lambda name, slot: ROOTS.get((name, slot)),
) -> None:
    check_opening(opened, 2, draw, status, opening, roots)


def refused(words: str, **changed: object) -> None:
    with pytest.raises(e.DrawOpeningViolation, match=words):
        check(**changed)  # type: ignore[arg-type]


def test_the_worked_example_is_shown_by_its_record_and_report() -> None:
    assert (HONEST.record.turn, HONEST.record.before, HONEST.record.spent) == (
        23,
        1_288_000,
        1_344_000,
    )
    check()
    check(replace(HONEST, beat=SLOT + 2))


@pytest.mark.parametrize("turn", [0, 23, 31, 32, 39])
def test_both_ends_of_what_a_record_costs(turn: int) -> None:
    for amount in (COST * turn, COST * (turn + 1) - 1):
        draw = replace(DRAW, amount=amount)
        opening, root = opening_of(SESSION, draw, S.SECOND)
        check(opening, draw, roots=lambda name, slot, root=root: root)  # type: ignore[misc]
    for amount in (COST * turn - 1, COST * (turn + 1)):
        refused(
            "does not hold the drawn unit",
            opening=opening,
            draw=replace(DRAW, amount=amount),
            roots=lambda name, slot, root=root: root,
        )


@pytest.mark.parametrize(
    "change",
    [
        {"genesis_hash": bytes(64)},
        {"session": bytes(64)},
        {"provider": party(3)},
        {"model_id": bytes(64)},
    ],
)
def test_a_record_of_something_else(change: dict[str, bytes]) -> None:
    refused(
        "another session's, provider's, model's or network's",
        opening=replace(HONEST, record=replace(HONEST.record, **change)),  # type: ignore[arg-type]
    )


def test_a_record_that_the_payer_did_not_acknowledge() -> None:
    words = "acknowledged another record for this turn"
    changed = replace(HONEST, record=replace(HONEST.record, t1=HONEST.record.t1 + 1))
    with pytest.raises(e.DrawOpeningViolation, match=words):
        check(changed)
    refused(words, opening=replace(HONEST, acked=HONEST.acked[:-1]))
    refused(words, opening=replace(HONEST, acked=(*HONEST.acked, bytes(64))))
    refused(words, opening=replace(HONEST, acked=ack_path(SESSION.digests, 22)))
    refused(words, opening=replace(HONEST, acked=tuple(bytes(63) for _ in HONEST.acked)))


def test_a_turn_outside_the_claim() -> None:
    later = replace(OPENED, claim=replace(OPENED.claim, first=24))
    with pytest.raises(e.DrawOpeningViolation, match="turn 23, must be from 24 to 39"):
        check(opened=later)


def test_a_record_costs_what_its_tokens_do() -> None:
    dearer = replace(OPENED, price_out=OPENED.price_out + 1000)
    refused("the record costs 56000 units, its tokens 56060", opened=dearer)


def test_a_record_is_claimed_in_the_first_beat_of_its_slot_or_later_and_in_no_other() -> None:
    check(opened=replace(OPENED, slot_before=None))
    check(opened=replace(OPENED, slot_before=SLOT - 4))
    refused("was to be claimed in a Beat before", opened=replace(OPENED, slot_before=SLOT))
    early = replace(OPENED, slot=SLOT - 1, slot_before=SLOT - 2)
    refused("of slot 900, which is later", opened=early)


def test_the_seal_is_the_traces() -> None:
    refused("the seal", opening=replace(HONEST, trace=pattern(64, 1)))
    refused("the seal", opening=replace(HONEST, salt=pattern(32, 1)))


def test_the_verifier_that_the_status_names_said_so() -> None:
    refused("nobody is said to have answered", status=S.UNANSWERED)
    refused("nobody is said to have answered", status=S.VOID)
    refused("nobody is said to have answered", draw=Draw(DRAW.amount, (FIRST, None)))
    words = "holds no such report"
    # The other verifier has a Beat as well, without this report.
    refused(words, status=S.FIRST, roots=lambda name, slot: ROOT)
    refused(words, opening=replace(HONEST, index=HONEST.index - 1))
    refused(words, opening=replace(HONEST, path=replace(HONEST.path, leaves=4)))
    with pytest.raises(e.DrawOpeningViolation, match=words):
        check(roots=lambda name, slot: None)
    other, _ = verifier_beat(SECOND.provider, SESSION.records[22])
    refused(words, roots=lambda name, slot: other.root)


@pytest.mark.parametrize("slot", [SLOT, SLOT + 3])
def test_reports_stand_in_two_beats_alone(slot: int) -> None:
    refused(
        f"slot {slot}, must be from 901 to 902",
        opening=replace(HONEST, beat=slot),
        roots=lambda name, beat: ROOT,
    )
