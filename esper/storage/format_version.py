"""Which format a data directory has: refused if newer, migrated if older.

storage-format    decimal version || blank || 16 hex digits of its checksum || newline
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from esper.primitives.hashing import make_tag, tagged_hash32, u64
from esper.storage.errors import REINDEX, FormatError
from esper.storage.own_file import write_whole
from esper.storage.segments.block_files import BLOCK_FOLDER
from esper.storage.segments.segment_reader import SegmentReader

TAG_FORMAT: Final = make_tag("esper/storage/format/v1")
FIRST_FORMAT: Final = 1
FORMAT: Final = 2
"""2: contexts of blocks hold tiers and schedule."""
FORMAT_FILE: Final = "storage-format"

Migrations = Mapping[int, Callable[[Path], None]]
"""From a version, what turns a data directory into the next version. May be cut short by a crash
and is then run again, so it must bear that."""

MIGRATIONS: Final[Migrations] = {}


class FormatDamagedError(FormatError):
    """The file of the version is unreadable; unlike a newer format, a reindex mends it."""


def read_format(datadir: Path) -> int | None:
    """The version of a data directory, None for one without. Raises FormatDamagedError."""
    path = datadir / FORMAT_FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    digits = text.split(b" ")[0]
    if not digits.isdigit() or len(digits) > 9 or text != _line(int(digits)):
        raise FormatDamagedError(f"{path} is damaged; {REINDEX}")
    return int(digits)


def write_format(datadir: Path, version: int) -> None:
    """Record a version; the file has the old or the new one, whatever happens."""
    path = datadir / FORMAT_FILE
    write_whole(path, _line(version))


def bring_up_to_date(
    datadir: Path, *, newest: int = FORMAT, migrations: Migrations = MIGRATIONS
) -> None:
    """Migrate a data directory step by step; a new one gets the newest format.

    Blocks without a version are of the first format, whose first programs wrote none. Raises
    FormatError for a newer format, one that nothing migrates, or a damaged file.
    """
    version = read_format(datadir)
    if version is None:
        version = FIRST_FORMAT if SegmentReader(datadir / BLOCK_FOLDER).files() else newest
        write_format(datadir, version)
    if version > newest:
        raise FormatError(
            f"{datadir} has storage format {version}, this program knows up to {newest}; "
            "use a newer program"
        )
    while version < newest:
        if version not in migrations:
            raise FormatError(
                f"{datadir} has storage format {version}, which this program cannot migrate to "
                f"{newest}; use an older program or another directory"
            )
        migrations[version](datadir)
        version += 1
        write_format(datadir, version)


def _line(version: int) -> bytes:
    return b"%d %s\n" % (version, tagged_hash32(TAG_FORMAT, u64(version)).hex()[:16].encode())
