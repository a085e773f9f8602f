"""Who has which chunks: asked of all peers, and again of those that lack what is missing here."""

from collections.abc import Iterator

from esper.p2p.actions import End
from esper.p2p.faults import Offence
from esper.p2p.limits import HOLDINGS_EVERY_MS, NOT_THERE_MS
from esper.p2p.packages import bits
from esper.p2p.packages.board import Board, HoldingsKey
from esper.p2p.packages.download import Download
from esper.p2p.packages.events import Stage
from esper.p2p.packages.sources import Source, View
from esper.p2p.peer import PeerNumber
from esper.p2p.wire.package_messages import GetHoldings, Holdings
from esper.p2p.wire.talk_messages import Refuse

ASKING = frozenset({Stage.LISTING, Stage.CHECKING, Stage.FETCHING})


class WhoHas:
    """Asks peers what they have."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def work(self, now: int) -> None:
        """Ask whom it is time to ask."""
        for download in self._board.by_priority:
            if download.stage not in ASKING:
                continue
            for source in self._board.sources.values():
                view = source.view(download.root)
                if (
                    not view.asking
                    and view.again_at is not None
                    and view.again_at <= now
                    and not source.is_aside(now)
                    and source.asks.take(1, now)
                ):
                    view.asking = True
                    key = HoldingsKey(download.root)
                    self._board.ask(source.peer.number, key, GetHoldings(0, download.root))

    def due(self, now: int) -> Iterator[int]:
        """When somebody is to be asked."""
        for download in self._board.downloads.values():
            if download.stage not in ASKING:
                continue
            for source in self._board.sources.values():
                view = source.view(download.root)
                if not view.asking and view.again_at is not None:
                    yield max(view.again_at, source.aside_until, now + source.asks.wait_ms(1, now))

    def answered(
        self, number: PeerNumber, key: HoldingsKey, answer: Holdings | Refuse, now: int
    ) -> None:
        """What it has, or that it has nothing."""
        download, view = self._board.downloads.get(key.root), self._view(number, key.root)
        if download is None or view is None:
            return
        view.asking = False
        if isinstance(answer, Refuse):
            view.chunks, view.again_at = None, now + NOT_THERE_MS
        else:
            view.chunks, view.count = bits.from_wire(answer.bits), answer.count
            view.again_at = now + HOLDINGS_EVERY_MS
            self._look_at(download, number, view, now)
        download.common = None

    def ended(self, number: PeerNumber, key: HoldingsKey, end: End, now: int) -> None:
        """The request is over without an answer."""
        view = self._view(number, key.root)
        if view is None or not view.asking or end is End.DONE:
            return
        view.asking, view.again_at = False, now
        source = self._board.sources[number]
        if end is End.LATE:
            source.was_late(now)
        else:
            source.was_busy(now)

    def learned(self, download: Download, now: int) -> None:
        """The chunks that are missing became known, or others than before: look at all anew."""
        for number, source in list(self._board.sources.items()):
            view = source.views.get(download.root)
            if view is not None and view.chunks is not None:
                view.again_at = now + HOLDINGS_EVERY_MS
                self._look_at(download, number, view, now)

    def cancelled(self, download: Download) -> None:
        """Nobody wants it any more."""
        for number, source in self._board.sources.items():
            view = source.views.pop(download.root, None)
            if view is not None and view.asking:
                self._board.take_back(number, HoldingsKey(download.root))

    def holders(self, download: Download) -> Iterator[int]:
        """What each peer has."""
        for source in self._board.sources.values():
            if (chunks := chunks_of(source, download)) is not None:
                yield chunks

    def _look_at(self, download: Download, number: PeerNumber, view: View, now: int) -> None:
        if not download.count or view.chunks is None:
            return
        if view.count != download.count:
            # The root commits to the count, so who has the list knows it.
            reason = f"holdings of {view.count} chunks of a package that has {download.count}"
            self._board.blame(number, Offence.SIZE, reason)
            view.chunks = None
        elif not download.lacking & ~view.chunks:
            view.again_at = None

    def _view(self, number: PeerNumber, root: bytes) -> View | None:
        source = self._board.sources.get(number)
        return source.views.get(root) if source is not None else None


def chunks_of(source: Source, download: Download) -> int | None:
    """What a peer has of a package whose list is here; None if it did not say."""
    view = source.views.get(download.root)
    if view is None or view.count != download.count:
        return None
    return view.chunks
