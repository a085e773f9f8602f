"""Log lines about packages of models."""

import logging
from typing import Final

from esper.node.models.wanted import Note
from esper.saying import say, warn

LOG: Final = logging.getLogger("esper.models")
SHORT: Final = 16


def short(root: bytes) -> str:
    """A package's name as people are told it."""
    return f"{root.hex()[:SHORT]}…"


def tell_fetching(note: Note) -> None:
    """It is wanted and not here."""
    say(
        LOG,
        "package_wanted",
        "fetching package {short} of the model of proposal {number}",
        short=short(note.root),
        number=note.number,
        root=note.root.hex(),
    )


def tell_verified(note: Note) -> None:
    """The checks passed."""
    say(
        LOG,
        "package_verified",
        "package {short} is what proposal {number} says: its model may be loaded",
        short=short(note.root),
        number=note.number,
        root=note.root.hex(),
    )


def tell_refused(note: Note, words: str) -> None:
    """The checks did not pass, or nobody can fetch it."""
    warn(
        LOG,
        "package_refused",
        "package {short} is not what proposal {number} says, and is not fetched again: {reason}",
        short=short(note.root),
        number=note.number,
        root=note.root.hex(),
        reason=words,
    )


def tell_check_failed(note: Note, reason: str, *, again: bool) -> None:
    """This machine could not check it; ``again``: whether it tries soon."""
    warn(
        LOG,
        "package_unchecked",
        "package {short} of proposal {number} could not be checked here: {reason}; {next}",
        short=short(note.root),
        number=note.number,
        root=note.root.hex(),
        reason=reason,
        next="it is tried again" if again else "it is tried again in an hour",
    )


def tell_stalled(note: Note) -> None:
    """Nobody gives it."""
    say(
        LOG,
        "package_stalled",
        "nothing came of package {short} of proposal {number}: others are fetched first",
        short=short(note.root),
        number=note.number,
        root=note.root.hex(),
    )


def tell_deleted(root: bytes) -> None:
    """No block can be mined with it any more."""
    say(
        LOG,
        "package_deleted",
        "package {short} is needed no more and is deleted",
        short=short(root),
        root=root.hex(),
    )


def tell_disk(reason: str) -> None:
    """The folder of packages cannot be read or written."""
    warn(LOG, "packages_disk", "packages of models cannot be kept now: {reason}", reason=reason)


def tell_unreadable(root: bytes, reason: str) -> None:
    """A package that a person put here has no bank that can be read."""
    warn(
        LOG,
        "package_unreadable",
        "package {short} lies here and cannot be loaded: {reason}",
        short=short(root),
        root=root.hex(),
        reason=reason,
    )
