"""Whatever comes, goes and is shared around an answer, it is what it is alone."""

from functools import cache
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from esper._native import ServingBatch
from esper.model import load_model
from esper.model.loaded import LoadedModel

GENESIS = Path(__file__).resolve().parents[3] / "genesis" / "model"
SCALE = 2.0**-26


@cache
def genesis_model() -> LoadedModel:
    """Loaded once."""
    return load_model(GENESIS)


@given(st.data())
def test_any_coming_and_going_gives_the_same_answers(data: st.DataObject) -> None:
    model = genesis_model()
    slots = data.draw(st.integers(1, 6))
    batch = ServingBatch(model.native, slots, 64, 1, SCALE)
    asked: dict[int, tuple[list[int], int]] = {}
    told: dict[int, list[tuple[int, int]]] = {}

    def run(steps: int) -> None:
        for number, token, logit, *_ in batch.run(steps, 60_000):
            told[number].append((token, logit))

    for number in range(data.draw(st.integers(1, 10))):
        match data.draw(st.sampled_from(("add", "add", "remove", "run"))):
            case "add" if len(batch) < slots:
                prompt = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=20))
                most = data.draw(st.integers(1, 12))
                group = data.draw(st.sampled_from(("", "a", "b")))
                public = data.draw(st.integers(0, len(prompt)))
                batch.add(number, prompt, most, data.draw(st.integers(0, 3)), group, public)
                asked[number], told[number] = (prompt, most), []
            case "remove" if asked:
                gone = data.draw(st.sampled_from(sorted(asked)))
                if batch.remove(gone):
                    del asked[gone]
            case _:
                run(data.draw(st.integers(1, 6)))
    while len(batch):
        run(100)
    for number, (prompt, most) in asked.items():
        ((tokens, tops),) = model.native.generate([prompt], most, 1, 1)
        assert told[number] == [(one, top[0][1]) for one, top in zip(tokens, tops, strict=True)]
