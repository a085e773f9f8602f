"""Texts of models that come, before they are asked for."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from esper.model.errors import MissingFileError
from esper.node.calls.text_keeper import TextKeeper, models_ahead
from esper.node.calls.text_service import ModelText, TextService
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry
from tests.support.node.node_world import PARAMS, SpelledText, go, node_world, rest
from tests.support.node.rotation_world import LIFE, NEW, confirmed_by_genesis

OLD = PARAMS.model


class Reader:
    """Has the tokenizers of some models, and damaged ones of others."""

    def __init__(self, *here: ModelId) -> None:
        self.here = set(here)
        self.damaged: set[ModelId] = set()
        self.asked: list[ModelId] = []

    def __call__(self, model: ModelEntry) -> ModelText | None:
        self.asked.append(model.model_id)
        if model.model_id in self.damaged:
            raise MissingFileError(Path("tokenizer.json"), "fetch the model again")
        if model.model_id not in self.here:
            return None
        text: ModelText = SpelledText()  # type: ignore[assignment]
        return text


def keeping(datadir: Path, reader: Reader) -> TextService:
    """What is known after two tips, of which the second comes when all tokenizers are here."""
    texts = TextService({OLD.model_id: SpelledText()})  # type: ignore[dict-item]

    async def main() -> None:
        async with (
            node_world(datadir, mines=False) as world,
            trio.open_nursery() as nursery,
        ):
            await nursery.start(TextKeeper(texts, world.node.chain, reader).run)
            await rest()
            reader.here.add(NEW.model.model_id)
            await world.others_turn()
            await rest()
            nursery.cancel_scope.cancel()

    go(main)
    return texts


def test_a_scheduled_model_is_known_once_its_files_are_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed_by_genesis(monkeypatch, *LIFE)
    reader = Reader()
    texts = keeping(tmp_path, reader)
    assert texts.knows(NEW.model.model_id)
    # What is known already is never read again.
    assert set(reader.asked) == {NEW.model.model_id}


def test_a_damaged_tokenizer_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    confirmed_by_genesis(monkeypatch, *LIFE)
    reader = Reader()
    reader.damaged.add(NEW.model.model_id)
    assert not keeping(tmp_path, reader).knows(NEW.model.model_id)
    assert reader.asked == [NEW.model.model_id]
    assert caplog.text.count("cannot be read or written here") == 1


def test_models_ahead_are_those_of_the_next_block_and_the_scheduled(tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world:
            chain = world.node.chain.view.context
            assert models_ahead(chain) == (OLD,)
            assert models_ahead(replace(chain, schedule=LIFE)) == (OLD, NEW.model)

    go(main)
