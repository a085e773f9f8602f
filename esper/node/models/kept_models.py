"""Folders of the models that this node checked: what miners may load. For the event loop alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from esper.model.package.manifest import BANK_FILE
from esper.node.models.wanted import Mined, mined_as
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry


class KeptModels:
    """``entries.places.ModelFolders``; empty until the keeper has looked at the disk."""

    def __init__(self) -> None:
        self._folders: dict[Mined, Path] = {}

    def put(self, mined: Mined, files: Path) -> None:
        """A checked package's model lies there."""
        self._folders[mined] = files

    def refuse(self, mined: Mined) -> None:
        """Nothing that lies here is it any more."""
        self._folders.pop(mined, None)

    def drop(self, files: Path) -> None:
        """What lies there goes."""
        self._folders = {key: path for key, path in self._folders.items() if path != files}

    def folder_of(self, model_id: ModelId) -> Path | None:
        """A folder with the model, whichever bank lies beside it; None if there is none."""
        return next((path for key, path in self._folders.items() if key[0] == model_id), None)

    def bank_of(self, model: ModelEntry) -> Path | None:
        """The file of the entry's bank, None if it does not lie here."""
        folder = self._folders.get(mined_as(model))
        return None if folder is None else folder / BANK_FILE

    def listed(self) -> Mapping[ModelId, Path]:
        """A folder of each model."""
        return {key[0]: path for key, path in self._folders.items()}
