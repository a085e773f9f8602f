"""Proofs that wait for an own block, a file each, so that no restart forgets them.

    proves/<txid>.prove = the first 16 bytes of SHA3-256(txid ‖ payload), payload
    payload             = record of version 1: the transaction, its groups

A file is there before whoever handed a proof in is told that it waits, and goes when it waits no
more. What is read at a start is checked like anything that is handed in.
"""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esper.consensus.block import MAX_ITEM_BYTES
from esper.primitives.codec import Array, CodecError, Record, VarBytes, decode, encode
from esper.primitives.ids import Txid
from esper.saying import say, warn
from esper.storage.own_file import open_own, write_whole

LOG: Final = logging.getLogger("esper.mining")
FOLDER: Final = "proves"
"""Of a data directory."""
SUFFIX: Final = ".prove"
CHECKSUM_BYTES: Final = 16
MAX_GROUPS: Final = 16
"""Of one transaction; far more than any has."""
MAX_BYTES: Final = 20 << 20
"""Of all files together: more than all that wait may have."""
MOST_FILES: Final = 64
"""That are looked at at a start: twice what may wait."""


@dataclass(frozen=True, slots=True)
class KeptProve:
    """A transaction and its groups, as they were handed in."""

    transaction: bytes
    """Canonical bytes."""
    groups: tuple[bytes, ...]
    """Canonical bytes of each."""


KEPT_PROVE: Final = Record(
    KeptProve,
    1,
    (
        ("transaction", VarBytes(MAX_ITEM_BYTES)),
        ("groups", Array(VarBytes(MAX_ITEM_BYTES), MAX_GROUPS)),
    ),
)


def read_prove(txid: bytes, data: bytes) -> KeptProve:
    """What a file holds. Raises CodecError."""
    payload = data[CHECKSUM_BYTES:]
    if data[:CHECKSUM_BYTES] != _checksum(txid, payload):
        raise CodecError("its checksum is wrong", 0)
    return decode(KEPT_PROVE, payload, limit=MAX_BYTES, what="waiting proof")


def prove_bytes(txid: bytes, kept: KeptProve) -> bytes:
    """What a file holds."""
    payload = encode(KEPT_PROVE, kept)
    return _checksum(txid, payload) + payload


class ProveFiles:
    """The folder. What the system refuses is told, and the proofs wait in memory all the same."""

    def __init__(self, datadir: Path) -> None:
        self._folder = datadir / FOLDER

    def write(self, txid: Txid, kept: KeptProve) -> None:
        """Keep one; it is on disk when this returns, if the system lets it."""
        path = self._path(txid)
        try:
            self._folder.mkdir(exist_ok=True)
            write_whole(path, prove_bytes(txid, kept))
        except OSError as error:
            warn(
                LOG,
                "prove_not_kept",
                "{path} cannot be written: {reason}; a restart would forget this proof, make room "
                "and hand it in again",
                path=str(path),
                reason=error.strerror or str(error),
            )

    def remove(self, txid: Txid) -> None:
        """Forget one, if it is there."""
        path = self._path(txid)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            warn(
                LOG,
                "prove_not_removed",
                "{path} cannot be deleted: {reason}; delete it",
                path=str(path),
                reason=error.strerror or str(error),
            )

    def load(self) -> Iterator[tuple[Txid, KeptProve]]:
        """All that were kept. What cannot be read stays where it is, and is told.

        All may be in memory at once, so their bytes are bounded together.
        """
        room = MAX_BYTES
        try:
            paths = sorted(self._folder.glob(f"*{SUFFIX}"))
        except OSError as error:
            self._left(self._folder, error.strerror or str(error))
            return
        for path in paths[:MOST_FILES]:
            try:
                txid = Txid(bytes.fromhex(path.stem))
                with open_own(path, "rb") as stream:
                    data = stream.read(room + 1)
                if len(data) > room:
                    self._left(path, "it is longer than all that may wait")
                    continue
                room -= len(data)
                yield txid, read_prove(txid, data)
            except OSError as error:
                self._left(path, error.strerror or str(error))
            except ValueError as error:
                self._left(path, str(error))
        if len(paths) > MOST_FILES:
            self._left(self._folder, f"{len(paths) - MOST_FILES} files more than are read")

    def _left(self, path: Path, reason: str) -> None:
        say(
            LOG,
            "prove_left_out",
            "{path} is left out of what waits for a block: {reason}; delete it, and hand the proof "
            "in again",
            path=str(path),
            reason=reason,
        )

    def _path(self, txid: Txid) -> Path:
        return self._folder / (txid.hex() + SUFFIX)


def _checksum(txid: bytes, payload: bytes) -> bytes:
    return hashlib.sha3_256(txid + payload).digest()[:CHECKSUM_BYTES]
