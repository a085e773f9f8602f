"""Faults of the node, noted so that neither prompt nor key stands in the log."""

import logging
import secrets
import traceback
from typing import Final

from esper.saying import complain

LOG: Final = logging.getLogger("esper.gateway")


def note_incident(error: BaseException) -> str:
    """Write down where it happened; the word under which it stands there.

    Messages of errors may quote what was asked, so they are left out, as are those of their causes.
    """
    incident = secrets.token_hex(4)
    kinds, places = _kinds_and_places(error)
    complain(
        LOG,
        "gateway_incident",
        "a request failed: incident {incident}, {kinds} at {places}",
        incident=incident,
        kinds=kinds,
        places=places,
    )
    return incident


def fault_of(error: BaseException) -> str:
    """What an error is and where it happened, for a log or an operator: none of its message."""
    return "{} at {}".format(*_kinds_and_places(error))


def _kinds_and_places(error: BaseException) -> tuple[str, str]:
    kinds: list[str] = []
    places: list[str] = []
    found: BaseException | None = error
    while found is not None and len(kinds) < 8:
        kinds.append(type(found).__name__)
        places += [
            f"{frame.filename.rpartition('/esper/')[2]}:{frame.lineno}"
            for frame in traceback.extract_tb(found.__traceback__)[-6:]
        ]
        if isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        else:
            found = found.__cause__ or found.__context__
    return ", ".join(kinds), ", ".join(places)
