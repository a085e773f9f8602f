"""What lies here and is given to whoever asks."""

from __future__ import annotations

from collections.abc import Iterable

from esper.node.models.package_tasks import PackageNetwork
from esper.node.models.told import tell_disk
from esper.p2p.packages.offers import TooManyOffersError


class PackageOffers:
    """Where packages come from and go to, if there is such a place."""

    def __init__(self) -> None:
        self.network: PackageNetwork | None = None
        """None: nothing is fetched or given."""

    async def offer(self, roots: Iterable[bytes]) -> None:
        """As many as there are places for."""
        if self.network is None:
            return
        try:
            for root in roots:
                await self.network.offer(root)
        except (TooManyOffersError, OSError) as error:
            tell_disk(str(error))

    def withdraw(self, root: bytes) -> None:
        """Offer it no more: places for offers are few."""
        if self.network is not None:
            self.network.withdraw(root)
