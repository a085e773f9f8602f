"""Where entries' files lie, and the processes that load them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.node.entries.crew import ProcessCrew, Threads
from esper.node.entries.places import BANK_FILE, EntryPlaces, Place
from esper.node.workers.loadable import Loadable
from esper.node.workers.threads import ThreadsError
from esper.node.workers.worker_process import EngineChoice, WorkerSettings
from esper.primitives.ids import ModelId
from tests.support.node.rotation_world import NEW_ONE, OLD_ONE

MODEL, BANK = Path("model"), Path("bank.json")


class Folders:
    """One model lies in one folder."""

    def __init__(self, model_id: ModelId, folder: Path) -> None:
        self._model_id = model_id
        self._folder = folder

    def folder_of(self, model_id: ModelId) -> Path | None:
        return self._folder if model_id == self._model_id else None


def test_the_genesis_model_lies_where_the_settings_say() -> None:
    places = EntryPlaces(OLD_ONE.model, MODEL, BANK)
    assert places.find(OLD_ONE) == Place(MODEL, BANK)
    assert places.folder_of(OLD_ONE.model_id) == MODEL
    assert places.find(NEW_ONE) is None
    assert places.folder_of(NEW_ONE.model_id) is None


def test_further_models_lie_in_folders_with_their_banks(tmp_path: Path) -> None:
    folders = Folders(NEW_ONE.model_id, tmp_path)
    places = EntryPlaces(OLD_ONE.model, MODEL, BANK, folders)
    assert places.folder_of(NEW_ONE.model_id) == tmp_path
    assert places.find(NEW_ONE) is None
    (tmp_path / BANK_FILE).touch()
    assert places.find(NEW_ONE) == Place(tmp_path, tmp_path / BANK_FILE)
    assert places.find(OLD_ONE) == Place(MODEL, BANK)


def test_a_longer_bank_of_the_genesis_model_is_another_file(tmp_path: Path) -> None:
    longer = replace(OLD_ONE, model=replace(OLD_ONE.model, bank_root=b"l" * 64))
    assert EntryPlaces(OLD_ONE.model, MODEL, BANK).find(longer) is None
    (tmp_path / BANK_FILE).touch()
    folders = Folders(OLD_ONE.model_id, tmp_path)
    places = EntryPlaces(OLD_ONE.model, MODEL, BANK, folders)
    assert places.find(longer) == Place(MODEL, tmp_path / BANK_FILE)
    assert places.find(OLD_ONE) == Place(MODEL, BANK)
    # Banks may lie by their roots.
    banks = {longer.model.bank_root: tmp_path / "longer"}
    by_root = EntryPlaces(
        OLD_ONE.model, MODEL, BANK, folders, bank_of=lambda model: banks.get(model.bank_root)
    )
    assert by_root.find(longer) == Place(MODEL, tmp_path / "longer")
    assert by_root.find(NEW_ONE) is None


def test_models_that_lie_here(tmp_path: Path) -> None:
    other = ModelId(b"o" * 64)
    places = EntryPlaces(OLD_ONE.model, tmp_path, BANK, listed=lambda: {other: MODEL})
    assert places.lying() == {OLD_ONE.model_id: tmp_path, other: MODEL}
    assert EntryPlaces(OLD_ONE.model, tmp_path / "no", BANK).lying() == {}


def test_processes_are_made_for_their_entry_with_the_threads_of_now() -> None:
    made: list[WorkerSettings] = []

    def make(settings: WorkerSettings) -> Any:
        made.append(settings)
        return settings

    places = EntryPlaces(OLD_ONE.model, MODEL, BANK)
    crew = ProcessCrew("regtest", places, Threads(2, 3), make, make)
    assert (crew.is_here(OLD_ONE), crew.is_here(NEW_ONE)) == (True, False)
    crew.workers(OLD_ONE)
    searching = WorkerSettings("regtest", MODEL, BANK, 2, OLD_ONE)
    assert made == [searching, replace(searching, threads=3), replace(searching, threads=3)]
    made.clear()
    crew.use_threads(None, 5)
    crew.use_threads(4, None)
    crew.workers(OLD_ONE)
    assert [one.threads for one in made] == [4, 5, 5]


def test_a_search_on_a_card_takes_no_threads() -> None:
    made: list[WorkerSettings] = []

    def make(settings: WorkerSettings) -> Any:
        made.append(settings)
        return settings

    places = EntryPlaces(OLD_ONE.model, MODEL, BANK)
    card = EngineChoice("torch", "cuda:1")
    crew = ProcessCrew("regtest", places, Threads(2, 3), make, make, card)
    with pytest.raises(ThreadsError, match=r"a search on cuda:1, which has its own.*--prove"):
        crew.use_threads(4, 5)
    crew.workers(OLD_ONE)
    assert [one.threads for one in made] == [2, 3, 3]
    crew.use_threads(None, 5)
    ProcessCrew(
        "regtest", places, Threads(2, 3), make, make, EngineChoice("torch", "cpu")
    ).use_threads(4, None)


def test_what_workers_load_does_not_depend_on_omega() -> None:
    assert Loadable(OLD_ONE.model, OLD_ONE.puzzle) == OLD_ONE
    assert OLD_ONE.short == f"{OLD_ONE.model_id.hex()[:16]}…"
