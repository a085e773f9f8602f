"""Each rule of a claim that is settled, beside its honest twin."""

from dataclasses import replace

import pytest

from esper.market.draws import Draw, draw_count
from esper.market.parameters import MARKETS
from esper.market.records.beat import BeatPath, beat_tree
from esper.market.records.claim import SessionClaim
from esper.market.records.statuses import DrawStatus as S
from esper.market.records.statuses import statuses_bytes
from esper.market.rules.claim_rules import (
    Settled,
    check_claim_limit,
    check_claim_order,
    check_claim_paths,
    check_claim_request,
    check_settle_time,
    checked_statuses,
)
from esper.primitives.errors import market_errors as e
from tests.support.market_world import (
    COST,
    GENESIS,
    KEY,
    LOAD_ROOT,
    PLACE,
    SIGNER,
    SLOT,
    beat_of,
    party,
    pattern,
    roster_of,
    settled_session,
    shown,
)

MAIN = MARKETS["mainnet"]
SESSION = settled_session()
CLAIM = SESSION.claim
ABOUT = SESSION.about(S.FIRST, S.FIRST, S.SECOND)
LATER = beat_of(ABOUT)
ROOTS = {SLOT: SESSION.beat.root, SLOT + 3: LATER.root}
SETTLED = Settled(turn=0, taken=0, paid=60_000, deposit=6_000_000, expiry=SLOT)
FIRST, SECOND = roster_of((party(1), party(1), 5), (party(2), party(2), 5)).places


def test_claims_are_settled_while_reports_are_there_and_not_later() -> None:
    for slot in (903, 908):
        check_settle_time(900, slot * 240, MAIN)
    for slot in (902, 909):
        with pytest.raises(e.SettleLateViolation, match="must be from 903 to 908"):
            check_settle_time(900, slot * 240, MAIN)


def test_both_claims_are_in_their_beats_at_the_sessions_place() -> None:
    about = shown(ABOUT, SLOT + 3, LATER)
    check_claim_paths(SESSION.shown, about, PLACE, SLOT + 3, ROOTS.get)
    honest = SESSION.shown
    for bad in (
        replace(honest, beat=SLOT + 1),
        replace(honest, beat=SLOT + 3),
        replace(honest, claim=replace(CLAIM, paid_to=CLAIM.paid_to + 1)),
        replace(honest, path=replace(honest.path, leaves=honest.path.leaves + 1)),
        replace(honest, path=replace(honest.path, siblings=honest.path.siblings[1:])),
    ):
        with pytest.raises(e.BeatPathViolation, match="it is not in the Beat of slot"):
            check_claim_paths(bad, about, PLACE, SLOT + 3, ROOTS.get)
    with pytest.raises(e.BeatPathViolation, match="of its draws is not in the Beat of slot 904"):
        check_claim_paths(honest, replace(about, beat=SLOT + 4), PLACE, SLOT + 4, ROOTS.get)
    for place in (PLACE - 1, PLACE + 1):
        with pytest.raises(e.BeatPathViolation, match=f"place {place}"):
            check_claim_paths(honest, about, place, SLOT + 3, ROOTS.get)


def test_one_beat_holds_one_claim_of_a_session() -> None:
    # The same claim at another place, and in a leaf behind: neither is the session's.
    other = replace(CLAIM, paid_from=COST)
    twice = beat_tree(LOAD_ROOT, {PLACE: CLAIM, PLACE + 1: other}, [])
    path = BeatPath(twice.count, twice.path(PLACE + 2))
    bad = replace(SESSION.shown, claim=other, path=path)
    roots = ROOTS | {SLOT: twice.root}
    about = shown(ABOUT, SLOT + 3, LATER)
    check_claim_paths(shown(CLAIM, SLOT, twice), about, PLACE, SLOT + 3, roots.get)
    with pytest.raises(e.BeatPathViolation):
        check_claim_paths(bad, about, PLACE, SLOT + 3, roots.get)


def test_statuses_are_said_once_and_about_this_claim() -> None:
    about = shown(ABOUT, SLOT + 3, LATER)
    for first in (SLOT + 4, None):
        with pytest.raises(e.BeatPathViolation, match="not those of the first Beat"):
            check_claim_paths(SESSION.shown, about, PLACE, first, ROOTS.get)
    other = replace(ABOUT, told=(replace(ABOUT.told[0], slot=SLOT + 1),))
    tree = beat_of(other)
    with pytest.raises(e.BeatPathViolation, match="no statuses of the claim of slot 900"):
        check_claim_paths(
            SESSION.shown,
            shown(other, SLOT + 3, tree),
            PLACE,
            SLOT + 3,
            (ROOTS | {SLOT + 3: tree.root}).get,
        )
    strange = replace(ABOUT, session=pattern(64, 77))
    tree = beat_of(strange)
    with pytest.raises(e.BeatPathViolation, match="another session's"):
        check_claim_paths(
            SESSION.shown,
            shown(strange, SLOT + 3, tree),
            PLACE,
            SLOT + 3,
            (ROOTS | {SLOT + 3: tree.root}).get,
        )


def test_nothing_is_claimed_twice_and_nothing_for_nothing() -> None:
    claim = replace(CLAIM, first=10, paid_from=10 * COST)
    check_claim_order(claim, replace(SETTLED, turn=10, taken=10 * COST))
    # Gaps are the payer's.
    check_claim_order(claim, SETTLED)
    for bad, settled, what in (
        (claim, replace(SETTLED, turn=11), "first 10, must be 11"),
        (claim, replace(SETTLED, taken=10 * COST + 1), "paid_from 560000, must be 560001"),
        (replace(claim, paid_to=claim.paid_from), SETTLED, "paid_to 560000, must be 560001"),
        (replace(claim, first=claim.turn), SETTLED, "turn 40, must be 41"),
    ):
        with pytest.raises(e.ClaimOrderViolation, match=what):
            check_claim_order(bad, settled)


def test_the_payer_acknowledged_what_is_claimed() -> None:
    check_claim_request(CLAIM, SESSION.request, GENESIS, SIGNER, KEY.public, SESSION.signature)
    for change, words in (
        ({"genesis_hash": bytes(64)}, "another network"),
        ({"session": bytes(64)}, "another session"),
        ({"turn": 39}, "turn 39, not 40"),
        ({"acks": bytes(64)}, "other replies"),
        ({"acked": COST * 40 - 1}, "acknowledges 2239999 units, not 2240000"),
        ({"rating": 3}, "not that of the session's signer"),
    ):
        bad = replace(SESSION.request, **change)
        with pytest.raises(e.ClaimRequestViolation, match=words):
            check_claim_request(CLAIM, bad, GENESIS, SIGNER, KEY.public, SESSION.signature)
    with pytest.raises(e.ClaimRequestViolation, match="not that of the session's signer"):
        check_claim_request(
            CLAIM, SESSION.request, GENESIS, party(1), KEY.public, SESSION.signature
        )
    # Keys and signatures of any length are refused in the same words.
    for key, signature in ((b"", b""), (KEY.public, b""), (KEY.public[:-1], SESSION.signature)):
        with pytest.raises(e.ClaimRequestViolation, match="not that of the session's signer"):
            check_claim_request(CLAIM, SESSION.request, GENESIS, SIGNER, key, signature)


def test_a_session_pays_what_it_holds_while_it_lives() -> None:
    just = replace(SETTLED, deposit=60_000 + CLAIM.amount + 7)
    check_claim_limit(CLAIM, SLOT + 1, 7, just)
    with pytest.raises(e.ClaimLimitViolation, match="2300007 units in all"):
        check_claim_limit(CLAIM, SLOT + 1, 7, replace(just, deposit=just.deposit - 1))
    with pytest.raises(e.ClaimLimitViolation, match="slot 902, must not be after 901"):
        check_claim_limit(CLAIM, SLOT + 2, 7, just)


def test_how_many_draws_a_claim_has() -> None:
    def drawn(replies: int, *, bonded: bool) -> int:
        claim = SessionClaim(CLAIM.session, 100, 100 + replies, 0, 1, bytes(64))
        return draw_count(claim, MAIN, bonded=bonded)

    bonded = {1: 1, 16: 1, 17: 2, 40: 3, 256: 16, 257: 16, 10**6: 16}
    assert {replies: drawn(replies, bonded=True) for replies in bonded} == bonded
    assert [drawn(replies, bonded=False) for replies in (1, 15, 16)] == [1, 15, 16]
    with pytest.raises(e.ClaimLimitViolation, match="17 replies, 16 at most without a bond"):
        drawn(17, bonded=False)


def alive(*names: bytes) -> set[bytes]:
    return set(names)


def test_statuses_are_of_as_many_draws_and_name_who_was_drawn() -> None:
    draws = [Draw(1, (FIRST, SECOND)), Draw(2, (None, SECOND)), Draw(3, (FIRST, None))]
    living = alive(FIRST.provider, SECOND.provider)

    def said(*statuses: S) -> tuple[S, ...]:
        return checked_statuses(statuses_bytes(statuses), draws, living.__contains__)

    assert said(S.FIRST, S.SECOND, S.UNANSWERED) == (S.FIRST, S.SECOND, S.UNANSWERED)
    with pytest.raises(e.StatusesViolation, match="draw 1 has no verifier 1"):
        said(S.FIRST, S.FIRST, S.UNANSWERED)
    with pytest.raises(e.StatusesViolation, match="draw 2 has no verifier 2"):
        said(S.FIRST, S.SECOND, S.SECOND)
    with pytest.raises(e.StatusesViolation, match="0 bytes, must be 1 for 3 draws"):
        said()
    with pytest.raises(e.StatusesViolation, match="bits behind those of 3 draws"):
        said(S.FIRST, S.SECOND, S.FIRST, S.FIRST)


def test_a_draw_is_void_only_where_nobody_could_have_answered() -> None:
    for verifiers, living, void in (
        ((FIRST, SECOND), (), True),
        ((FIRST, None), (SECOND.provider,), True),
        ((None, None), (FIRST.provider,), True),
        ((FIRST, SECOND), (FIRST.provider,), False),
        ((FIRST, SECOND), (SECOND.provider,), False),
        ((None, SECOND), (SECOND.provider,), False),
    ):
        draws, there = [Draw(1, verifiers)], alive(*living)
        told = statuses_bytes((S.VOID,))
        if void:
            assert checked_statuses(told, draws, there.__contains__) == (S.VOID,)
            continue
        with pytest.raises(e.VoidViolation, match="draw 0 is not void"):
            checked_statuses(told, draws, there.__contains__)
