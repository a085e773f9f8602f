"""Proofs of receipts from an index."""

from esper.primitives.mmr import MmrProof, peak_places, sibling_places
from esper.storage.receipt_log import ReceiptLog


def prove_receipt(log: ReceiptLog, index: int, count: int) -> MmrProof:
    """The proof of receipt ``index`` under the root of the first ``count``.

    Raises IndexError if it is not among them.
    """
    siblings = sibling_places(index, count)
    own = (len(siblings), index >> len(siblings))
    others = tuple(log.nodes.node(place) for place in peak_places(count) if place != own)
    return MmrProof(index, tuple(log.nodes.node(place) for place in siblings), others)
