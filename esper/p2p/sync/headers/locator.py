"""Which of our blocks a request for headers names."""

from esper.p2p.limits import MOST_LOCATOR
from esper.p2p.ports import ChainPort
from esper.primitives.ids import BlockId


def locator_of(chain: ChainPort, undo: int, *, deep: bool) -> tuple[BlockId, ...]:
    """Ids of the executed chain: tip, then 1, 2, 4 ... below it up to ``undo``, then genesis.

    ``deep`` goes on doubling below: for a node that may still go back further than it undoes.
    """
    tip = chain.tip.height
    depths = [0]
    step = 1
    while step < (tip if deep else min(undo, tip)):
        depths.append(step)
        step *= 2
    if not deep and undo < tip:
        depths.append(undo)
    # A place is kept for genesis: 2^31 blocks are more than any chain has.
    depths = [*depths[: MOST_LOCATOR - 1], tip] if tip else depths
    return tuple(chain.id_at(tip - depth) for depth in depths)


def locator_between(chain: ChainPort, low: int, high: int) -> tuple[BlockId, ...]:
    """Ids of the executed chain from below ``high`` down to ``low``, at even distances.

    Who has the block at ``low`` and not that at ``high`` names with one answer where it parts from
    us, to a thirty-second of the span.
    """
    span = high - low
    count = min(MOST_LOCATOR, span)
    heights = {low + place * span // count for place in range(count)}
    return tuple(chain.id_at(height) for height in sorted(heights, reverse=True))


def parts_below(
    chain: ChainPort, locator: tuple[BlockId, ...], fork: BlockId, below: int | None
) -> int:
    """The lowest height of our chain whose block a peer does not have, as its answer shows.

    It named ``fork`` of a locator, so it has none that stand before it; ``below`` is what earlier
    answers have shown.
    """
    place = locator.index(fork)
    higher = chain.height_on_chain(locator[place - 1]) if place else None
    known = [height for height in (higher, below, chain.tip.height + 1) if height is not None]
    return min(known)
