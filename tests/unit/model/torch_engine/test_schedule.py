"""Which rows a step has: full steps, slots used again, nothing lost. No torch is needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as runs
from hypothesis import strategies as st

from esper.model.torch_engine.schedule import Candidates, Finished, Schedule, Step, slots_for

EOS = 9


def candidates(step: Step, wanted: dict[int, int]) -> list[Candidates]:
    """A token that depends on slot and position alone, or what is wanted at a position."""
    rows = [step.rows[place] for place in step.asked]
    return [((wanted.get(row.position, row.position % 7), row.position),) for row in rows]


def run(schedule: Schedule, wanted: dict[int, int] | None = None) -> list[Finished]:
    found: list[Finished] = []
    while len(schedule):
        found += schedule.take(candidates(schedule.next_step(), wanted or {}))
    return found


def test_a_prompt_runs_in_portions_and_then_token_by_token() -> None:
    schedule = Schedule(slots=1, rows=4, eos=EOS)
    schedule.add(5, (1, 2, 3, 4, 5, 6), 3)
    first, second = schedule.next_step(), None
    assert [(row.token, row.position) for row in first.rows] == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert first.asked == ()
    assert schedule.take([]) == []
    second = schedule.next_step()
    assert [(row.token, row.position) for row in second.rows] == [(5, 4), (6, 5)]
    assert second.asked == (1,)
    assert schedule.take([((8, 1),)]) == []
    assert [(row.token, row.position) for row in schedule.next_step().rows] == [(8, 6)]
    schedule.take([((7, 2),)])
    schedule.next_step()
    assert schedule.take([((6, 3),)]) == [Finished(5, (8, 7, 6), (((8, 1),), ((7, 2),), ((6, 3),)))]
    assert schedule.next_step() == Step((), ())


def test_the_end_token_frees_a_slot_for_the_next_step() -> None:
    schedule = Schedule(slots=1, rows=4, eos=EOS)
    schedule.add(0, (1,), 5)
    schedule.add(1, (2,), 1)
    schedule.next_step()
    [over] = schedule.take([((EOS, 1),)])
    assert over.tokens == (EOS,)
    assert [(row.token, row.slot) for row in schedule.next_step().rows] == [(2, 0)]


def test_what_is_cleared_leaves_every_slot() -> None:
    schedule = Schedule(slots=3, rows=4, eos=EOS)
    for number in range(5):
        schedule.add(number, (1, 2), 4)
    schedule.take(candidates(schedule.next_step(), {}))
    schedule.clear()
    assert len(schedule) == 0
    for number in range(3):
        schedule.add(number, (1,), 1)
    assert sorted(row.slot for row in schedule.next_step().rows) == [0, 1, 2]


@given(st.data())
@runs(max_examples=200)
def test_every_sequence_is_answered_and_no_step_is_too_large(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 9))
    slots = data.draw(st.integers(1, rows))
    schedule = Schedule(slots=slots, rows=rows, eos=EOS)
    asked = data.draw(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 5)), max_size=12))
    ends = data.draw(st.dictionaries(st.integers(0, 15), st.just(EOS), max_size=2))
    waiting = list(enumerate(asked))
    held: dict[int, int] = {}
    found: dict[int, Finished] = {}
    while waiting or len(schedule):
        for _ in range(data.draw(st.integers(0 if len(schedule) else 1, 4))):
            if waiting:
                number, (length, most) = waiting.pop(0)
                schedule.add(number, [number % 5] * length, most)
        step = schedule.next_step()
        assert 0 < len(step.rows) <= rows
        assert len(step.asked) <= slots
        assert all(row.slot < slots for row in step.rows)
        for row in step.rows:
            # Every position of a slot is written once, in order, from 0 on.
            assert row.position in (0, held.get(row.slot, -1) + 1)
            held[row.slot] = row.position
        found |= {one.number: one for one in schedule.take(candidates(step, ends))}
    assert sorted(found) == list(range(len(asked)))
    for number, (length, most) in enumerate(asked):
        alone: list[int] = []
        while len(alone) < most and alone[-1:] != [EOS]:
            place = length + len(alone) - 1
            alone.append(ends.get(place, place % 7))
        assert list(found[number].tokens) == alone


@pytest.mark.parametrize(("rows", "prompt", "answer"), [(512, 49, 16), (512, 32, 33), (64, 1, 8)])
def test_few_slots_keep_steps_full(rows: int, prompt: int, answer: int) -> None:
    slots = slots_for(rows, prompt, answer)
    assert slots <= rows
    schedule = Schedule(slots=slots, rows=rows, eos=EOS)
    sizes = []
    for number in range(200):
        while len(schedule) < 2 * slots:
            schedule.add(number, (1,) * prompt, answer)
        step = schedule.next_step()
        sizes.append(len(step.rows))
        schedule.take(candidates(step, {}))
    settled = sizes[50:]
    assert sum(settled) / len(settled) > 0.97 * rows
