"""The serving batch and the scores through Python: as answers are alone."""

from pathlib import Path

import pytest

from esper._native import ServingBatch
from esper.model import load_model
from esper.model.loaded import LoadedModel

GENESIS = Path(__file__).resolve().parents[3] / "genesis" / "model"
PROMPTS = ("Once upon a time", "The dog", "Lily and her mother went to the", "A", "In the garden")


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """The genesis model."""
    return load_model(GENESIS)


def test_answers_of_a_batch_are_those_alone(model: LoadedModel) -> None:
    prompts = [model.encode(text) for text in PROMPTS]
    batch = ServingBatch(model.native, 3, 128, 1)
    told: dict[int, list[tuple[int, list[tuple[int, int]]]]] = {}
    waiting = list(enumerate(prompts))
    ended: set[int] = set()
    while len(ended) < len(prompts):
        if waiting and len(batch) < 3:
            number, prompt = waiting.pop(0)
            batch.add(number, prompt, 8 + number, 4)
        for number, token, top, over in batch.run(5, 60_000):
            told.setdefault(number, []).append((token, top))
            if over:
                ended.add(number)
    for number, prompt in enumerate(prompts):
        ((tokens, tops),) = model.native.generate([prompt], 8 + number, 4, 1)
        assert told[number] == list(zip(tokens, tops, strict=True))
        scores = model.native.score([*prompt, *tokens[:-1]], len(prompt) - 1, 4, 1)
        assert scores == tops


def test_a_fork_and_a_removal(model: LoadedModel) -> None:
    prompt = model.encode(PROMPTS[2])
    batch = ServingBatch(model.native, 2, 64, 1)
    batch.add(1, prompt[:4], 0, 1)
    assert batch.run(9, 60_000) == []
    batch.fork(1, 4, 2, prompt, 5, 1)
    said = []
    while len(batch) > 1:
        said += [token for _, token, _, _ in batch.run(9, 60_000)]
    assert said == model.generate(prompt, 5)
    assert batch.remove(1)
    assert not batch.remove(1)
    assert len(batch) == 0


def test_what_does_not_fit_is_refused(model: LoadedModel) -> None:
    with pytest.raises(ValueError, match="slots must be"):
        ServingBatch(model.native, 0, 64, 1)
    with pytest.raises(ValueError, match="threads must be"):
        ServingBatch(model.native, 1, 64, 0)
    batch = ServingBatch(model.native, 1, 16, 1)
    with pytest.raises(ValueError, match="pass the 16 positions"):
        batch.add(1, [1] * 10, 8, 1)
    with pytest.raises(ValueError, match="not in the batch"):
        batch.fork(3, 1, 1, [1] * 10, 4, 1)
    with pytest.raises(OverflowError):
        batch.add(-1, [1], 1, 1)
    with pytest.raises(ValueError, match="from is 3"):
        model.native.score([1, 2, 3], 3, 4, 1)
