"""Which addresses are ours: configured, or told alike by outbound peers of three netgroups.

Inbound peers are not asked: whoever wants our address wrong could dial us as often as he likes.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from esper.p2p.peers.netgroup import Localities, is_ipv4

GROUPS_THAT_AGREE: Final = 3
MOST_VOTES: Final = 32
"""Netgroups whose word is kept, the last ones."""


@dataclass(frozen=True, slots=True)
class OwnAddressStatistics:
    """Own addresses in numbers."""

    votes: int
    """Netgroups that said how they see us."""
    known: int
    """Addresses that are told to others."""


class OwnAddresses:
    """Collects what outbound peers say that our address is."""

    def __init__(
        self, localities: Localities, port: int, configured: Iterable[tuple[bytes, int]] = ()
    ) -> None:
        self._localities = localities
        self._port = port
        self._configured = tuple(dict.fromkeys(configured))
        self._votes: OrderedDict[tuple[bytes, bool], bytes] = OrderedDict()
        """Address by netgroup and family."""

    def told(self, group: bytes, ip: bytes) -> None:
        """An outbound peer of a netgroup sees us under an address; only its last word counts."""
        if not self._localities.keeps(ip):
            return
        key = (group, is_ipv4(ip))
        self._votes[key] = ip
        self._votes.move_to_end(key)
        if len(self._votes) > MOST_VOTES:
            self._votes.popitem(last=False)

    def known(self) -> tuple[tuple[bytes, int], ...]:
        """Addresses and ports where we can be dialled: at most one a family beside the configured.

        Empty where nobody listens.
        """
        if not self._port:
            return self._configured
        found = list(self._configured)
        for family in (True, False):
            votes = Counter(ip for (_, is_family), ip in self._votes.items() if is_family is family)
            for ip, count in votes.most_common(1):
                if count >= GROUPS_THAT_AGREE and (ip, self._port) not in found:
                    found.append((ip, self._port))
        return tuple(found)

    def statistics(self) -> OwnAddressStatistics:
        """Counts."""
        return OwnAddressStatistics(len(self._votes), len(self.known()))
