"""Where what the workers of an entry load lies on this machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from esper.node.workers.loadable import Loadable
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry

BANK_FILE: Final = "bank.json"
"""Of a model's own folder: its prompt bank with token ids, as ``read_bank`` takes it."""


class ModelFolders(Protocol):
    """Who knows where models lie. Asked on the event loop, at every template."""

    def folder_of(self, model_id: ModelId) -> Path | None:
        """The folder of a model that may be loaded, None if it does not lie here."""


class NoFolders:
    """No model lies here beside the settings' own."""

    def folder_of(self, model_id: ModelId) -> Path | None:
        """None."""
        del model_id
        return None


@dataclass(frozen=True, slots=True)
class Place:
    """The files of an entry."""

    model: Path
    """Folder of the model."""
    bank: Path
    """File of the prompt bank."""


class EntryPlaces:
    """Files of entries: the genesis model's by the settings, all others by the folders."""

    def __init__(
        self,
        genesis: ModelEntry,
        model: Path,
        bank: Path,
        further: ModelFolders | None = None,
        listed: Callable[[], Mapping[ModelId, Path]] = dict,
        bank_of: Callable[[ModelEntry], Path | None] | None = None,
    ) -> None:
        """``model`` is the folder of the genesis model, ``bank`` the file of its bank.

        ``further`` knows the folders of all others, ``listed`` names them, and ``bank_of`` knows
        the file of a bank by its root; None: each folder has one.
        """
        self._genesis = genesis
        self._model = model
        self._bank = bank
        self._further = further or NoFolders()
        self._listed = listed
        self._bank_of = bank_of or self._bank_in_folder

    def folder_of(self, model_id: ModelId) -> Path | None:
        """The folder of a model, None if it does not lie here."""
        if model_id == self._genesis.model_id:
            return self._model
        return self._further.folder_of(model_id)

    def lying(self) -> dict[ModelId, Path]:
        """Folders of all models that lie here, by their names."""
        own = {self._genesis.model_id: self._model} if self._model.is_dir() else {}
        return {**own, **self._listed()}

    def find(self, entry: Loadable) -> Place | None:
        """Where an entry's files lie, None if they do not lie here.

        A longer bank of the genesis model lies where further models do.
        """
        model = entry.model
        if (model.model_id, model.bank_root) == (self._genesis.model_id, self._genesis.bank_root):
            return Place(self._model, self._bank)
        folder, bank = self.folder_of(model.model_id), self._bank_of(model)
        return None if folder is None or bank is None else Place(folder, bank)

    def _bank_in_folder(self, model: ModelEntry) -> Path | None:
        folder = self._further.folder_of(model.model_id)
        if folder is None or not (folder / BANK_FILE).is_file():
            return None
        return folder / BANK_FILE
