"""Scores of given answers against what answering tells, and against the specification in NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import settings as runs
from hypothesis import strategies as st

from esper.model import LoadedModel, ModelError, load_model
from esper.model.config import Shape
from esper.model.errors import InvalidFieldError
from esper.model.g16_format import read_integer_model, write_integer_model
from tests.spec.g16_numpy import SpecModel
from tests.support.second_verifier import LOUD, random_model

SMALL = Shape(vocab=33, dim=14, hidden=22, layers=2, heads=6, kv_heads=2, head_dim=4, max_seq=70)


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Sizes that are multiples of nothing, and heads that share keys."""
    kv_heads = draw(st.integers(1, 3))
    return Shape(
        vocab=draw(st.integers(5, 70)),
        dim=draw(st.integers(1, 50)),
        hidden=draw(st.integers(1, 70)),
        layers=draw(st.integers(1, 3)),
        heads=kv_heads * draw(st.integers(1, 3)),
        kv_heads=kv_heads,
        head_dim=2 * draw(st.integers(1, 7)),
        max_seq=60,
    )


@given(st.data())
@runs(max_examples=25)
def test_any_model_scores_as_it_answers_and_as_numpy_says(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    shape = data.draw(shapes())
    folder = tmp_path_factory.mktemp("model")
    try:
        model = random_model(
            folder,
            data.draw(st.integers(0, 2**32)),
            shape=shape,
            bits=data.draw(st.sampled_from(((12, 16, 16), (16, 20, 18)))),
            louder=LOUD if data.draw(st.booleans()) else None,
            z_bits=data.draw(st.sampled_from(((16,), (18,), (24, 16)))),
        )
    except ModelError:  # a bound that the native loader keeps
        reject()
    most = data.draw(st.integers(1, 30))
    token = st.integers(0, shape.vocab - 1)
    prompt = st.lists(token, min_size=1, max_size=shape.max_seq + 1 - most)
    prompts = data.draw(st.lists(prompt, min_size=1, max_size=5))
    told = model.native.generate(prompts, most, 4, 1)
    answers = [tokens for tokens, _ in told]
    threads = data.draw(st.integers(1, 2))
    scores = model.score(prompts, answers, threads=threads)
    assert scores == [tops for _, tops in told]
    given_ones = [data.draw(st.lists(token, min_size=1, max_size=most)) for _ in prompts]
    scores = model.score(prompts, given_ones, 3, threads)
    spec = SpecModel(folder)
    for score, text, answer in zip(scores, prompts, given_ones, strict=True):
        if len(text) + len(answer) <= 24:
            assert score == spec.score(text, answer, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a small random model lies."""
    folder = tmp_path_factory.mktemp("small")
    random_model(folder, 5, shape=SMALL)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> LoadedModel:
    """The small model."""
    return load_model(folder)


def test_a_score_goes_on_behind_the_end_token(model: LoadedModel, folder: Path) -> None:
    answer = [3, model.eos, 5, model.eos, model.eos, 1]
    (score,) = model.score([[1, 2]], [answer])
    assert score == SpecModel(folder).score([1, 2], answer, 4)
    assert len(score) == len(answer)


def test_one_weight_changed_by_one_shows(model: LoadedModel, folder: Path, tmp_path: Path) -> None:
    prompts = [list(range(10))]
    answers = [model.generate(prompts[0], 30, threads=1)]
    integers = read_integer_model(folder)
    weight = integers.tensors["layers.0.up_proj.weight"]
    changed = np.array(weight)
    changed[2, 3] += 1 if changed[2, 3] < 127 else -1
    integers.tensors["layers.0.up_proj.weight"] = changed  # type: ignore[index]
    write_integer_model(tmp_path / "g16.safetensors", integers)
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    assert load_model(tmp_path).score(prompts, answers) != model.score(prompts, answers)


@pytest.mark.parametrize(
    ("prompts", "answers", "top_k", "says"),
    [
        ([[1]], [], 4, "'answers'"),
        ([[]], [[1]], 4, r"'prompts\[0\]'"),
        ([[1], [1]], [[1], []], 4, r"'answers\[1\]'"),
        ([[33]], [[1]], 4, r"'prompts\[0\]'"),
        ([[1]], [[1, -1]], 4, r"'answers\[0\]'"),
        ([[1] * 60], [[1] * 12], 4, "within 70 positions"),
        ([[1]], [[1]], 0, "'top_k'"),
        ([[1]], [[1]], 34, "from 1 to 33"),
    ],
)
def test_texts_that_do_not_fit_are_refused(
    model: LoadedModel,
    prompts: list[list[int]],
    answers: list[list[int]],
    top_k: int,
    says: str,
) -> None:
    with pytest.raises(InvalidFieldError, match=says):
        model.score(prompts, answers, top_k)
    with pytest.raises((ValueError, OverflowError)):
        model.native.score(prompts, answers, top_k, 1)


def test_the_longest_text_fits(model: LoadedModel) -> None:
    (score,) = model.score([[1] * 60], [[1] * 11])
    assert len(score) == 11
    assert model.score([], []) == []
