"""What follows from an offence: nothing yet, DROP or BAN. The network page, section 10.

    offence                                   at once    then
    other rules                               DROP       its id stays away for 1 h
    forged, bytes                             BAN
    codec, guard, order, unasked, size        DROP       3 drops a day: BAN
    bad transaction                           10 in 10 min: DROP, counted with those
    late answer (block, sync)                 2 in 10 min: DROP      none while it is our own fault
    late (ping, handshake, send)              for 20 s   3 in 10 min: DROP, likewise
    busy                                      DROP: the caller counted 200 in 10 min

DROP: closed, and the id neither dialled nor let in for 10 min. BAN: the id 24 h, the address (the
/64 of IPv6) 1 h, twice as long each time within a week, at most 24 h. A banned address lets nobody
new *in*; who is connected from there stays, and other ids there may be dialled: they live behind
the same translation. Local addresses are never banned, static peers only dropped.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from esper.p2p.faults import Offence
from esper.p2p.peers.bars import (
    FOR_GOOD_MS,
    LONGEST_MS,
    MOST_REPEATS,
    REMEMBERED_MS,
    Bar,
    Barred,
    Bars,
    BarStatistics,
    as_times_of_day,
    from_times_of_day,
    of_id,
    of_ip,
)
from esper.p2p.peers.netgroup import Localities
from esper.p2p.peers.own_fault import TOGETHER_MS, OwnFault, OwnFaultStatistics

HOUR_MS: Final = 3_600_000
DROP_MS: Final = 600_000
OTHER_RULES_MS: Final = HOUR_MS
BAN_ID_MS: Final = 24 * HOUR_MS
BAN_IP_MS: Final = HOUR_MS
WINDOW_MS: Final = 600_000
"""Of late answers, silence and bad transactions."""
SILENT_MS: Final = 20_000
"""Whoever fell silent may come back so soon: a line that fails for a minute must not keep a node
away from all its peers for ten."""
SILENT_BEFORE_DROP: Final = 3
DROPS_BEFORE_BAN: Final = 3
DROPS_WINDOW_MS: Final = 24 * HOUR_MS
GROUPS_OF_OTHER_RULES: Final = 4
"""Outbound netgroups that break our rules within an hour: rather our release is old."""
MOST_SCORES: Final = 4_096

_IN_A_WINDOW: Final = MappingProxyType({Offence.LATE_ANSWER: 2, Offence.BAD_TX: 10})
_BANNED: Final = frozenset({Offence.FORGED, Offence.BYTES})
_LATE: Final = frozenset({Offence.LATE_ANSWER, Offence.LATE})
_TOWARDS_BAN: Final = frozenset(
    {
        Offence.CODEC,
        Offence.GUARD,
        Offence.ORDER,
        Offence.UNASKED,
        Offence.SIZE,
        Offence.BAD_TX,
    }
)


class Consequence(Enum):
    """What happens to a peer."""

    NONE = "none"
    """It stays."""
    DROP = "drop"
    """Its connection is closed, its id stays away for a while."""
    BAN = "ban"
    """Likewise for a day, its address too where that is somebody's."""


@dataclass(frozen=True, slots=True)
class Offender:
    """A connected peer, as penalties see it."""

    peer_id: bytes
    """38 bytes."""
    ip: bytes
    """16 bytes."""
    group: bytes
    """Its netgroup."""
    outbound: bool
    """Whether we dialled it."""


@dataclass(frozen=True, slots=True)
class PenaltyStatistics:
    """Penalties in numbers."""

    scores: int
    """Ids with offences that are counted."""
    bars: BarStatistics
    """Who is kept away."""
    own_fault: OwnFaultStatistics
    """When nobody is blamed."""


@dataclass(slots=True)
class _Window:
    """Times of offences of one kind: as many as have a consequence at most."""

    times_ms: list[int] = field(default_factory=list)

    def reaches(self, count: int, window_ms: int, now_ms: int) -> bool:
        """Note one more; whether that makes ``count`` within the window. Then it begins anew."""
        self.times_ms = [at for at in self.times_ms if now_ms - at < window_ms]
        self.times_ms.append(now_ms)
        if len(self.times_ms) < count:
            return False
        self.times_ms.clear()
        return True


class Penalties:
    """Turns offences into consequences, and knows who is kept away."""

    def __init__(self, localities: Localities, static_ids: Collection[bytes] = ()) -> None:
        self._localities = localities
        self._static_ids = set(static_ids)
        self._bars = Bars()
        self._own_fault = OwnFault()
        self._scores: OrderedDict[bytes, dict[Offence | None, _Window]] = OrderedDict()
        """By id; None: its drops."""
        self._dropped_late: OrderedDict[bytes, int] = OrderedDict()
        """Ids that were dropped for being late within the last minute."""
        self._other_rules: OrderedDict[bytes, int] = OrderedDict()

    def add_static(self, peer_id: bytes) -> None:
        """The operator names a peer: it is dropped at most from now on."""
        self._static_ids.add(peer_id)

    def remove_static(self, peer_id: bytes) -> None:
        """The operator names a peer no more."""
        self._static_ids.discard(peer_id)

    def asked(self, peer_id: bytes, group: bytes, now_ms: int) -> None:
        """A peer of a netgroup was asked something that has a deadline."""
        self._own_fault.asked(peer_id, group, now_ms)

    def ticked(self, late_ms: int, now_ms: int) -> bool:
        """Our ticker came late; True if deadlines are to begin anew and nobody is scored."""
        if not self._own_fault.ticked(late_ms, now_ms):
            return False
        self._excuse(now_ms)
        return True

    def is_own_fault(self, now_ms: int) -> bool:
        """Whether nobody is scored for being late now: for the status."""
        return self._own_fault.is_ours(now_ms)

    def offended(self, who: Offender, offence: Offence, now_ms: int) -> Consequence:
        """A peer did something; keeps it away if that follows, the caller closes the connection.

        The fault is our own, and nobody else's, if the answer to many LATE is NONE: then deadlines
        begin anew, as ``is_own_fault`` says.
        """
        if offence in _LATE and self._own_fault.late(who.peer_id, who.group, now_ms):
            self._excuse(now_ms)
            return Consequence.NONE
        if offence in _BANNED:
            return self._ban(who, now_ms)
        count = _IN_A_WINDOW.get(offence, 1)
        if count > 1 and not self._window(who.peer_id, offence).reaches(count, WINDOW_MS, now_ms):
            return Consequence.NONE
        if offence in _TOWARDS_BAN:
            drops = self._window(who.peer_id, None)
            if drops.reaches(DROPS_BEFORE_BAN, DROPS_WINDOW_MS, now_ms):
                return self._ban(who, now_ms)
        if offence in _LATE:
            self._note_dropped_late(who.peer_id, now_ms)
        if offence is Offence.OTHER_RULES:
            self._note_other_rules(who, now_ms)
            return self._drop(who, OTHER_RULES_MS, now_ms)
        if offence is Offence.LATE:
            silent = self._window(who.peer_id, offence)
            if not silent.reaches(SILENT_BEFORE_DROP, WINDOW_MS, now_ms):
                return self._drop(who, SILENT_MS, now_ms)
        return self._drop(who, DROP_MS, now_ms)

    def release_may_be_old(self, now_ms: int) -> bool:
        """Whether so many outbound netgroups follow other rules that ours may be outdated."""
        fresh = sum(now_ms - at < HOUR_MS for at in self._other_rules.values())
        return fresh >= GROUPS_OF_OTHER_RULES

    def id_barred_until(self, peer_id: bytes, now_ms: int) -> int | None:
        """Until when an id is neither dialled nor let in, None if it may come."""
        return self._bars.until(of_id(peer_id), now_ms)

    def ip_barred_until(self, ip: bytes, now_ms: int) -> int | None:
        """Until when nobody new is let in from an address, None if they may come."""
        return self._bars.until(of_ip(ip), now_ms)

    def ban_id(self, peer_id: bytes, now_ms: int, lasts_ms: int = FOR_GOOD_MS) -> None:
        """The operator keeps an id away."""
        self._put(of_id(peer_id), Bar.BY_HAND, lasts_ms, now_ms)

    def ban_ip(self, ip: bytes, now_ms: int, lasts_ms: int = FOR_GOOD_MS) -> None:
        """The operator keeps an address, or the /64 of an IPv6 address, away; also a local one."""
        self._put(of_ip(ip), Bar.BY_HAND, lasts_ms, now_ms)

    def lift_id(self, peer_id: bytes) -> bool:
        """Let an id in again and forget its score; whether it was kept away."""
        self._scores.pop(peer_id, None)
        return self._bars.lift(of_id(peer_id))

    def lift_ip(self, ip: bytes) -> bool:
        """Let an address in again; whether it was known."""
        return self._bars.lift(of_ip(ip))

    def barred(self, now_ms: int) -> list[Barred]:
        """All that are kept away now, the longest first."""
        return self._bars.current(now_ms)

    def to_keep(self, now_ms: int, wall_ms: int) -> tuple[Barred, ...]:
        """Bans for the disk, with times of day."""
        return as_times_of_day(self._bars.remembered(now_ms), now_ms, wall_ms)

    def restore(self, bans: Iterable[Barred], now_ms: int, wall_ms: int) -> None:
        """Take back what was kept: of bans of our own none for longer than we ban."""
        for one in from_times_of_day(bans, now_ms, wall_ms):
            if one.bar is Bar.BY_HAND or one.until_ms - now_ms <= LONGEST_MS:
                self._bars.put(one, now_ms)

    def statistics(self) -> PenaltyStatistics:
        """Counts."""
        return PenaltyStatistics(
            len(self._scores), self._bars.statistics(), self._own_fault.statistics()
        )

    def _drop(self, who: Offender, lasts_ms: int, now_ms: int) -> Consequence:
        self._put(of_id(who.peer_id), Bar.DROP, lasts_ms, now_ms)
        return Consequence.DROP

    def _ban(self, who: Offender, now_ms: int) -> Consequence:
        if who.peer_id in self._static_ids:
            return self._drop(who, DROP_MS, now_ms)
        self._put(of_id(who.peer_id), Bar.BAN, BAN_ID_MS, now_ms)
        if not self._localities.spares(who.ip):
            subject = of_ip(who.ip)
            before = self._bars.found(subject)
            repeats = 0
            if (
                before is not None
                and before.bar is Bar.BAN
                and now_ms - before.began_ms < REMEMBERED_MS
            ):
                # Several ids that one block brings down together are one offence.
                still = before.until_ms > now_ms
                repeats = before.repeats if still else min(before.repeats + 1, MOST_REPEATS)
            lasts_ms = min(BAN_IP_MS << min(repeats, 5), LONGEST_MS)
            self._bars.put(Barred(subject, Bar.BAN, now_ms, now_ms + lasts_ms, repeats), now_ms)
        return Consequence.BAN

    def _put(self, subject: bytes, bar: Bar, lasts_ms: int, now_ms: int) -> None:
        self._bars.put(Barred(subject, bar, now_ms, now_ms + lasts_ms), now_ms)

    def _window(self, peer_id: bytes, offence: Offence | None) -> _Window:
        windows = self._scores.setdefault(peer_id, {})
        self._scores.move_to_end(peer_id)
        if len(self._scores) > MOST_SCORES:
            self._scores.popitem(last=False)
        return windows.setdefault(offence, _Window())

    def _excuse(self, now_ms: int) -> None:
        """Take back what was counted for being late in the last minute, and drops for it."""
        for peer_id in self._own_fault.late_since(now_ms):
            windows = self._scores.get(peer_id)
            if windows is not None:
                windows.pop(Offence.LATE_ANSWER, None)
                windows.pop(Offence.LATE, None)
            if self._dropped_late.pop(peer_id, None) is not None:
                self._bars.lift_drop(of_id(peer_id))

    def _note_dropped_late(self, peer_id: bytes, now_ms: int) -> None:
        """Remember whom to let in again if it turns out to be our own fault."""
        for one, at in list(self._dropped_late.items()):
            if now_ms - at < TOGETHER_MS:
                break
            del self._dropped_late[one]
        # What was barred before for something else is not to be lifted.
        if self._bars.until(of_id(peer_id), now_ms) is None:
            self._dropped_late[peer_id] = now_ms

    def _note_other_rules(self, who: Offender, now_ms: int) -> None:
        if who.outbound:
            self._other_rules[who.group] = now_ms
            self._other_rules.move_to_end(who.group)
            if len(self._other_rules) > GROUPS_OF_OTHER_RULES:
                self._other_rules.popitem(last=False)
