"""The packages that this node gives to others, as the requests for them see them: from memory."""

from dataclasses import dataclass

from esper.p2p.limits import DIGEST_BYTES, PACKAGES_OFFERED, PAGE_BYTES
from esper.p2p.packages import bits
from esper.p2p.wire.package_messages import Digests, Holdings


class TooManyOffersError(Exception):
    """More packages are to be offered than may be: their lists lie in memory."""

    def __init__(self) -> None:
        super().__init__(
            f"{PACKAGES_OFFERED} packages are offered to peers, which is the most; "
            "withdraw one first"
        )


@dataclass(slots=True)
class Offer:
    """A package, whole or in part."""

    digests: bytes
    """The whole list; empty where it is not here yet."""
    here: int
    """Chunks that are here: chunk i is bit i."""

    @property
    def count(self) -> int:
        """Chunks of the package."""
        return len(self.digests) // DIGEST_BYTES


class Offers:
    """By root, what is offered."""

    def __init__(self) -> None:
        self._offers: dict[bytes, Offer] = {}

    def put(self, root: bytes, digests: bytes, here: int) -> None:
        """Offer a package, or say anew what is here of it; no digests: nothing is, not even those.

        Raises TooManyOffersError.
        """
        if root not in self._offers and len(self._offers) >= PACKAGES_OFFERED:
            raise TooManyOffersError
        self._offers[root] = Offer(digests, here)

    def withdraw(self, root: bytes) -> None:
        """Offer it no more."""
        self._offers.pop(root, None)

    def gained(self, root: bytes, index: int) -> None:
        """A chunk of it is here now."""
        if root in self._offers:
            self._offers[root].here |= 1 << index

    def lost(self, root: bytes, index: int) -> None:
        """A chunk of it could not be read."""
        if root in self._offers:
            self._offers[root].here &= ~(1 << index)

    @property
    def roots(self) -> tuple[bytes, ...]:
        """What is offered."""
        return tuple(self._offers)

    def has(self, root: bytes, index: int) -> bool:
        """Whether a chunk is here and offered."""
        offer = self._offers.get(root)
        return offer is not None and bool(offer.here >> index & 1)

    def has_page(self, root: bytes, page: int) -> bool:
        """Whether a list has so many pages and is offered."""
        offer = self._offers.get(root)
        return offer is not None and page * PAGE_BYTES < len(offer.digests)

    def page(self, number: int, root: bytes, page: int) -> Digests | None:
        """A page of a list for a request; None if it is not offered."""
        if not self.has_page(root, page):
            return None
        offer = self._offers[root]
        here = offer.digests[page * PAGE_BYTES : (page + 1) * PAGE_BYTES]
        return Digests(number, root, page, offer.count, here)

    def holdings(self, number: int, root: bytes) -> Holdings | None:
        """What is here of a package for a request; None if it is not offered."""
        if not self.has_list(root):
            return None
        offer = self._offers[root]
        return Holdings(number, root, offer.count, bits.to_wire(offer.here, offer.count))

    def has_list(self, root: bytes) -> bool:
        """Whether it is offered and its list of digests is here."""
        return self.has_page(root, 0)

    def __contains__(self, root: object) -> bool:
        """Whether it is offered, as far as it is here."""
        return root in self._offers
