"""The notes of a node about models while it runs: what the file says, and what changed since."""

from __future__ import annotations

from pathlib import Path

import trio

from esper.node.models.failures import Failures
from esper.node.models.notebook import Notebook
from esper.node.models.wanted import Note, Verdict
from esper.primitives.ids import Txid


class NoteMemory:
    """Notes by proposal, read once. Belongs to the event loop."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is that of the packages. Raises OSError."""
        self._notebook = Notebook(folder)
        self.notes: dict[Txid, Note] = self._notebook.read()
        """Replaced as a whole, never changed."""
        self._written = dict(self.notes)

    @property
    def listed(self) -> tuple[Note, ...]:
        """All, by number."""
        return tuple(sorted(self.notes.values(), key=lambda note: note.number))

    @property
    def roots(self) -> set[bytes]:
        """Packages that notes name."""
        return {note.root for note in self.notes.values()}

    def of(self, root: bytes) -> list[Note]:
        """Those of a package, by number."""
        return [note for note in self.listed if note.root == root]

    def unjudged(self, root: bytes, failures: Failures) -> Note | None:
        """The first that a package has to be checked for now; those whose vote passed first."""
        ours = (note for note in self.of(root) if note.over is None)
        due = (one for one in ours if one.verdict is Verdict.NONE)
        ordered = sorted(due, key=lambda note: not note.passed)
        return next((one for one in ordered if not failures.rests(one.body)), None)

    async def save(self) -> None:
        """Write what changed. Raises OSError."""
        notes = dict(self.notes)
        if notes != self._written:
            await trio.to_thread.run_sync(self._notebook.write, tuple(notes.values()))
            self._written = notes
