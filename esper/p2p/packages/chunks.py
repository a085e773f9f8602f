"""Chunks: asked of many peers at once, written when they came, asked elsewhere when they do not."""

from collections.abc import Iterator
from dataclasses import dataclass

from esper.p2p.actions import End
from esper.p2p.limits import HOLDINGS_EVERY_MS
from esper.p2p.packages.board import Board, ChunkKey
from esper.p2p.packages.download import Download
from esper.p2p.packages.events import Stage
from esper.p2p.packages.holdings import WhoHas, chunks_of
from esper.p2p.packages.ports import KeepChunk
from esper.p2p.packages.sources import Source
from esper.p2p.peer import PeerNumber
from esper.p2p.verdicts import Failure
from esper.p2p.wire.package_messages import Chunk, GetChunk
from esper.p2p.wire.talk_messages import REFUSED_PRUNED, REFUSED_UNKNOWN, Refuse


@dataclass(frozen=True, slots=True)
class KeepKey:
    """A chunk that is being checked and written."""

    root: bytes
    serial: int
    """Of the download it came for."""
    index: int
    giver: PeerNumber
    outbound: bool
    """Whether its giver is."""
    size: int
    took_ms: int


class Chunks:
    """Asks for chunks and has them written."""

    def __init__(self, board: Board, who_has: WhoHas) -> None:
        self._board = board
        self._who_has = who_has
        self._again_at: list[int] = []

    def work(self, now: int) -> None:
        """Ask for what is missing, the quickest peers first."""
        self._again_at.clear()
        wanted = [one for one in self._board.by_priority if one.stage is Stage.FETCHING]
        if not wanted:
            return
        for source in sorted(self._board.sources.values(), key=lambda one: one.rank):
            while not source.is_aside(now) and source.in_flight < source.window:
                if not self._ask(source, wanted, now):
                    break

    def due(self) -> Iterator[int]:
        """When something is to be done without an event."""
        yield from self._again_at
        for download in self._board.downloads.values():
            if download.stage is not Stage.FETCHING:
                continue
            yield from download.doubles_at()
            for source in self._board.sources.values():
                if chunks_of(source, download) is not None:
                    yield source.aside_until

    def answered(self, number: PeerNumber, key: ChunkKey, answer: Chunk | Refuse, now: int) -> None:
        """A chunk, or that it is not there."""
        download = self._board.downloads.get(key.root)
        asking = download.take_off(key.index, number) if download is not None else None
        if download is None or asking is None:
            return
        source = self._board.sources[number]
        if isinstance(answer, Refuse):
            self._board.did_not_come(source)
            self._refused(download, source, key.index, answer.code, now)
            return
        self._board.arrived(source, len(answer.data))
        for other in list(download.out.get(key.index, ())):
            self._take_back(download, key.index, other.peer)
        download.came(key.index)
        keep = KeepKey(
            key.root,
            download.serial,
            key.index,
            number,
            source.peer.outbound,
            len(answer.data),
            now - asking.since,
        )
        self._board.actions.append(KeepChunk(keep, key.root, key.index, answer.data))

    def ended(self, number: PeerNumber, key: ChunkKey, end: End, now: int) -> None:
        """The request is over without a chunk."""
        download = self._board.downloads.get(key.root)
        if download is None or download.take_off(key.index, number) is None:
            return
        source = self._board.sources[number]
        self._board.did_not_come(source)
        if end is End.LATE:
            source.was_late(now)
            self._board.crowded(now)
        elif end is End.REFUSED:
            source.was_busy(now)

    def kept(self, key: KeepKey, value: object, now: int) -> Failure | None:
        """A chunk was written, or not: what that says of the package, if anything."""
        self._board.written(key.outbound)
        download = self._board.downloads.get(key.root)
        if download is not None and download.serial != key.serial:
            download = None
        failure = value if isinstance(value, Failure) else None
        if download is not None:
            download.wrote(key.index, kept=failure is None)
        if failure is None:
            if download is not None:
                download.pace.note(key.size, now)
            if key.giver in self._board.sources:
                self._board.sources[key.giver].gave(key.took_ms)
        elif failure.offence is not None:
            # Whoever else was asked for it has no part in it.
            self._board.blame(key.giver, failure.offence, failure.reason)
            return None
        return failure if download is not None else None

    def left(self, number: PeerNumber) -> None:
        """Nothing more comes from a peer."""
        for download in self._board.downloads.values():
            for index in list(download.out):
                if download.take_off(index, number) is not None:
                    self._board.did_not_come(self._board.sources[number])

    def cancelled(self, download: Download) -> None:
        """Nobody wants it any more."""
        for index, askings in list(download.out.items()):
            for one in list(askings):
                self._take_back(download, index, one.peer)

    def _ask(self, source: Source, wanted: list[Download], now: int) -> bool:
        number = source.peer.number
        for download in wanted:
            has = chunks_of(source, download)
            if not has:
                continue
            holders = self._who_has.holders(download)
            index = download.next_for(number, has, holders, now, self._board.random)
            if index is None:
                continue
            wait = self._board.take_place(source, now)
            if wait:
                if wait > 0:
                    self._again_at.append(wait)
                return False
            download.ask(index, number, now)
            key = ChunkKey(download.root, index)
            self._board.ask(number, key, GetChunk(0, download.root, index))
            return True
        return False

    def _take_back(self, download: Download, index: int, number: PeerNumber) -> None:
        download.take_off(index, number)
        self._board.did_not_come(self._board.sources[number])
        self._board.take_back(number, ChunkKey(download.root, index))

    def _refused(self, download: Download, source: Source, index: int, code: int, now: int) -> None:
        if code not in (REFUSED_UNKNOWN, REFUSED_PRUNED):
            source.was_busy(now)
            return
        source.broke_claim(download.root, index, now)
        source.view(download.root).again_at = now + HOLDINGS_EVERY_MS
        download.common = None
