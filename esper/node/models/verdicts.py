"""What a verdict on a package changes: the notes, and what may be loaded."""

from __future__ import annotations

from collections.abc import Sequence

from esper.model.package.errors import UnknownModelError
from esper.model.package.store import ModelStore
from esper.node.models.check_job import CheckResult
from esper.node.models.kept_models import KeptModels
from esper.node.models.note_memory import NoteMemory
from esper.node.models.told import tell_refused, tell_verified
from esper.node.models.wanted import Mined, Note, Verdict, judged
from esper.primitives.ids import Txid
from esper.primitives.model_entry import ModelEntry


class Verdicts:
    """Of this node. Belongs to the event loop."""

    def __init__(
        self, store: ModelStore, kept: KeptModels, memory: NoteMemory, genesis: Mined
    ) -> None:
        self._store = store
        self._kept = kept
        self._memory = memory
        self._genesis = genesis

    def is_ready(self, proposal: Txid) -> bool:
        """Whether the very package that a Model names was checked here, or needs not be.

        Another one of the same model is not what its voters read.
        """
        note = self._memory.notes.get(proposal)
        if note is None:
            return False
        return note.verdict is Verdict.VERIFIED or note.mined == self._genesis

    def take(self, note: Note, result: CheckResult, extends: ModelEntry | None) -> None:
        """What a check found; ``extends`` is the entry that it took it for a longer bank of."""
        words, of = "; ".join(result.findings), b"" if extends is None else extends.bank_root
        if result.refused:
            self.refuse([note], words, of)
            return
        self._memory.notes = judged(self._memory.notes, note, Verdict.VERIFIED, words, of)
        tell_verified(note)
        self.place(note.root)

    def refuse(self, notes: Sequence[Note], words: str, extends: bytes | None = None) -> None:
        """They are not what their proposals say."""
        for note in notes:
            self._memory.notes = judged(self._memory.notes, note, Verdict.REFUSED, words, extends)
            tell_refused(note, words)
            self._kept.refuse(note.mined)
            for other in self._memory.listed:
                # Another proposal of the same model may have been right.
                if other.mined == note.mined:
                    self.place(other.root)

    def place(self, root: bytes) -> None:
        """Let a package that is whole and verified be loaded."""
        try:
            files = self._store.files_of(root)
        except UnknownModelError:
            return
        for note in self._memory.of(root):
            if note.verdict is Verdict.VERIFIED:
                self._kept.put(note.mined, files)
