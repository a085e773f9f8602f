"""Packages that a person put here, of models whose proposals this node never saw."""

from __future__ import annotations

from collections.abc import Collection

import trio

from esper.model.errors import ModelError
from esper.model.package.errors import UnknownModelError
from esper.model.package.manifest import BANK_FILE
from esper.model.package.store import KeptPackage, ModelStore
from esper.model.prompts import read_bank
from esper.node.models.kept_models import KeptModels
from esper.node.models.told import tell_unreadable
from esper.node.models.wanted import Mined


class Adopted:
    """Lets be loaded what ``esper model pack --into`` checked and a tier has. Each is read once."""

    def __init__(self, store: ModelStore, kept: KeptModels, genesis: Mined) -> None:
        self._store = store
        self._kept = kept
        self._genesis = genesis
        self._read: set[bytes] = set()

    async def look(
        self, active: Collection[Mined], here: dict[bytes, KeptPackage], noted: Collection[bytes]
    ) -> None:
        """``active`` is what tiers have, ``noted`` are roots that notes name. Raises OSError."""
        models = {model_id for model_id, bank in active if (model_id, bank) != self._genesis}
        for root, one in here.items():
            if one.model_id is None or one.model_id not in models or not one.whole:
                continue
            if root in noted or root in self._read:
                continue
            self._read.add(root)
            try:
                files = self._store.files_of(root)
                bank = await trio.to_thread.run_sync(read_bank, files / BANK_FILE)
            except (ModelError, UnknownModelError) as error:
                tell_unreadable(root, str(error))
                continue
            self._kept.put((one.model_id, bank.root), files)
