"""Actions that sync alone knows."""

from dataclasses import dataclass

from esper.p2p.actions import Action
from esper.p2p.ports import Job


@dataclass(frozen=True, slots=True)
class Tell:
    """Something for the log, once."""

    words: str
    """A sentence, with cause and remedy."""
    alarming: bool = False
    """Whether it is a warning."""


@dataclass(frozen=True, slots=True)
class SyncedOnce:
    """The node is synced for the first time: from now on it undoes no more than the undo depth.

    To be kept on disk, for ``SyncSettings.was_synced`` of the next start.
    """


@dataclass(frozen=True, slots=True)
class KeepFrom:
    """Undo records and header chains are kept from a height on; None: as usual."""

    height: int | None
    """Of the deepest fork that may still have to be followed."""


SyncAction = Action | Job | Tell | SyncedOnce | KeepFrom
