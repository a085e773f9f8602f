"""A promise's height beside a tip: far from it, its gateway may have chosen a way out."""

from __future__ import annotations

from esper.cli.esper.receipts.surroundings import NamedTip, NodeWord
from esper.receipts.form import decode_receipt
from esper.receipts.promise import decode_promise
from esper.receipts.verdict import Status, Verdict

NEAR = 6
"""Blocks that a signer's tip may differ from the reader's."""


def height_warning(data: bytes, verdict: Verdict, chain: NamedTip | NodeWord) -> str | None:
    """A sentence where the promise by itself is of a height far from the chain's tip.

    ``data``: the receipt that has the verdict. Raises the client's errors.
    """
    if verdict.status("instant") is not Status.OK or verdict.status("proof") is not Status.ABSENT:
        return None
    part = decode_receipt(data).instant
    assert part is not None
    height, tip = decode_promise(part.record).height, chain.tip_height()
    if abs(height - tip) <= NEAR:
        return None
    side = "before" if height < tip else "after"
    return (
        f"the promise is of height {height}, {abs(height - tip)} blocks {side} the tip {tip}: "
        "if it was just made, its height is false and it may be evidence at another time alone"
    )
