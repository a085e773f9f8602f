"""The files of an entry on a worker's machine: those of its node if it has them, else its own copy.

A copy lies under the names of model and bank, which follow from what is in them, and is checked
against these names whenever it is loaded; so a worker that comes later takes nothing again.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from esper.model.g16_parameters import INTEGERS_FILE
from esper.model.tokenizer import TOKENIZER_FILE
from esper.node.workers.farm.driver.begin_records import ChunkHead
from esper.node.workers.loadable import Loadable

BANK_FILE: Final = "bank.json"
FILES: Final = (INTEGERS_FILE, TOKENIZER_FILE, BANK_FILE)
"""What is copied: all that a search and a proof are made from."""
NAME_DIGITS: Final = 64
"""Hex digits of each name in the name of a copy's folder."""


def sources(model: Path, bank: Path) -> tuple[Path, ...]:
    """Where the ``FILES`` lie on the node's machine, in their order."""
    return model / INTEGERS_FILE, model / TOKENIZER_FILE, bank


def cache_folder() -> Path:
    """Where copies lie on this machine."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "esperchain" / "farm"


class CopiedFiles:
    """The copy of one entry's files."""

    def __init__(self, entry: Loadable, cache: Path) -> None:
        model, root = entry.model.model_id, entry.model.bank_root
        name = f"{model.hex()[:NAME_DIGITS]}-{root.hex()[:NAME_DIGITS]}"
        self.folder = cache / name
        """Where it lies once it is whole."""
        self._partial = cache / f"{name}.{os.getpid()}.part"

    @property
    def bank(self) -> Path:
        """The file of the prompt bank."""
        return self.folder / BANK_FILE

    @property
    def is_here(self) -> bool:
        """Whether it lies here, right or wrong."""
        return all((self.folder / name).is_file() for name in FILES)

    def take(self, head: ChunkHead, chunk: bytes) -> None:
        """Write a part of it beside. Raises ValueError for a file of no name, and OSError."""
        if head.file >= len(FILES):
            raise ValueError(f"file {head.file} is none of {len(FILES)}")
        self._partial.mkdir(parents=True, exist_ok=True)
        path = self._partial / FILES[head.file]
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(head.offset)
            file.write(chunk)

    def finish(self) -> None:
        """What was taken is whole: it takes its place, unless another worker's copy has it."""
        if not self._partial.is_dir():
            return
        # A folder with files in it is not replaced: the first of two that are the same stays.
        with suppress(OSError):
            self._partial.rename(self.folder)
        shutil.rmtree(self._partial, ignore_errors=True)

    def discard(self) -> None:
        """It does not hold what its name says: the next one takes its place."""
        shutil.rmtree(self.folder, ignore_errors=True)
