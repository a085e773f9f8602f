"""How much of what was proven lately was paid for, wherever the chain's health is shown."""

from typing import Final

from esper.node.chain.chain_view import ChainView

PER_MILLE: Final = 1000
USEFULNESS_BLOCKS: Final = 100
"""Usefulness is told over so many of the last blocks."""


def usefulness_per_mille(view: ChainView) -> int:
    """Paid over proven tokens of the last blocks that are kept in memory."""
    paid = proven = 0
    tip = view.context.height
    for height in range(max(1, tip - USEFULNESS_BLOCKS + 1), tip + 1):
        context = view.context_of(view.store.index.entry(height).block_id)
        if context is not None:
            paid += context.tip_work.paid_tokens
            proven += context.tip_work.proven_tokens
    return per_mille(paid, proven)


def per_mille(part: int, whole: int) -> int:
    """``part`` of ``whole`` in thousandths, 0 of nothing."""
    return PER_MILLE * part // whole if whole else 0
