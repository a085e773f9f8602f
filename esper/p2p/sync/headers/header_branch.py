"""Headers of one branch that wait for their proofs, each with the chain that it stands on.

Only bytes until a proof is here: their number is bounded by what was asked for.
"""

from dataclasses import dataclass

from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.primitives.ids import BlockId


@dataclass(frozen=True, slots=True)
class Link:
    """A header that fits the branch below it."""

    header: Header
    """What came."""
    block_id: BlockId
    """64 bytes."""
    parent: HeaderChain
    """The branch below it."""
    headers: HeaderChain
    """The branch with it on top."""
    size: int
    """Bytes of the header."""

    @classmethod
    def on(cls, parent: HeaderChain, header: Header, size: int) -> "Link":
        """A header on top of the branch that it was checked against."""
        headers = parent.extended_by_header(header)
        return cls(header, headers.tip_id, parent, headers, size)

    @property
    def height(self) -> int:
        """Of its block."""
        return self.headers.height


class HeaderBranch:
    """A branch: proven up to its base, headers above."""

    __slots__ = ("_links", "base", "fork", "size")

    def __init__(self, fork: HeaderChain, base: HeaderChain) -> None:
        """``fork`` is where it leaves the executed chain, ``base`` its last proven block."""
        self.fork = fork
        self.base = base
        self.size = 0
        """Bytes of the headers that are not proven yet."""
        self._links: dict[int, Link] = {}

    def __len__(self) -> int:
        """Headers that are not proven yet."""
        return len(self._links)

    @property
    def top(self) -> HeaderChain:
        """With all its headers, and with what the base knows of heights to come."""
        if not self._links:
            return self.base
        return self._links[self.base.height + len(self._links)].headers.told(self.base)

    def link(self, height: int) -> Link:
        """The header at a height above the base. Raises KeyError."""
        return self._links[height]

    def get(self, height: int) -> Link | None:
        """The header at a height, None where there is none or its block is proven."""
        return self._links.get(height)

    def append(self, link: Link) -> None:
        """Put a header on top. Raises ValueError for one that builds on another block."""
        if link.parent.tip_id != self.top.tip_id:
            raise ValueError(f"header of height {link.height} does not build on the top")
        self._links[link.height] = link
        self.size += link.size

    def tell(self, base: HeaderChain) -> None:
        """More of the branch was executed: ``base`` is the same block, with what that confirmed."""
        self.base = self.base.told(base)

    def prove_next(self) -> Link:
        """The lowest header's block is proven: the base is that block now. Raises KeyError."""
        link = self._links.pop(self.base.height + 1)
        self.size -= link.size
        self.base = link.headers.told(self.base)
        return link
