"""The serving batch and traces through Python: as answers are alone."""

import math
from pathlib import Path

import pytest

from esper._native import ServingBatch
from esper.model import load_model
from esper.model.loaded import LoadedModel

GENESIS = Path(__file__).resolve().parents[3] / "genesis" / "model"
PROMPTS = ("Once upon a time", "The dog", "Lily and her mother went to the", "A", "In the garden")
SCALE = 2.0**-26


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """The genesis model."""
    return load_model(GENESIS)


def test_answers_of_a_batch_are_those_alone(model: LoadedModel) -> None:
    prompts = [model.encode(text) for text in PROMPTS]
    batch = ServingBatch(model.native, 3, 128, 1, SCALE)
    told: dict[int, list[tuple[int, int, list[tuple[int, int]]]]] = {}
    waiting = list(enumerate(prompts))
    ended: set[int] = set()
    while len(ended) < len(prompts):
        if waiting and len(batch) < 3:
            number, prompt = waiting.pop(0)
            batch.add(number, prompt, 8 + number, 4)
        for number, token, logit, top, _, over in batch.run(5, 60_000):
            told.setdefault(number, []).append((token, logit, top))
            if over:
                ended.add(number)
    for number, prompt in enumerate(prompts):
        ((tokens, tops),) = model.native.generate([prompt], 8 + number, 4, 1)
        logits = [top[0][1] for top in tops]
        assert told[number] == list(zip(tokens, logits, tops, strict=True))
        assert model.native.score([prompt], [tokens], 4, 1) == [tops]


def test_logsumexp_gives_probabilities_that_add_up(model: LoadedModel) -> None:
    prompt = model.encode(PROMPTS[0])
    batch = ServingBatch(model.native, 1, 64, 1, SCALE)
    batch.add(1, prompt, 1, 20)
    ((_, _, _, top, logsumexp, _),) = batch.run(9, 60_000)
    logits = model.logits(prompt)[-1]
    exact = math.log(sum(math.exp((int(one) - int(logits.max())) * SCALE) for one in logits))
    assert logsumexp == pytest.approx(exact + int(logits.max()) * SCALE)
    assert sum(math.exp(logit * SCALE - logsumexp) for _, logit in top) < 1


def test_a_group_and_a_removal(model: LoadedModel) -> None:
    prompt = model.encode(PROMPTS[2])
    batch = ServingBatch(model.native, 2, 64, 1, SCALE)
    assert batch.add(1, prompt, 5, 0, "ours") == 0
    said = []
    while len(batch):
        said += [token for _, token, *_ in batch.run(9, 60_000)]
    assert said == model.generate(prompt, 5)
    assert batch.add(2, prompt, 5, 0, "theirs") == 0
    assert batch.add(1, prompt, 5, 0, "ours") == len(prompt) - 1
    assert batch.remove(1)
    assert not batch.remove(1)
    assert len(batch) == 1


def test_two_groups_share_what_is_public_and_nothing_beyond(model: LoadedModel) -> None:
    prompt = model.encode(PROMPTS[2])
    batch = ServingBatch(model.native, 3, 64, 1, SCALE)
    shared = []
    for number, (group, public) in enumerate((("ours", 4), ("theirs", 4), ("others", 3), ("", 0))):
        shared.append(batch.add(number, prompt, 5, 0, group, public))
        said = []
        while len(batch):
            said += [token for _, token, *_ in batch.run(9, 60_000)]
        assert said == model.generate(prompt, 5)
    assert len(prompt) > 5
    assert shared == [0, 4, 3, 0]


def test_what_does_not_fit_is_refused(model: LoadedModel) -> None:
    with pytest.raises(ValueError, match="slots must be"):
        ServingBatch(model.native, 0, 64, 1, SCALE)
    with pytest.raises(ValueError, match="threads must be"):
        ServingBatch(model.native, 1, 64, 0, SCALE)
    with pytest.raises(ValueError, match="logit_scale must be"):
        ServingBatch(model.native, 1, 64, 1, math.nan)
    batch = ServingBatch(model.native, 1, 16, 1, SCALE)
    for arguments, says in (
        ((1, [1] * 10, 8), "pass the 16 rows"),
        ((1, [], 8), "is empty"),
        ((1, [1], 0), "max_new must be"),
        ((1, [1024], 1), "token 1024 is not below"),
        ((1, [1], 1, 21), "top_k must be at most 20"),
        ((1, [1], 1, 0, "g" * 65), "group has 65 bytes"),
        ((1, [1], 1, 0, "g", 2), "2 tokens of the prompt cannot be public"),
    ):
        with pytest.raises(ValueError, match=says):
            batch.add(*arguments)
    with pytest.raises(OverflowError):
        batch.add(-1, [1], 1, 1)
    batch.add(1, [1], 4)
    with pytest.raises(ValueError, match="already"):
        batch.add(1, [1], 4)
    with pytest.raises(ValueError, match="all 1 places"):
        batch.add(2, [1], 4)


def test_a_slot_takes_what_its_keys_and_values_take(model: LoadedModel) -> None:
    shape = model.shape
    numbers = shape.layers * shape.kv_heads * (shape.head_dim + -(-shape.head_dim // 16) * 16)
    assert ServingBatch.slot_bytes(model.native, 256) == 256 * numbers * 2


def test_a_trace_has_a_digest_for_each_layer_and_the_logits(model: LoadedModel) -> None:
    tokens = model.encode(PROMPTS[2])
    trace = model.native.trace(tokens, 1)
    assert [len(digests) for digests in trace] == [model.shape.layers + 1] * len(tokens)
    assert {len(digest) for digests in trace for digest in digests} == {32}
    assert model.native.trace(tokens[:3], 2) == trace[:3]
    with pytest.raises(ValueError, match="token 1024"):
        model.native.trace([1024], 1)
