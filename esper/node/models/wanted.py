"""Which packages a node needs, and until when: one pure function of the chain and of its notes.

    noted      a Model from its opening: later the chain no longer says which package it named
    fetched    from the close of its vote while it is live, and, if its vote was seen to pass, while
               a tier may be mined with it: whoever proposes what a tier has makes nobody fetch
    deleted    the undo depth after it was needed last, so that no branch can ask for it again;
               refused ones at once

The state of a block names a replaced model as its tier's previous one until A + R; a package goes
at A + R + undo depth, and that of a proposal that ended at its end + undo depth.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from esper.dao.bodies import ModelBody
from esper.primitives.ids import ModelId, Txid
from esper.primitives.model_entry import ModelEntry


class Verdict(StrEnum):
    """What the checks of this node said."""

    NONE = "none"
    """They have not been made."""
    VERIFIED = "verified"
    REFUSED = "refused"


Mined = tuple[ModelId, bytes]
"""What a tier has: the model's id and the root of its prompt bank."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A Model that is live."""

    id: Txid
    number: int
    """As people name it."""
    body: ModelBody
    """As the state keeps it: without descriptor."""
    is_final: bool
    """Whether its vote has closed, and it won."""
    extends: bytes = b""
    """Bank root of the tier's own entry that it gives a longer bank to; empty if it does not."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a node remembers of a Model that it saw."""

    proposal: Txid
    number: int
    body: ModelBody
    """As the state kept it."""
    over: int | None = None
    """Height of the first tip that needed it no more; None while it is needed."""
    verdict: Verdict = Verdict.NONE
    words: str = ""
    """Of the verdict, for people."""
    passed: bool = True
    """Whether its vote was seen to pass."""
    extends: bytes | None = None
    """What the checks took it for: the bank root that it extends, empty if it extends none; None
    where they said nothing."""

    @property
    def root(self) -> bytes:
        """64 bytes: its package."""
        return self.body.package

    @property
    def mined(self) -> Mined:
        """What a tier has of it once it is active."""
        return mined_as(self.body.entry)

    def until(self, undo_depth: int) -> int | None:
        """Height at which it is forgotten; None while no end is known."""
        return None if self.over is None else self.over + undo_depth


Notes = Mapping[Txid, Note]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What follows from a tip."""

    notes: dict[Txid, Note]
    """All that is remembered from now on."""
    fetch: tuple[Note, ...]
    """Whose package has to be here, the first of each root, in the order of their numbers."""
    check: tuple[Note, ...]
    """Needed and without a verdict: to be checked once their package is here, in the order of
    their numbers, those whose vote passed first."""
    delete: tuple[bytes, ...]
    """Roots that lie here and that nothing needs any more; those without a note stay."""


def mined_as(entry: ModelEntry) -> Mined:
    """What a tier has of an entry."""
    return entry.model_id, entry.bank_root


def wanted(
    notes: Notes,
    live: Iterable[Proposed],
    mined: Collection[ModelEntry],
    here: Collection[bytes],
    *,
    height: int,
    undo_depth: int,
    genesis: Mined,
) -> Wanted:
    """What to keep at the tip of ``height``.

    ``live`` are the Models under way and ``mined`` the entries that tiers have as own or previous,
    both as the state of the tip says; ``here`` are roots that lie on the disk, whole or in part.
    The ``genesis`` model comes with the program.
    """
    live = tuple(live)
    followed = dict(notes)
    for one in live:
        note = followed.get(one.id) or _noted(one, notes)
        followed[one.id] = _at_the_tip(note, one, mined)
    by_id = {one.id: one for one in live}
    final = {one.id for one in live if one.is_final}
    kept: dict[Txid, Note] = {}
    for key, note in followed.items():
        needed = key in by_id or (note.verdict is not Verdict.REFUSED and _is_mined(note, mined))
        over = None if needed else height if note.over is None else note.over
        if over is None or height < over + undo_depth:
            kept[key] = replace(note, over=over)
    needed_now = sorted(
        (note for note in kept.values() if _is_needed(note)), key=lambda note: note.number
    )
    fetch: dict[bytes, Note] = {}
    for note in needed_now:
        if note.mined != genesis and (note.proposal in final or _is_mined(note, mined)):
            fetch.setdefault(note.root, note)
    left = {note.root for note in kept.values() if note.verdict is not Verdict.REFUSED}
    known = {note.root for note in followed.values()}
    return Wanted(
        notes=kept,
        fetch=tuple(fetch.values()),
        check=tuple(
            note
            for note in sorted(needed_now, key=lambda note: not note.passed)
            if note.verdict is Verdict.NONE
        ),
        delete=tuple(sorted(root for root in here if root in known and root not in left)),
    )


def judged(
    notes: Notes, judged_note: Note, verdict: Verdict, words: str, extends: bytes | None = None
) -> dict[Txid, Note]:
    """The notes after a check: what says the same of the same package has the same verdict.

    ``extends`` is what the check took it for; None where it did not matter.
    """
    return {
        key: replace(note, verdict=verdict, words=words, extends=extends)
        if note.body == judged_note.body
        else note
        for key, note in notes.items()
    }


def _noted(one: Proposed, notes: Notes) -> Note:
    """A new note. One that was judged under another number is not judged again."""
    alike = (note for note in notes.values() if note.body == one.body)
    old = next((note for note in alike if note.verdict is not Verdict.NONE), None)
    if old is None:
        return Note(one.id, one.number, one.body)
    return replace(old, proposal=one.id, number=one.number, over=None)


def _at_the_tip(note: Note, one: Proposed, mined: Collection[ModelEntry]) -> Note:
    """What is live says anew whether its vote passed, and which bank it makes longer.

    A verdict on another extension is none. Once it acts it extends nothing, and was judged.
    """
    note = replace(note, passed=one.is_final)
    is_other = note.extends is not None and note.extends != one.extends
    if not is_other or one.body.entry in mined:
        return note
    return replace(note, verdict=Verdict.NONE, words="", extends=None)


def _is_mined(note: Note, mined: Collection[ModelEntry]) -> bool:
    """Whether a tier has it by its vote: the whole entry, for a name of it may be borrowed."""
    return note.passed and note.body.entry in mined


def _is_needed(note: Note) -> bool:
    return note.over is None and note.verdict is not Verdict.REFUSED
