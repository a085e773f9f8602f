"""Digest, work and ticket."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.consensus.ticket import batch_result, digest_elements, wins
from esper.crypto.poseidon import FIELD_ORDER
from esper.dao.omega import reference_work, work_done
from esper.primitives.ids import ModelId
from esper.primitives.work_outputs import Candidate, ProvenAnswer
from tests.spec import poseidon2_reference as reference
from tests.support.fake_work import SHAPE, FakeInference, fake_network

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "work.json").read_text())
PARAMS = fake_network()
PUZZLE, MODEL = PARAMS.puzzle, PARAMS.model


def outcome(vector: dict[str, Any]) -> tuple[Any, ...]:
    answers = FakeInference(MODEL).answer(
        [tuple(tokens) for tokens in vector["inputs"]], PUZZLE.max_answer, PUZZLE.top_k
    )
    seed = bytes.fromhex(vector["seed"])
    return seed, MODEL.model_id, PUZZLE, vector["indices"], vector["inputs"], answers


@pytest.mark.parametrize("vector", VECTORS)
def test_golden_vectors(vector: dict[str, Any]) -> None:
    arguments = outcome(vector)
    assert [list(answer.tokens) for answer in arguments[-1]] == vector["answers"]
    assert [str(element) for element in digest_elements(*arguments)] == vector["elements"]
    assert batch_result(*arguments).hex() == vector["result"]
    lengths = [len(answer) for answer in vector["answers"]]
    assert work_done(lengths, PUZZLE, MODEL) == vector["work"]
    assert reference_work(PUZZLE, MODEL) == vector["reference_work"]


def test_one_fixture_ends_early() -> None:
    last = VECTORS[-1]
    assert all(len(answer) < 16 and answer[-1] == MODEL.eos for answer in last["answers"])
    assert last["work"] < last["reference_work"]


@pytest.mark.parametrize("vector", VECTORS)
def test_result_by_the_plain_python_sponge(vector: dict[str, Any]) -> None:
    limbs = reference.digest("esper/work/digest/v1", [int(e) for e in vector["elements"]])
    assert b"".join(limb.to_bytes(8, "big") for limb in limbs).hex() == vector["result"]


def test_work_by_hand() -> None:
    # 4 layers: attention 64 x (64 + 64 + 32 + 32), feed-forward 3 x 64 x 176, scores 64 x 65.
    row = 4 * (64 * 192 + 3 * 64 * 176 + 64 * 65)
    assert SHAPE.row_cost(64) == row == 200_960
    head = 1024 * 64
    assert work_done([16, 16], PUZZLE, MODEL) == 2 * (64 * row + 16 * head)
    assert work_done([1, 7], PUZZLE, MODEL) == 49 * row + head + 55 * row + 7 * head


def change_every_field(arguments: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    seed, model_id, puzzle, indices, inputs, answers = arguments
    first = answers[0]
    best = first.top[0][0]
    raised = ProvenAnswer(
        first.tokens,
        ((Candidate(best.token, best.logit + 1), *first.top[0][1:]), *first.top[1:]),
    )
    renamed = ProvenAnswer(
        first.tokens,
        ((best, Candidate(9, first.top[0][1].logit), *first.top[0][2:]), *first.top[1:]),
    )
    other_word = ProvenAnswer((first.tokens[0] + 1, *first.tokens[1:]), first.top)
    return [
        (bytes(64), model_id, puzzle, indices, inputs, answers),
        (seed, bytes(64), puzzle, indices, inputs, answers),
        (seed, model_id, replace(puzzle, max_answer=17), indices, inputs, answers),
        (seed, model_id, replace(puzzle, top_k=5), indices, inputs, answers),
        (seed, model_id, replace(puzzle, input_tokens=50), indices, inputs, answers),
        (seed, model_id, puzzle, [indices[0] + 1, indices[1]], inputs, answers),
        (seed, model_id, puzzle, indices, [[*inputs[0][:-1], 3], inputs[1]], answers),
        (seed, model_id, puzzle, indices, inputs, (raised, answers[1])),
        (seed, model_id, puzzle, indices, inputs, (renamed, answers[1])),
        (seed, model_id, puzzle, indices, inputs, (other_word, answers[1])),
        (seed, model_id, puzzle, indices[::-1], inputs[::-1], answers[::-1]),
    ]


def test_every_field_changes_the_result() -> None:
    arguments = outcome(VECTORS[0])
    changed = change_every_field(arguments)
    results = {batch_result(*other) for other in [arguments, *changed]}
    assert len(results) == len(changed) + 1


def test_negative_logits_are_reduced() -> None:
    answer = ProvenAnswer((5,), ((Candidate(5, -1), Candidate(6, -(1 << 62) + 1)),))
    elements = digest_elements(bytes(64), ModelId(bytes(64)), PUZZLE, [0], [[1]], [answer])
    assert elements[-4:] == [5, FIELD_ORDER - 1, 6, FIELD_ORDER - (1 << 62) + 1]


def test_ticket_is_exact_at_the_border() -> None:
    reference_value, work = 1000, 600
    target = 1 << 300
    border = target * work // reference_value
    assert target * work % reference_value
    assert wins(border, target, work, reference_value)
    assert not wins(border + 1, target, work, reference_value)
    # Equality loses.
    assert not wins(6, 3, 2, 1)
    assert wins(5, 3, 2, 1)


@given(st.integers(0, (1 << 512) - 1), st.integers(1, (1 << 512) - 1), st.integers(1, 16))
def test_less_work_never_wins_more(result: int, target: int, length: int) -> None:
    full = reference_work(PUZZLE, MODEL)
    short = work_done([length, length], PUZZLE, MODEL)
    assert short <= full
    if wins(result, target, short, full):
        assert wins(result, target, full, full)
    assert wins(result, target, full, full) == (result < target)
