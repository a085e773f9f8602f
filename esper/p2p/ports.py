"""What the machines may ask of the node around them, and what they let it do.

Everything here answers at once, from memory, on the event loop. What takes longer is a job: an
action that comes back as an event.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

from esper.consensus.chain import BlockBytes
from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.primitives.ids import BlockId


class ChainPort(Protocol):
    """The chain of this node."""

    @property
    def tip(self) -> HeaderChain:
        """The executed chain, as headers see it."""

    def headers_of(self, block_id: BlockId) -> HeaderChain | None:
        """The headers up to a proven block of any branch that is kept, None for others."""

    def height_on_chain(self, block_id: BlockId) -> int | None:
        """The height of a block of the executed chain, None for others."""

    def fork_height(self, block_id: BlockId) -> int | None:
        """Where the branch up to a proven block leaves the executed chain, None for others.

        That is the height of its last executed block on our chain; its own for one of ours.
        """

    def id_at(self, height: int) -> BlockId:
        """The block of the executed chain at a height from 0 to the tip's. Raises LookupError."""

    def tip_is_current(self) -> bool:
        """Whether the tip is recent by this node's clock, and weighs what the release says."""

    def check_may_come(self, header: Header) -> HeaderChain:
        """The branch that a header builds on.

        Raises UnknownParentViolation, InvalidAncestorViolation, InvalidSiblingViolation.
        """

    def check_header(self, header: Header, parent: HeaderChain) -> None:
        """All rules of a header on top of a branch, by this node's clock.

        Raises IsolatedHeaderViolation or HeaderContextViolation; for one that was refused for good
        at any stage, what it was refused for.
        """

    def check_alone(self, header: Header) -> None:
        """The rules of a header by itself.

        Raises IsolatedHeaderViolation; for one that was refused for good at any stage, what it was
        refused for.
        """


class Proven(Protocol):
    """A block that was judged: header, work and lists hold."""

    @property
    def block_id(self) -> BlockId:
        """64 bytes."""

    @property
    def data(self) -> BlockBytes:
        """Its bytes."""

    @property
    def header(self) -> Header:
        """Its header."""

    @property
    def headers(self) -> HeaderChain:
        """Its branch with it on top."""


class Random(Protocol):
    """A source of randomness; ``random.Random`` and ``random.SystemRandom`` are some."""

    def random(self) -> float:
        """At least 0 and below 1."""

    def randrange(self, stop: int, /) -> int:
        """At least 0 and below ``stop``."""

    def getrandbits(self, bits: int, /) -> int:
        """So many bits."""


# Jobs: actions for the node, in threads; each comes back exactly once, with its key, as a value or
# as a ``verdicts.Failure``.


@dataclass(frozen=True, slots=True)
class CheckWork:
    """Prove a header's work; the transactions may still be missing. The value is None."""

    key: Hashable
    header: Header
    outputs: bytes
    """Work outputs, encoded as the compact block had them."""
    proof: bytes
    parent: HeaderChain
    """The branch below it; its header was checked on that."""


@dataclass(frozen=True, slots=True)
class CheckLists:
    """Read the lists of a block whose work was proven. The value is a ``Proven``."""

    key: Hashable
    header: Header
    outputs: bytes
    proof: bytes
    transactions: tuple[bytes, ...]
    results: tuple[bytes, ...]
    groups: tuple[bytes, ...]
    parent: HeaderChain
    received_ms: int
    """When it came, for draws among rivals."""


@dataclass(frozen=True, slots=True)
class JudgeBlock:
    """Judge a whole block on top of a branch of headers. The value is a ``Proven``."""

    key: Hashable
    data: BlockBytes
    """Without proof bytes if ``assumed``."""
    parent: HeaderChain
    received_ms: int
    assumed: bool = False
    """Whether its proof is not looked at, for the operator vouches for a block above it."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Give proven blocks to the chain, in order, the lowest first. The value is an ``Adopted``."""

    key: Hashable
    blocks: tuple[Proven, ...]


@dataclass(frozen=True, slots=True)
class Reroot:
    """Stand on a proven block of another branch, however deep that parts from ours.

    Only in a node that was never synced. Both branches stay known: sync may go back. The value is
    None; after a ``Failure`` the chain is where it was.
    """

    key: Hashable
    block_id: BlockId
    """The block to stand on: a block that was adopted beside the chain, or was its tip."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """See to what this machine refused when a block that is known came. The value is None.

    A branch that was to be executed beside our chain, and was not, does not go on by itself:
    nobody brings its blocks a second time.
    """

    key: Hashable
    block_id: BlockId


@dataclass(frozen=True, slots=True)
class Adopted:
    """What became of blocks that were adopted."""

    executed: int
    """How many of them were executed, or lie beside the chain without fault, from the first on."""
    failure: "object | None" = None
    """A ``verdicts.Failure`` of the next one, None if there is none."""


Job = CheckWork | CheckLists | JudgeBlock | Adopt | Reroot | LookAgain
