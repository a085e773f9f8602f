"""Answers of a stream: as the native engine gives them alone, whatever comes and goes beside."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as runs
from hypothesis import strategies as st

pytest.importorskip("torch")

from esper.model import LoadedModel
from esper.model.errors import InvalidFieldError
from esper.model.torch_engine.schedule import Finished
from esper.model.torch_engine.stream import AnswerStream
from tests.support.second_verifier import random_model
from tests.support.torch_engine.device_models import device_model

TOP_K = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model")


@pytest.fixture(scope="module")
def native(folder: Path) -> LoadedModel:
    return random_model(folder, 11)


def stream_of(folder: Path, *, rows: int = 32, slots: int = 5) -> AnswerStream:
    return AnswerStream(
        device_model(folder), rows=rows, slots=slots, positions=32, top_k=TOP_K, graphs=False
    )


def check(native: LoadedModel, found: Finished, prompt: list[int], most: int) -> None:
    ((tokens, top),) = native.native.generate([prompt], most, TOP_K, 1)
    assert found.tokens == tuple(tokens)
    assert found.top == tuple(map(tuple, top))


@given(st.data())
@runs(max_examples=8)
def test_any_coming_and_going_gives_the_same_answers(
    folder: Path, native: LoadedModel, data: st.DataObject
) -> None:
    stream = stream_of(folder, slots=data.draw(st.integers(2, 9)))
    asked: dict[int, tuple[list[int], int]] = {}
    found: list[Finished] = []
    for number in range(data.draw(st.integers(1, 8))):
        # The last id is the end token: answers of one token are among them.
        prompt = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=24))
        asked[number] = prompt, data.draw(st.integers(1, 9))
        stream.add(number, *asked[number])
        if data.draw(st.booleans()):
            found += stream.step()
    while len(stream):
        found += stream.step()
    assert sorted(one.number for one in found) == sorted(asked)
    for one in found:
        check(native, one, *asked[one.number])


def test_the_end_token_ends_an_answer(folder: Path, native: LoadedModel) -> None:
    stream = stream_of(folder)
    ending = next(
        prompt
        for prompt in ([one, other] for one in range(41) for other in range(41))
        if len(native.native.generate([prompt], 8, 1, 1)[0][0]) < 8
    )
    [found] = stream.answers([ending], 8)
    assert found.tokens[-1] == native.eos
    check(native, found, ending, 8)


def test_what_was_cleared_leaves_nothing_behind(folder: Path, native: LoadedModel) -> None:
    stream = stream_of(folder)
    for number in range(9):
        stream.add(number, [number, 3, 5], 20)
    stream.step()
    stream.clear()
    assert len(stream) == 0
    assert stream.step() == []
    prompts = [[number, 1] for number in range(9)]
    for prompt, found in zip(prompts, stream.answers(prompts, 6), strict=True):
        check(native, found, prompt, 6)


def test_attention_in_portions_is_that_of_a_piece(
    folder: Path, native: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Five rows of six heads, 32 positions and 6 channels at a time.
    monkeypatch.setattr("esper.model.torch_engine.forward.ATTENTION_BYTES", 5 * 8 * 6 * 32 * 6)
    prompts = [[one, 7, 9] for one in range(12)]
    for prompt, found in zip(prompts, stream_of(folder).answers(prompts, 5), strict=True):
        check(native, found, prompt, 5)


@pytest.mark.parametrize(
    ("prompt", "most"), [([], 1), ([41], 1), ([-1], 1), ([1] * 32, 2), ([1], 0)]
)
def test_what_does_not_fit_is_refused(
    folder: Path, native: LoadedModel, prompt: list[int], most: int
) -> None:
    stream = stream_of(folder)
    with pytest.raises(InvalidFieldError, match="tokens"):
        stream.add(0, prompt, most)
    assert len(stream) == 0


def test_streams_are_refused_that_the_model_does_not_fit(folder: Path, native: LoadedModel) -> None:
    model = device_model(folder)
    for name, positions, top_k in (("positions", 33, 4), ("top_k", 32, 42), ("top_k", 32, 0)):
        with pytest.raises(InvalidFieldError, match=name):
            AnswerStream(model, rows=32, slots=4, positions=positions, top_k=top_k, graphs=False)
