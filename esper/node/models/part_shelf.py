"""The store as the network fetches for it: no package takes all that packages may take."""

from __future__ import annotations

from typing import Final

from esper.model.package.errors import DiskBudgetError
from esper.model.package.port import CHUNK_BYTES, DIGEST_BYTES
from esper.model.package.store import ModelStore
from esper.p2p.packages.ports import PackageChunks

REMEDY: Final = "raise the budget of models, for one package takes at most a part of it"


class PartShelf:
    """``p2p.packages.ports.PackageShelf``: the store, with a bound on each package."""

    def __init__(self, store: ModelStore, most_bytes: int | None) -> None:
        """``most_bytes``: of one package with its list; None: the store's own bounds alone."""
        self._store = store
        self._most_bytes = most_bytes

    def find(self, root: bytes) -> PackageChunks | None:
        """As the store says."""
        return self._store.find(root)

    def begin(self, root: bytes, digests: bytes) -> PackageChunks:
        """As the store does; what is here goes on. Raises DiskBudgetError before it is begun.

        Else what ``ModelStore.begin`` does.
        """
        needed = len(digests) // DIGEST_BYTES * (CHUNK_BYTES + DIGEST_BYTES)
        most = self._most_bytes
        if most is not None and needed > most and self._store.find(root) is None:
            raise DiskBudgetError(needed, most, REMEDY)
        return self._store.begin(root, digests)
