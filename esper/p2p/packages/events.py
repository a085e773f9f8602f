"""What the machine of packages tells the node, and what it says of its downloads."""

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """What a download is about."""

    LOOKING = "looking"
    """It looks what is here."""
    LISTING = "listing"
    """It wants the list of digests."""
    CHECKING = "checking"
    """It checks the list."""
    FETCHING = "fetching"
    """It wants chunks."""
    WAITING = "waiting"
    """This machine's own trouble: it tries again in a minute."""


@dataclass(frozen=True, slots=True)
class PackageProgress:
    """How far a download is."""

    root: bytes
    """64 bytes: the package."""
    stage: Stage
    """What it is about."""
    done: int
    """Chunks that are here."""
    total: int
    """Chunks of the package; 0 while its list is unknown."""
    bytes_per_s: int
    """What came over the last ten seconds."""
    peers: int
    """That have something of what is missing, as they say."""
    trouble: str
    """This machine's own, for people; empty if there is none."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A package is whole."""

    root: bytes


@dataclass(frozen=True, slots=True)
class Hopeless:
    """A package that cannot be, whoever gives it: it is fetched no more."""

    root: bytes
    reason: str
    """For people."""
