"""Proven blocks beside the chain, a file each, so that no branch is lost to a crash.

A block that is not on top of the tip waits here, and so do the blocks that a change of chain takes
off, from before the first is taken off until the branch is forgotten.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from esper.consensus.chain import BlockBytes
from esper.primitives.codec import CodecError, Record, VarBytes, decode, encode
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import BlockId
from esper.storage.errors import StorageError
from esper.storage.own_file import write_whole
from esper.storage.segments.segment_reader import MAX_RECORD_BYTES

SIDE_FOLDER: Final = "side"
FAR_FOLDER: Final = "far"
"""Of blocks whose branch leaves the chain deeper than that goes back by itself."""
SUFFIX: Final = ".block"
CHECKSUM_BYTES: Final = 16


class SideBlockError(StorageError):
    """A damaged file; deleting it loses one block of a branch, which peers have."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; delete the file")
        self.path = path
        """Of the block."""
        self.reason = reason
        """What is wrong with it."""


_BLOCK: Final = Record(
    BlockBytes,
    1,
    (
        ("header", VarBytes(MAX_RECORD_BYTES)),
        ("body", VarBytes(MAX_RECORD_BYTES)),
        ("proof", VarBytes(MAX_RECORD_BYTES)),
    ),
)


class SideBlocks:
    """The blocks beside the chain of a data directory."""

    def __init__(self, datadir: Path, folder: str = SIDE_FOLDER) -> None:
        self._folder = datadir / folder

    def __contains__(self, block_id: BlockId) -> bool:
        """Whether a block is kept, sound or not."""
        return self._path(block_id).exists()

    def size(self, block_id: BlockId) -> int:
        """Bytes that a block takes, 0 if it is not there."""
        try:
            return self._path(block_id).stat().st_size
        except FileNotFoundError:
            return 0

    def put(self, block_id: BlockId, block: BlockBytes) -> None:
        """Keep a block; it is on disk when this returns. Raises OSError."""
        self._folder.mkdir(exist_ok=True)
        payload = encode(_BLOCK, block)
        path = self._path(block_id)
        write_whole(path, _checksum(block_id, payload) + payload)

    def get(self, block_id: BlockId) -> BlockBytes:
        """A block. Raises SideBlockError, also if it is not there."""
        path = self._path(block_id)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise SideBlockError(path, "is missing") from None
        if data[:CHECKSUM_BYTES] != _checksum(block_id, data[CHECKSUM_BYTES:]):
            raise SideBlockError(path, "its checksum is wrong")
        try:
            return decode(_BLOCK, data[CHECKSUM_BYTES:], limit=len(data), what="block")
        except CodecError as error:
            raise SideBlockError(path, str(error)) from error

    def remove(self, block_id: BlockId) -> None:
        """Forget a block, if it is there."""
        self._path(block_id).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[BlockId]:
        """Ids of all blocks. Unfinished files, which a crash left, are deleted."""
        for path in sorted(self._folder.iterdir()) if self._folder.exists() else ():
            if path.suffix != SUFFIX:
                path.unlink()
                continue
            try:
                block_id = bytes.fromhex(path.stem)
            except ValueError:
                raise SideBlockError(path, "is no block's file") from None
            if len(block_id) != HASH_BYTES:
                raise SideBlockError(path, "is no block's file")
            yield BlockId(block_id)

    def _path(self, block_id: BlockId) -> Path:
        return self._folder / (block_id.hex() + SUFFIX)


def _checksum(block_id: BlockId, payload: bytes) -> bytes:
    return hashlib.sha3_256(block_id + payload).digest()[:CHECKSUM_BYTES]
