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
