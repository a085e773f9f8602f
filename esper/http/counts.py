"""What a server counts of its connections, for those who watch it."""

from collections import Counter
from types import MappingProxyType
from typing import Final

PLACE: Final = "place"
ADDRESS: Final = "address"
FORM: Final = "form"
_OTHER: Final = "other"

REASONS: Final = MappingProxyType(
    {
        401: "authority",
        403: "origin",
        404: "path",
        405: "method",
        408: "time",
        413: "size",
        415: "type",
        421: "host",
        503: "busy",
    }
)
"""By the status of a refusal."""

ALL_REASONS: Final = (PLACE, ADDRESS, FORM, *REASONS.values(), _OTHER)
"""Words of a fixed list, so that no stranger makes any: no place was free, none for the client's
address, no HTTP that is read here; then why a request was refused."""


class HttpCounts:
    """Numbers of one server. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self.connections = 0
        """Open now."""
        self._refused: Counter[str] = Counter()

    @property
    def refused(self) -> dict[str, int]:
        """Connections and requests that were refused since the start, by all reasons that are."""
        return {reason: self._refused[reason] for reason in ALL_REASONS}

    def refuse(self, reason: str) -> None:
        """One was refused; ``reason`` is one of ALL_REASONS."""
        self._refused[reason] += 1

    def refuse_with(self, status: int) -> None:
        """A request was refused with a status."""
        self.refuse(REASONS.get(status, _OTHER))
