"""Cheap seeds: trying nonces until the batch is one that costs less to answer."""

from hypothesis import given
from hypothesis import strategies as st

from esper.consensus.batch import batch_inputs, draw_indices
from esper.consensus.header import work_seed
from esper.consensus.ticket import wins
from esper.dao.omega import reference_work, work_done
from esper.primitives.ids import WorkId
from tests.support.fake_work import BANK, fake_model_entry, fake_network

PUZZLE = fake_network().puzzle
MODEL = fake_model_entry()
FULL = reference_work(PUZZLE, MODEL)
RANGE = 1 << 512

targets = st.integers(1, RANGE - 1)
answers = st.lists(
    st.integers(1, PUZZLE.max_answer), min_size=PUZZLE.sequences, max_size=PUZZLE.sequences
)


def winning_results(target: int, work: int) -> int:
    """How many values of r win."""
    return -(-target * work // FULL)


@given(targets, answers)
def test_chances_are_in_proportion_to_work(target: int, lengths: list[int]) -> None:
    # A ticket that ends early wins as much more rarely as it was cheaper, to one part in r.
    work = work_done(lengths, PUZZLE, MODEL)
    won = winning_results(target, work)
    assert wins(won - 1, target, work, FULL)
    assert not wins(won, target, work, FULL)
    assert 0 <= won * FULL - target * work < FULL


@given(targets, answers)
def test_a_batch_with_shorter_answers_wins_with_no_more_results(
    target: int, lengths: list[int]
) -> None:
    shorter = [max(1, length - 1) for length in lengths]
    works = [work_done(each, PUZZLE, MODEL) for each in (shorter, lengths)]
    assert winning_results(target, works[0]) <= winning_results(target, works[1])
    # At a real target the cheaper ticket is really worth less.
    real = RANGE >> 20
    if shorter != lengths:
        assert winning_results(real, works[0]) < winning_results(real, works[1])


def test_seeds_of_short_prompts_cost_as_much_as_others() -> None:
    # Indices follow from a hash, so they can be chosen among thousands; the salt fills what a short
    # prompt leaves, and every input has the same number of rows.
    chosen = []
    for nonce in range(3000):
        seed = work_seed(WorkId(nonce.to_bytes(64, "big")))
        indices = draw_indices(seed, MODEL.bank_size, PUZZLE.sequences)
        chosen.append((sum(len(BANK[index].tokens) for index in indices), seed, indices))
    chosen.sort(key=lambda item: item[0])
    assert chosen[-1][0] - chosen[0][0] > 40
    for _, seed, indices in (chosen[0], chosen[-1]):
        inputs = batch_inputs(seed, [BANK[index] for index in indices], PUZZLE, MODEL)
        assert {len(tokens) for tokens in inputs} == {PUZZLE.input_tokens}
