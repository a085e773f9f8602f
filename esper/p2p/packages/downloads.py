"""The machine of packages: which are wanted, and what follows from what peers and jobs say.

    fetch ─▶ looking ─▶ listing ─▶ checking ─▶ fetching ─▶ looking ─▶ Fetched
                │ here in part               ▲      │ all is written
                └────────────────────────────┘      └── this disk's trouble: waiting, a minute

A list of digests comes from one peer at a time and is checked whole; a chunk is checked alone. So
whoever gave what is wrong is known, and nobody else is blamed. Silent and slow peers are asked for
less, never blamed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from esper.p2p.actions import End
from esper.p2p.limits import (
    DOWNLOADS,
    PACKAGE_DOWN_PER_S,
    PACKAGE_TROUBLE_MS,
)
from esper.p2p.packages.board import Board, ChunkKey, DigestsKey, HoldingsKey, Key
from esper.p2p.packages.chunks import Chunks, KeepKey
from esper.p2p.packages.download import Download
from esper.p2p.packages.events import Fetched, Hopeless, PackageProgress, Stage
from esper.p2p.packages.holdings import WhoHas, chunks_of
from esper.p2p.packages.lists import Lists
from esper.p2p.packages.ports import FindPackage, Known
from esper.p2p.packages.sources import Source
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.ports import Random
from esper.p2p.verdicts import Failure
from esper.p2p.wire.messages import PackageAnswer
from esper.p2p.wire.talk_messages import Refuse


class TooManyDownloadsError(Exception):
    """More packages are wanted than are fetched at once."""

    def __init__(self) -> None:
        super().__init__(
            f"{DOWNLOADS} packages are being fetched, which is the most; wait for one, or cancel it"
        )


@dataclass(frozen=True, slots=True)
class DownloadStatistics:
    """What the machine holds."""

    downloads: int
    sources: int
    """Peers that may be asked."""
    in_flight: int
    """Chunks that are asked for."""
    held: int
    """Those and chunks that are being written."""
    limit: int
    """How many may be asked for now."""


class Downloads:
    """Packages that this node wants."""

    def __init__(self, random: Random, now: int, down_per_s: int = PACKAGE_DOWN_PER_S) -> None:
        """``down_per_s``: bytes of chunks that all peers together are asked for a second."""
        self._board = Board(random, now, down_per_s)
        self._who_has = WhoHas(self._board)
        self._lists = Lists(self._board)
        self._chunks = Chunks(self._board, self._who_has)
        self._serial = 0
        self._now = now

    def fetch(self, root: bytes, priority: int, now: int) -> Iterable[object]:
        """Want a package; one that is wanted already gets the priority.

        Ends with ``Fetched`` or ``Hopeless``. Raises TooManyDownloadsError.
        """
        download = self._board.downloads.get(root)
        if download is not None:
            download.priority = priority
            return self._acts(now)
        if len(self._board.downloads) >= DOWNLOADS:
            raise TooManyDownloadsError
        self._serial += 1
        download = Download(root, priority, self._serial)
        self._board.downloads[root] = download
        self._look(download)
        return self._acts(now)

    def cancel(self, root: bytes, now: int) -> Iterable[object]:
        """Want it no more; what is here stays."""
        download = self._board.downloads.get(root)
        if download is not None:
            self._drop(download)
        return self._acts(now)

    # As ``Machine``.

    def joined(self, peer: Peer, now: int) -> Iterable[object]:
        """A peer is connected."""
        if peer.chunks:
            lot = self._board.random.random()
            self._board.sources[peer.number] = Source.of(peer, lot, now)
        return self._acts(now)

    def left(self, number: PeerNumber, now: int) -> Iterable[object]:
        """It is gone."""
        if number in self._board.sources:
            self._lists.left(number)
            self._chunks.left(number)
            del self._board.sources[number]
            for download in self._board.downloads.values():
                download.common = None
        return self._acts(now)

    def answered(
        self, number: PeerNumber, key: Key, answer: PackageAnswer | Refuse, now: int
    ) -> Iterable[object]:
        """What was asked for, or that it is not there; requests see to it that it fits."""
        match key:
            case DigestsKey():
                self._lists.answered(number, key, answer, now)  # type: ignore[arg-type]
            case HoldingsKey():
                self._who_has.answered(number, key, answer, now)  # type: ignore[arg-type]
            case ChunkKey():
                self._chunks.answered(number, key, answer, now)  # type: ignore[arg-type]
        return self._acts(now)

    def ended(self, number: PeerNumber, key: Key, end: End, now: int) -> Iterable[object]:
        """Nothing more comes of a request."""
        if end is End.LEFT and number in self._board.sources:
            # Told before ``left``: until then it would be asked again and again.
            self._board.sources[number].ends()
        match key:
            case DigestsKey():
                self._lists.ended(number, key, end, now)
            case HoldingsKey():
                self._who_has.ended(number, key, end, now)
            case ChunkKey():
                self._chunks.ended(number, key, end, now)
        return self._acts(now)

    def done(
        self, key: KeepKey | tuple[bytes, int, PeerNumber | None], value: object, now: int
    ) -> Iterable[object]:
        """A job is done."""
        if isinstance(key, KeepKey):
            failure = self._chunks.kept(key, value, now)
            download = self._board.downloads.get(key.root)
            if failure is not None and download is not None:
                self._failed(download, failure, now)
            elif download is not None and download.is_written and download.stage is Stage.FETCHING:
                self._look(download)
            return self._acts(now)
        root, serial, giver = key
        download = self._board.downloads.get(root)
        current = download is not None and download.serial == serial
        if isinstance(value, Failure):
            if giver is not None and value.offence is not None:
                self._board.blame(giver, value.offence, value.reason)
                if current and download is not None:
                    download.stage = Stage.LISTING
            elif current and download is not None:
                self._failed(download, value, now)
        elif current and download is not None:
            self._found(download, value, now)
        return self._acts(now)

    def chain_changed(self, now: int) -> Iterable[object]:
        """What is wanted is for others to say."""
        return ()

    def on_time(self, now: int) -> Iterable[object]:
        """A timer is due."""
        for download in self._board.downloads.values():
            if download.stage is Stage.WAITING and download.again_at <= now:
                download.kept, download.trouble = 0, ""
                self._look(download)
        return self._acts(now)

    def due(self) -> int | None:
        """When something is to be done without an event, ms; None: never."""
        if not self._board.downloads:
            return None
        # What was due before waits for an event.
        return min((one for one in self._times() if one > self._now), default=None)

    def progress(self, now: int) -> tuple[PackageProgress, ...]:
        """Of all downloads, the most wanted first."""
        return tuple(
            PackageProgress(
                root=one.root,
                stage=one.stage,
                done=one.done,
                total=one.count,
                bytes_per_s=one.pace.bytes_per_s(now),
                peers=sum(
                    bool((chunks_of(source, one) or 0) & one.missing)
                    for source in self._board.sources.values()
                ),
                trouble=one.trouble,
            )
            for one in self._board.by_priority
        )

    def statistics(self) -> DownloadStatistics:
        """Counts."""
        board = self._board
        return DownloadStatistics(
            len(board.downloads), len(board.sources), board.in_flight, board.room.held, board.limit
        )

    def _acts(self, now: int) -> Iterable[object]:
        self._now = now
        self._lists.work(now)
        self._who_has.work(now)
        self._chunks.work(now)
        actions, self._board.actions = self._board.actions, []
        return actions

    def _times(self) -> Iterator[int]:
        yield from self._lists.due()
        yield from self._who_has.due(self._now)
        yield from self._chunks.due()
        for download in self._board.downloads.values():
            if download.stage is Stage.WAITING:
                yield download.again_at

    def _look(self, download: Download) -> None:
        download.stage = Stage.LOOKING
        key = (download.root, download.serial, None)
        self._board.actions.append(FindPackage(key, download.root))

    def _found(self, download: Download, value: object, now: int) -> None:
        if not isinstance(value, Known):
            download.stage = Stage.LISTING
            return
        download.learn(value)
        if not value.missing:
            self._drop(download)
            self._board.actions.append(Fetched(download.root))
            return
        if lost := value.missing & download.kept:
            reason = f"{lost.bit_count()} chunks that were written are not there"
            self._wait(download, reason, now)
            return
        download.stage = Stage.FETCHING
        self._who_has.learned(download, now)

    def _failed(self, download: Download, failure: Failure, now: int) -> None:
        if failure.consequence is None:
            self._wait(download, failure.reason, now)
            return
        self._drop(download)
        self._board.actions.append(Hopeless(download.root, failure.reason))

    def _wait(self, download: Download, reason: str, now: int) -> None:
        self._chunks.cancelled(download)
        download.stage, download.trouble = Stage.WAITING, reason
        download.again_at = now + PACKAGE_TROUBLE_MS

    def _drop(self, download: Download) -> None:
        self._lists.cancelled(download)
        self._chunks.cancelled(download)
        self._who_has.cancelled(download)
        del self._board.downloads[download.root]
