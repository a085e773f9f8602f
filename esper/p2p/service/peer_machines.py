"""The machines about peers, as the service holds them."""

from dataclasses import dataclass
from typing import Final

from esper.p2p.peers.book.address_answers import AddressAnswers
from esper.p2p.peers.book.address_book import AddressBook
from esper.p2p.peers.book.address_gossip import AddressGossip
from esper.p2p.peers.book.own_addresses import OwnAddresses
from esper.p2p.peers.netgroup import Localities
from esper.p2p.peers.penalties import Penalties
from esper.p2p.peers.places.dial_plan import DialPlan
from esper.p2p.peers.places.outbound_care import OutboundCare
from esper.p2p.peers.places.slots import Slots

MINUTE_MS: Final = 60_000
"""The book counts in minutes."""


@dataclass(frozen=True, slots=True)
class PeerParts:
    """The machines about peers."""

    book: AddressBook
    slots: Slots
    plan: DialPlan
    penalties: Penalties
    own: OwnAddresses
    gossip: AddressGossip
    answers: AddressAnswers
    care: OutboundCare
    localities: Localities
