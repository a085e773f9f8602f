"""What a node knows of peers, in files: read at the start, written while it runs and at its end."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from esper.p2p.peers.address_files import (
    ANCHOR_LIST,
    ANCHORS_FILE,
    BANS,
    BANS_FILE,
    BOOK,
    PEERS_FILE,
    KeptBook,
    anchor_addresses,
    ban_list,
    kept_anchors,
    kept_bans,
    kept_book,
)
from esper.p2p.peers.bars import Barred
from esper.p2p.peers.book.address_table import SECRET_BYTES
from esper.p2p.peers.checked_file import FileKind, read_file, write_file
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.service.peer_machines import PeerParts
from esper.saying import complain, warn
from esper.storage.errors import StorageError

LOG: Final = logging.getLogger("esper.network")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KnownPeers:
    """What a node knew when it ended."""

    book: KeptBook
    """Addresses; empty with a fresh secret if there is no file."""
    anchors: tuple[PeerAddress, ...] = ()
    """Peers to dial first."""
    bans: tuple[Barred, ...] = ()
    """Who is kept away; times of day."""


def read_known_peers(folder: Path, random_bytes: Callable[[int], bytes]) -> KnownPeers:
    """What lies in the data directory. Raises SystemRefusedError."""
    book = _read(folder / PEERS_FILE, BOOK) or KeptBook(random_bytes(SECRET_BYTES), ())
    anchors = _read(folder / ANCHORS_FILE, ANCHOR_LIST)
    bans = _read(folder / BANS_FILE, BANS)
    return KnownPeers(
        book,
        anchor_addresses(anchors) if anchors is not None else (),
        ban_list(bans) if bans is not None else (),
    )


def _read(path: Path, kind: FileKind[T]) -> T | None:
    found = read_file(path, kind)
    if found.told is not None:
        warn(LOG, "peer_file_damaged", "{told}", told=found.told)
    return found.value


class PeerFiles:
    """Writes what is known of peers."""

    def __init__(
        self,
        folder: Path,
        parts: PeerParts,
        steady: Callable[[], int],
        wall: Callable[[], int],
    ) -> None:
        self._folder = folder
        self._parts = parts
        self._steady = steady
        self._wall = wall

    def save(self) -> None:
        """Write all three; a disk that refuses is said, and nothing else follows."""
        parts = self._parts
        bans = kept_bans(parts.penalties.to_keep(self._steady(), self._wall()))
        self._write(PEERS_FILE, BOOK, kept_book(parts.book))
        self._write(ANCHORS_FILE, ANCHOR_LIST, kept_anchors(parts.plan.anchors))
        self._write(BANS_FILE, BANS, bans)

    def _write(self, name: str, kind: FileKind[T], value: T) -> None:
        try:
            write_file(self._folder / name, kind, value)
        except (OSError, StorageError) as error:
            complain(
                LOG,
                "peer_file_failed",
                "{name} could not be written: {reason}",
                name=name,
                reason=str(error),
            )
