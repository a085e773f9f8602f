"""Which file of a LevelDB folder is damaged: LevelDB tells that one is, never which.

Runs after LevelDB has refused a read, or when everything is checked, so it may be slow (a few
MB/s). It also sees damage that LevelDB passes over: in filling, and in blocks it has no use for.
It follows LevelDB's formats:

- a log or manifest is blocks of 32 KiB of records: masked CRC-32C u32, length u16, type u8, data;
  all little-endian; the checksum covers type and data; fewer than 7 bytes left are zeros
- a table ends with a footer of 48 bytes: two block handles (offset and size as varints), zeros,
  magic; a block is followed by its type u8 and the masked CRC-32C of both
"""

from collections.abc import Collection
from pathlib import Path
from typing import Final

LOG_BLOCK: Final = 32 << 10
LOG_HEAD: Final = 7
FOOTER_BYTES: Final = 48
TRAILER_BYTES: Final = 5
MAX_SHIFT: Final = 63
"""Of the last byte of a number, which has 64 bits at most."""
TABLE_MAGIC: Final = bytes.fromhex("57fb808b247547db")
_POLYNOMIAL: Final = 0x82F63B78
_MASK_DELTA: Final = 0xA282EAD8


class _LongVarintError(Exception):
    """A number in more bytes than LevelDB writes."""


def _table() -> tuple[int, ...]:
    entries = []
    for entry in range(256):
        for _ in range(8):
            entry = entry >> 1 ^ (_POLYNOMIAL if entry & 1 else 0)
        entries.append(entry)
    return tuple(entries)


_CRC: Final = _table()


def masked_crc(data: bytes) -> int:
    """LevelDB's checksum: CRC-32C, rotated right by 15 bits, plus a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def damaged_file(
    folder: Path, *, entries: bool = True, tables: Collection[int] | None = None
) -> Path | None:
    """The first file whose checksums fail, CURRENT if it names no manifest; None if none is.

    Without ``entries`` the blocks of a table that hold keys and values are left out: LevelDB checks
    those itself when it reads them, and much faster. With ``tables``, the numbers of those in use,
    other tables are left out: an open store may be writing or deleting them at this moment.
    """
    current = folder / "CURRENT"
    if not current.exists():
        return None
    named = current.read_bytes()
    if not named.endswith(b"\n") or not named.startswith(b"MANIFEST-"):
        return current
    if not named[9:-1].isdigit() or not (folder / named[:-1].decode("ascii")).exists():
        return current
    for path in sorted(folder.iterdir()):
        if path.name.startswith("MANIFEST-") or path.suffix == ".log":
            sound = _log_is_sound(_bytes_if_there(path))
        elif path.suffix in (".ldb", ".sst") and path.stem.isascii() and path.stem.isdecimal():
            if tables is not None and int(path.stem) not in tables:
                continue
            data = _bytes_if_there(path)
            sound = _table_is_sound(data, entries=entries) or not path.exists()
        else:
            continue
        if not sound:
            return path
    return None


def _bytes_if_there(path: Path) -> bytes:
    """Nothing for a file that a compaction has deleted since the folder was listed."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _log_is_sound(data: bytes) -> bool:
    for start in range(0, len(data), LOG_BLOCK):
        block = data[start : start + LOG_BLOCK]
        at = 0
        while at + LOG_HEAD <= len(block):
            length = int.from_bytes(block[at + 4 : at + 6], "little")
            body = block[at + 6 : at + LOG_HEAD + length]
            if block[at : at + LOG_HEAD] == bytes(LOG_HEAD):
                break
            if len(body) < length + 1:
                return False
            if masked_crc(body) != int.from_bytes(block[at : at + 4], "little"):
                return False
            at += LOG_HEAD + length
        if any(block[at:]):
            return False
    return True


def _table_is_sound(data: bytes, *, entries: bool) -> bool:
    footer = data[-FOOTER_BYTES:]
    if len(footer) < FOOTER_BYTES or footer[-len(TABLE_MAGIC) :] != TABLE_MAGIC:
        return False
    try:
        meta, at = _handle(footer, 0)
        index, at = _handle(footer, at)
        if any(footer[at : -len(TABLE_MAGIC)]):
            return False
        handles = [meta, index]
        if entries:
            for offset, size in (meta, index):
                handles += _entries(data[offset : offset + size])
    except (IndexError, _LongVarintError):
        return False
    # Blocks lie behind each other: where they overlap, each would be looked at many times.
    places = sorted(handles)
    ends = [offset + size + TRAILER_BYTES for offset, size in places]
    if any(end > place[0] for end, place in zip(ends, places[1:], strict=False)):
        return False
    return all(_block_is_sound(data, offset, size) for offset, size in places)


def _block_is_sound(data: bytes, offset: int, size: int) -> bool:
    end = offset + size + TRAILER_BYTES
    if end > len(data):
        return False
    return masked_crc(data[offset : end - 4]) == int.from_bytes(data[end - 4 : end], "little")


def _entries(block: bytes) -> list[tuple[int, int]]:
    """The block handles that an index block holds. Raises IndexError, _LongVarintError."""
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (restarts + 1)
    handles = []
    at = 0
    while at < end:
        _, at = _varint(block, at)
        unshared, at = _varint(block, at)
        size, at = _varint(block, at)
        at += unshared
        handles.append(_handle(block, at)[0])
        at += size
    return handles


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return (offset, size), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 0x80:
        if shift > MAX_SHIFT:
            raise _LongVarintError
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    if shift and not data[at]:
        raise _LongVarintError
    return value | data[at] << shift, at + 1
