"""Whether it is we who are slow: then nobody is blamed for being late.

The network page, section 5: half of those who were asked are late within a minute, or our own
ticker comes more than 5 s late, as after SIGSTOP or a laptop's sleep. Netgroups are counted, not
ids: one owner of many addresses could otherwise be late with all of them and excuse everybody.
"""

from dataclasses import dataclass
from typing import Final

TOGETHER_MS: Final = 60_000
TICKER_LATE_MS: Final = 5_000
GRACE_MS: Final = 20_000
"""How long nobody is scored afterwards: deadlines begin anew, the longest common one is this."""
LATE_AT_LEAST: Final = 2
"""Of several that were asked: one that is late may well be its own fault, half of two or not."""
MOST_IDS: Final = 1_024


@dataclass(frozen=True, slots=True)
class OwnFaultStatistics:
    """Our own fault in numbers."""

    asked: int
    """Ids that were asked something in the last minute, as of the last look."""
    late: int
    """Those of them that were late."""
    times: int
    """How often it was our own fault."""


@dataclass(frozen=True, slots=True)
class _Noted:
    at_ms: int
    group: bytes


class OwnFault:
    """Counts who was asked and who was late within a minute."""

    def __init__(self) -> None:
        self._asked: dict[bytes, _Noted] = {}
        self._late: dict[bytes, _Noted] = {}
        self._until_ms: int | None = None
        self._times = 0

    def asked(self, peer_id: bytes, group: bytes, now_ms: int) -> None:
        """A peer of a netgroup was asked something that has a deadline."""
        _note(self._asked, peer_id, group, now_ms)

    def late(self, peer_id: bytes, group: bytes, now_ms: int) -> bool:
        """A peer was late; whether that is our own fault."""
        _note(self._asked, peer_id, group, now_ms)
        _note(self._late, peer_id, group, now_ms)
        if self.is_ours(now_ms):
            return True
        asked, late = _groups(self._asked, now_ms), _groups(self._late, now_ms)
        if 2 * late >= asked and late >= min(asked, LATE_AT_LEAST):
            self._begin(now_ms)
            return True
        return False

    def ticked(self, late_ms: int, now_ms: int) -> bool:
        """Our ticker came so much later than it should; whether that is our own fault."""
        if late_ms <= TICKER_LATE_MS:
            return False
        self._begin(now_ms)
        return True

    def is_ours(self, now_ms: int) -> bool:
        """Whether nobody is scored for being late now."""
        return self._until_ms is not None and now_ms < self._until_ms

    def late_since(self, now_ms: int) -> list[bytes]:
        """Who was late within the last minute, and is excused too."""
        return [peer_id for peer_id, one in self._late.items() if now_ms - one.at_ms < TOGETHER_MS]

    def statistics(self) -> OwnFaultStatistics:
        """Counts."""
        return OwnFaultStatistics(len(self._asked), len(self._late), self._times)

    def _begin(self, now_ms: int) -> None:
        if not self.is_ours(now_ms):
            self._times += 1
        self._until_ms = now_ms + GRACE_MS


def _note(when: dict[bytes, _Noted], peer_id: bytes, group: bytes, now_ms: int) -> None:
    when.pop(peer_id, None)
    when[peer_id] = _Noted(now_ms, group)
    if len(when) > MOST_IDS:
        del when[next(iter(when))]


def _groups(when: dict[bytes, _Noted], now_ms: int) -> int:
    """Forget what is older than a minute; of how many netgroups the rest are."""
    while when and now_ms - when[next(iter(when))].at_ms >= TOGETHER_MS:
        del when[next(iter(when))]
    return len({one.group for one in when.values()})
