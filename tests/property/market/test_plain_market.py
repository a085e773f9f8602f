"""Draws, picks and splits against a plain model that shares no code, and what holds of all."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from esper.market.draws import drawn, picked
from esper.market.parameters import SettleShares
from esper.market.records.claim import SessionClaim
from esper.market.records.statuses import DrawStatus
from esper.market.split import split
from tests.spec.plain_market import Member, plain_draws, plain_picks, plain_split
from tests.support.market_world import party, roster_of

MEMBERS = st.lists(
    st.builds(
        Member,
        st.integers(0, 60).map(party),
        st.integers(0, 5).map(party),
        st.one_of(st.integers(1, 9), st.integers(1, (1 << 32) - 1)),
    ),
    max_size=12,
)
HASHES = st.binary(min_size=64, max_size=64)
SLOTS = st.integers(0, (1 << 32) - 1)
AMOUNTS = st.tuples(st.integers(0, 1 << 62), st.one_of(st.integers(1, 5), st.integers(1, 1 << 62)))
UNITS = st.one_of(st.integers(0, 1000), st.integers(0, (1 << 62) - 1))
SHARES = st.lists(st.integers(0, 250), min_size=4, max_size=4)
STATUSES = st.lists(st.integers(0, 3), max_size=16)


@given(HASHES, SLOTS, HASHES, AMOUNTS, st.integers(0, 16), MEMBERS, st.integers(0, 5).map(party))
def test_draws_are_those_of_the_plain_model(
    session: bytes,
    slot: int,
    beacon: bytes,
    amounts: tuple[int, int],
    count: int,
    members: list[Member],
    owner: bytes,
) -> None:
    ends = amounts[0], sum(amounts)
    claim = SessionClaim(session, 0, 1, *ends, bytes(64))
    roster = roster_of(*((one.name, one.owner, one.weight) for one in members))
    found = drawn(claim, slot, beacon, count, roster, owner)
    named = [
        (one.amount, [None if at is None else at.provider for at in one.verifiers]) for one in found
    ]
    assert named == plain_draws(session, slot, beacon, ends, count, members, owner)
    for one in found:
        assert ends[0] <= one.amount < ends[1]
        owners = [at.owner for at in one.verifiers if at is not None]
        assert owner not in owners
        assert len(set(owners)) == len(owners)


@given(HASHES, SLOTS, HASHES, STATUSES, st.integers(1, 4))
def test_picks_are_those_of_the_plain_model(
    session: bytes, slot: int, beacon: bytes, statuses: list[int], openings: int
) -> None:
    found = picked(session, slot, beacon, [DrawStatus(one) for one in statuses], openings)
    assert list(found) == plain_picks(session, slot, beacon, statuses, openings)
    assert len(set(found)) == len(found)


@given(UNITS, UNITS, STATUSES, SHARES, st.booleans())
def test_splits_are_those_of_the_plain_model_and_nothing_is_lost(
    amount: int, price: int, statuses: list[int], parts: list[int], routed: bool
) -> None:
    named = dict(zip(("burned", "router", "auditors", "maker"), parts, strict=True))
    counted = [one for one in statuses if one != DrawStatus.VOID]
    silent = counted.count(DrawStatus.UNANSWERED)
    found = split(amount, price, len(counted), silent, SettleShares(**named), routed=routed)
    expected = plain_split(amount, price, statuses, named, routed=routed)
    assert expected == {
        "payer": found.payer,
        "burned": found.burned,
        "router": found.router,
        "maker": found.maker,
        "auditors": found.auditor * found.answered,
        "provider": found.provider,
    }
    assert found.total == amount + price
    assert min(expected.values()) >= 0


@given(UNITS, UNITS, SHARES, st.booleans())
def test_private_sessions_are_split_without_loss_too(
    amount: int, price: int, parts: list[int], routed: bool
) -> None:
    shares = SettleShares(*parts)
    found = split(amount, price, 0, 0, shares, routed=routed, private=True)
    assert found.total == amount + price
    assert found.payer == amount * shares.auditors // 1000
    assert found.provider >= price


@given(UNITS, st.integers(1, 16), SHARES)
def test_an_answer_more_never_costs_its_provider(amount: int, draws: int, parts: list[int]) -> None:
    shares = SettleShares(*parts)
    kept = [
        split(amount, 0, draws, lost, shares, routed=True).provider for lost in range(draws + 1)
    ]
    # What was rounded down for each auditor may differ by less than a unit a draw.
    assert all(one >= other - draws for one, other in pairwise(kept))
