"""Which packages are kept, and until when."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from esper.node.models.wanted import (
    Note,
    Notes,
    Proposed,
    Verdict,
    Wanted,
    judged,
    mined_as,
    wanted,
)
from esper.primitives.ids import Txid
from esper.primitives.model_entry import ModelEntry
from esper.primitives.networks import REGTEST
from tests.support.dao_cases import entry
from tests.support.dao_world import model_body

UNDO = 10
TWIN = b"t" * 64
GENESIS = mined_as(REGTEST.model)


def model(number: int, *, final: bool = True, package: int | None = None) -> Proposed:
    body = replace(
        model_body(number),
        entry=entry(0, number).model,
        package=(package or number).to_bytes(64, "big"),
    )
    return Proposed(Txid(number.to_bytes(64, "big")), number, body, final)


def look(
    notes: Notes,
    *live: Proposed,
    mined: tuple[ModelEntry, ...] = (),
    here: tuple[bytes, ...] = (),
    height: int = 1,
) -> Wanted:
    return wanted(
        notes, live, (REGTEST.model, *mined), here, height=height, undo_depth=UNDO, genesis=GENESIS
    )


def tier_has(one: Proposed) -> tuple[ModelEntry, ...]:
    return (one.body.entry,)


def test_a_package_is_fetched_from_the_close_of_its_vote() -> None:
    opened = look({}, model(1, final=False))
    assert opened.fetch == ()
    # What lies here is checked before: people want to know it while they vote.
    assert [note.number for note in opened.check] == [1]
    closed = look(opened.notes, model(1))
    assert [note.root for note in closed.fetch] == [model(1).body.package]


def test_a_model_of_a_tier_is_fetched_when_its_proposal_has_ended() -> None:
    one = model(1)
    notes = look({}, one).notes
    after = look(notes, mined=tier_has(one), height=5000)
    assert [note.root for note in after.fetch] == [one.body.package]
    assert after.notes[one.id].over is None
    # Nobody knows what package it came in who saw no proposal.
    assert look({}, mined=tier_has(one)).fetch == ()


def test_the_model_of_genesis_is_never_fetched() -> None:
    body = replace(model(1).body, entry=REGTEST.model)
    assert look({}, replace(model(1), body=body)).fetch == ()


def test_a_package_goes_the_undo_depth_after_it_was_needed_last() -> None:
    one = model(1)
    here = (one.body.package,)
    notes = look({}, one, height=9).notes
    for height in range(10, 10 + UNDO):
        found = look(notes, here=here, height=height)
        assert (found.delete, found.notes[one.id].until(UNDO)) == ((), 10 + UNDO)
        assert found.fetch == ()
        notes = found.notes
    last = look(notes, here=here, height=10 + UNDO)
    assert (last.delete, last.notes) == (here, {})


def test_a_branch_that_has_it_again_keeps_it() -> None:
    one = model(1)
    here = (one.body.package,)
    notes = look(look({}, one).notes, here=here, height=2).notes
    again = look(notes, one, here=here, height=2)
    assert again.notes[one.id].over is None
    assert look(again.notes, here=here, height=2 + UNDO).delete == ()


def test_a_refused_package_goes_at_once_and_is_not_fetched_again() -> None:
    one = model(1)
    notes = judged(look({}, one).notes, look({}, one).notes[one.id], Verdict.REFUSED, "salt: wrong")
    found = look(notes, one, here=(one.body.package,))
    assert (found.fetch, found.check, found.delete) == ((), (), (one.body.package,))
    # Not even where it is mined, or proposed again in the same words.
    assert look(notes, mined=tier_has(one)).fetch == ()
    assert look(notes, mined=tier_has(one), height=7).notes[one.id].over == 7
    again = replace(one, id=Txid(bytes(64)), number=2)
    later = look(notes, again)
    assert (later.fetch, later.notes[again.id].words) == ((), "salt: wrong")


def test_words_that_are_wrong_of_a_right_package_do_not_condemn_it() -> None:
    right, wrong = model(1), model(2, package=1)
    notes = look({}, right, wrong).notes
    notes = judged(notes, notes[wrong.id], Verdict.REFUSED, "model id: another")
    found = look(notes, right, wrong, here=(right.body.package,))
    assert [note.number for note in found.fetch] == [1]
    assert found.delete == ()


def test_two_proposals_of_one_package_fetch_it_once() -> None:
    found = look({}, model(1), model(2, package=1))
    assert [note.number for note in found.fetch] == [1]
    assert [note.number for note in found.check] == [1, 2]


def test_a_twin_of_what_a_tier_has_is_not_fetched_without_a_vote() -> None:
    """The same entry in another package: its proposer makes nobody fetch it."""
    right, twin = (
        model(1),
        replace(model(2, final=False), body=replace(model(1).body, package=TWIN)),
    )
    notes = look({}, right, twin).notes
    found = look(notes, twin, mined=tier_has(right), height=20)
    assert [note.root for note in found.fetch] == [right.body.package]
    ended = look(found.notes, mined=tier_has(right), here=(TWIN,), height=30)
    assert [note.root for note in ended.fetch] == [right.body.package]
    last = look(ended.notes, mined=tier_has(right), here=(TWIN,), height=30 + UNDO)
    assert (last.delete, set(last.notes)) == ((TWIN,), {right.id})


def test_a_vote_that_a_branch_takes_back_has_not_passed() -> None:
    notes = look({}, model(1)).notes
    assert notes[model(1).id].passed
    assert not look(notes, model(1, final=False)).notes[model(1).id].passed


def test_what_passed_its_vote_is_checked_before_what_is_voted_on() -> None:
    found = look({}, model(1, final=False), model(2))
    assert [note.number for note in found.check] == [2, 1]


def test_a_verdict_on_another_extension_is_none() -> None:
    """The tier has another bank than when it was checked: what is longer may not be so now."""
    one = replace(model(1), extends=b"e")
    notes = look({}, one).notes
    for verdict in (Verdict.VERIFIED, Verdict.REFUSED):
        said = judged(notes, notes[one.id], verdict, "", b"e")
        assert look(said, one).notes[one.id].verdict is verdict
        for other in (b"f", b""):
            assert [note.number for note in look(said, replace(one, extends=other)).check] == [1]
        # Once it acts it extends nothing any more.
        acts = look(said, replace(one, extends=b""), mined=tier_has(one))
        assert acts.notes[one.id].verdict is verdict
    # What cannot be fetched cannot be, whatever it extends.
    said = judged(notes, notes[one.id], Verdict.REFUSED, "no manifest")
    assert look(said, replace(one, extends=b"f")).check == ()


def test_what_nobody_proposed_stays() -> None:
    assert look({}, here=(bytes(64),), height=5000).delete == ()


Tip = tuple[frozenset[int], frozenset[int], int]
NUMBERS = st.frozensets(st.integers(1, 4))
TIPS = st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(1, 3)), max_size=40)


@given(TIPS)
def test_a_package_is_never_deleted_before_the_undo_depth_and_never_kept_after(
    tips: list[Tip],
) -> None:
    notes: Notes = {}
    here: set[bytes] = set()
    needed_at: dict[bytes, int] = {}
    height = 0
    for live, active, steps in tips:
        for _ in range(steps):
            height += 1
            known = {note.number for note in notes.values()} | live
            entries = tuple(model(one).body.entry for one in active)
            found = look(
                notes,
                *(model(one) for one in sorted(live)),
                mined=entries,
                here=tuple(here),
                height=height,
            )
            needed = {model(one).body.package for one in live | (active & known)}
            assert {note.root for note in found.fetch} == needed
            here |= needed
            needed_at |= dict.fromkeys(needed, height)
            assert not needed & set(found.delete)
            for root in here:
                gone = height > needed_at[root] + UNDO
                assert (root in found.delete) == gone
            here -= set(found.delete)
            notes = found.notes


def test_until_is_unknown_while_it_is_needed() -> None:
    note: Note = look({}, model(1)).notes[model(1).id]
    assert note.until(UNDO) is None
