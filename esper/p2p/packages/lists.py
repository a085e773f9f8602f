"""Lists of digests: taken from one peer at a time, since only a whole list can be checked."""

from collections.abc import Iterator

from esper.p2p.actions import End
from esper.p2p.faults import Offence
from esper.p2p.limits import LIST_MS, NOT_THERE_MS
from esper.p2p.packages.board import Board, DigestsKey
from esper.p2p.packages.download import Download, Listing
from esper.p2p.packages.events import Stage
from esper.p2p.packages.ports import BeginPackage
from esper.p2p.packages.sources import Source
from esper.p2p.peer import PeerNumber
from esper.p2p.wire.package_messages import Digests, GetDigests, pages_of
from esper.p2p.wire.talk_messages import Refuse


class Lists:
    """Asks for lists of digests."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def work(self, now: int) -> None:
        """Ask somebody, and somebody else where that takes too long."""
        for download in self._board.downloads.values():
            if download.stage is not Stage.LISTING:
                continue
            listing = download.listing
            if listing is not None and listing.until <= now:
                self._board.take_back(listing.giver, self._next_key(download, listing))
                self._fails(download, self._board.sources[listing.giver], now)
                self._board.sources[listing.giver].was_late(now)
            if download.listing is None:
                self._begin(download, now)

    def due(self) -> Iterator[int]:
        """When something is to be done without an event."""
        for download in self._board.downloads.values():
            if download.stage is not Stage.LISTING:
                continue
            if download.listing is not None:
                yield download.listing.until
                continue
            for source in self._board.sources.values():
                yield max(source.aside_until, source.view(download.root).list_from)

    def answered(
        self, number: PeerNumber, key: DigestsKey, answer: Digests | Refuse, now: int
    ) -> None:
        """A page, or that it is not there."""
        download = self._board.downloads.get(key.root)
        if download is None or download.listing is None or download.listing.giver != number:
            return
        listing, source = download.listing, self._board.sources[number]
        if isinstance(answer, Refuse):
            self._fails(download, source, now)
            return
        if listing.pages and answer.count != listing.count:
            reason = f"a list of {listing.count} digests that has {answer.count} on another page"
            self._board.blame(number, Offence.SIZE, reason)
            self._fails(download, source, now)
            return
        listing.count = answer.count
        listing.pages.append(answer.digests)
        if len(listing.pages) < pages_of(listing.count):
            self._ask(download, listing)
            return
        download.listing, download.stage = None, Stage.CHECKING
        job = BeginPackage(
            (download.root, download.serial, number), download.root, b"".join(listing.pages)
        )
        self._board.actions.append(job)

    def ended(self, number: PeerNumber, key: DigestsKey, end: End, now: int) -> None:
        """A request for a page is over without one."""
        download = self._board.downloads.get(key.root)
        if download is None or download.listing is None or download.listing.giver != number:
            return
        if end is End.DONE:
            return
        source = self._board.sources[number]
        self._fails(download, source, now)
        if end is End.LATE:
            source.was_late(now)
        elif end is End.REFUSED:
            source.was_busy(now)

    def left(self, number: PeerNumber) -> None:
        """Nothing more comes from a peer."""
        for download in self._board.downloads.values():
            if download.listing is not None and download.listing.giver == number:
                download.listing = None

    def cancelled(self, download: Download) -> None:
        """Nobody wants it any more."""
        if download.listing is not None:
            listing = download.listing
            self._board.take_back(listing.giver, self._next_key(download, listing))
            download.listing = None

    def _begin(self, download: Download, now: int) -> None:
        root = download.root
        givers = [
            one
            for one in self._board.sources.values()
            if not one.is_aside(now)
            and one.view(root).list_from <= now
            and one.asks.wait_ms(1, now) == 0
        ]
        if not givers:
            return
        # Who said what it has of the package has its list.
        source = min(givers, key=lambda one: (one.view(root).chunks is None, one.rank))
        source.asks.take(1, now)
        download.listing = Listing(source.peer.number, now + LIST_MS)
        self._ask(download, download.listing)

    def _ask(self, download: Download, listing: Listing) -> None:
        key = self._next_key(download, listing)
        self._board.ask(listing.giver, key, GetDigests(0, key.root, key.page))

    @staticmethod
    def _next_key(download: Download, listing: Listing) -> DigestsKey:
        return DigestsKey(download.root, len(listing.pages))

    @staticmethod
    def _fails(download: Download, source: Source, now: int) -> None:
        download.listing = None
        source.view(download.root).list_from = now + NOT_THERE_MS
