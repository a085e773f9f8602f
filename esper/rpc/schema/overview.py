"""Many blocks at a glance: rows of blocks, numbers over a stretch of the chain, who mines."""

from typing import Annotated, Final

from msgspec import Meta

from esper.rpc.schema.common import Amount, AsOf, Height, Reply, Request

MAX_ROWS: Final = 100
"""Blocks that one question gets."""
MAX_POINTS: Final = 512
"""Points that one question gets."""
MAX_WINDOW: Final = 1_000
"""Blocks that miners are counted over."""
DAY_BLOCKS: Final = 144
"""Blocks of a day on a network of ten minutes."""


class BlocksParams(Request, frozen=True, rename={"start": "from"}):
    """Blocks downwards from one; the newest without ``from``."""

    start: Height | None = None
    """Height of the first row, which is the newest; the tip's if it is left out or above it."""
    n: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 20
    """Rows at most: the genesis ends them."""


class BlockRow(Reply, frozen=True):
    """A block in a line."""

    height: int
    hash: str
    time_ms: int
    payee: str
    """Empty for the genesis, which nobody mined."""
    tier: int
    model_id: str
    size: int
    """Bytes without the proof."""
    transactions: int
    """Without the coinbase."""
    call_groups: int
    """Proven groups that calls were answered in."""


class BlockRows(Reply, frozen=True):
    """Blocks, the newest first."""

    blocks: list[BlockRow]
    as_of: AsOf


class StatisticsParams(Request, frozen=True, rename={"start": "from", "end": "to"}):
    """A stretch of the chain, and how dense its points lie."""

    start: Height | None = None
    """First height; by default as many blocks below the last as there may be points."""
    end: Height | None = None
    """Last height; the tip's if it is left out or above it."""
    step: Annotated[int, Meta(ge=1, le=1 << 20)] | None = None
    """Blocks between two points; by default, and where they would be more than 512, the least with
    which they are not."""


class StatisticsPoint(Reply, frozen=True):
    """A block in numbers."""

    height: int
    time_ms: int
    tier: int
    target: str
    """In hex, as in the header."""
    weight: str
    """Decimal: of the whole chain up to it, as of ``get_status``."""
    omega: Amount
    """What a ticket of it weighs over genesis', in 65536ths."""
    paid_tokens: int | None
    """Of its calls; None below the depth that can be undone, where nobody keeps them at hand."""
    proven_tokens: int | None
    """Of its work and calls; None as above."""


class Statistics(Reply, frozen=True):
    """Points of the chain, by height."""

    step: int
    """Blocks between two points."""
    spacing_ms: int
    """What the network aims at from block to block."""
    points: list[StatisticsPoint]
    as_of: AsOf


class MinersParams(Request, frozen=True):
    """Over how many of the last blocks."""

    window: Annotated[int, Meta(ge=1, le=MAX_WINDOW)] = DAY_BLOCKS


class MinerRow(Reply, frozen=True):
    """Somebody who was paid for blocks."""

    payee: str
    blocks: int
    last_height: int
    """Of its last block."""
    tiers: list[int]
    """Of its blocks, each once."""


class Miners(Reply, frozen=True):
    """Who was paid for the last blocks, most blocks first."""

    window: int
    """Blocks that were counted: fewer than asked for in a short chain."""
    miners: list[MinerRow]
    as_of: AsOf
