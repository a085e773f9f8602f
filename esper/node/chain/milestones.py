"""What a node must know of its chain after a restart, beside the chain itself.

chain-milestones    record || first 16 bytes of its tagged hash
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from esper.primitives.codec import (
    Array,
    CodecError,
    FixedBytes,
    Record,
    Unsigned,
    VarBytes,
    decode,
    encode,
)
from esper.primitives.errors.chain_errors import TooDeepReorganisation
from esper.primitives.hashing import HASH_BYTES, make_tag, tagged_hash32
from esper.primitives.ids import BlockId
from esper.saying import complain, warn
from esper.storage.own_file import write_whole

LOG: Final = logging.getLogger("esper.chain")
MILESTONE_FILE: Final = "chain-milestones"
"""In the data directory; belongs to the chain that lies there."""
TAG: Final = make_tag("esper/node/milestones/v1")
CHECKSUM_BYTES: Final = 16
MOST_BYTES: Final = 4096
HALTED_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Milestones:
    """What was reached."""

    synced: bool = False
    """Whether the chain was current once."""
    halted: str = ""
    """Why it follows the best branch no more; empty if it does."""
    back_to: BlockId | None = None
    """64 bytes: the block that the next start goes back to, however deep it lies."""


@dataclass(frozen=True, slots=True)
class _Stored:
    synced: int
    halted: bytes
    back_to: tuple[bytes, ...]


_RECORD: Final = Record(
    _Stored,
    1,
    (
        ("synced", Unsigned(1)),
        ("halted", VarBytes(HALTED_BYTES)),
        ("back_to", Array(FixedBytes(HASH_BYTES), 1)),
    ),
)


class MilestoneFile:
    """The milestones of a data directory."""

    def __init__(self, datadir: Path) -> None:
        self._path = datadir / MILESTONE_FILE

    def load(self) -> Milestones:
        """What was reached. A damaged file is set aside and said: nothing is known then."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return Milestones()
        payload = data[:-CHECKSUM_BYTES]
        try:
            if len(data) > MOST_BYTES or data[len(payload) :] != _checksum(payload):
                raise CodecError("its checksum is wrong", 0)
            stored = decode(_RECORD, payload, limit=MOST_BYTES, what="milestones")
            back_to = BlockId(stored.back_to[0]) if stored.back_to else None
            return Milestones(bool(stored.synced), stored.halted.decode(), back_to)
        except (CodecError, UnicodeDecodeError) as error:
            aside = self._path.with_suffix(".damaged")
            self._path.replace(aside)
            warn(
                LOG,
                "milestones_damaged",
                "{path} is damaged and set aside as {aside}: {reason}; the chain counts as never "
                "having been current",
                path=str(self._path),
                aside=aside.name,
                reason=str(error),
            )
            return Milestones()

    def save(self, milestones: Milestones) -> None:
        """Keep them; on disk when this returns, whole or as before. Raises OSError."""
        halted = milestones.halted.encode()[:HALTED_BYTES].decode(errors="ignore").encode()
        back_to = () if milestones.back_to is None else (milestones.back_to,)
        payload = encode(_RECORD, _Stored(int(milestones.synced), halted, back_to))
        write_whole(self._path, payload + _checksum(payload))


class Reached:
    """The milestones of a running node: what is known holds, whether or not it can be kept."""

    def __init__(self, file: MilestoneFile | None) -> None:
        """``file`` keeps what must outlive a restart; None: nothing does."""
        self._file = file
        self.milestones = file.load() if file is not None else Milestones()
        """As of now."""

    def reach(self, milestones: Milestones) -> None:
        """Keep them in the place of those of now."""
        self.milestones = milestones
        if self._file is not None:
            try:
                self._file.save(milestones)
            except OSError as error:
                # What is known now holds all the same until this process ends.
                complain(
                    LOG,
                    "milestone_lost",
                    "what this chain has reached could not be written down: {reason}",
                    reason=str(error),
                )

    def halt(self, violation: TooDeepReorganisation) -> None:
        """The best branch is too deep to be followed unasked, which is said once."""
        if not self.milestones.halted:
            why = f"{violation}; `esperd resync --accept-loss` gives up this one and fetches anew"
            complain(LOG, "chain_halted", "{why}", why=why)
            self.reach(replace(self.milestones, halted=why))


def _checksum(payload: bytes) -> bytes:
    return tagged_hash32(TAG, payload)[:CHECKSUM_BYTES]
