"""What a payer has acknowledged: the digests of all records of a session, as a list that grows.

    acks = mmr root (esper/market/acks/v1) over the digests, by turn

The root holds their number, which is the request's turn, so one path belongs to one turn: siblings
first, then the other peaks, and how many there are of each follows from turn and count.
"""

from collections.abc import Sequence
from typing import Final

from esper.primitives.hashing import make_tag
from esper.primitives.mmr import Mmr, MmrProof, sibling_places, verify_proof

TAG_ACKS: Final = make_tag("esper/market/acks/v1")
MAX_ACK_PATH: Final = 62
"""Hashes of a path, at most: of 2^32 - 1 replies, 31 siblings and 31 other peaks."""


def acks_root(acked: Mmr) -> bytes:
    """64 bytes: what a request says of all replies before it."""
    return acked.root(TAG_ACKS)


def is_acknowledged(
    acks: bytes, count: int, turn: int, record_digest: bytes, path: Sequence[bytes]
) -> bool:
    """Whether the record of ``turn`` is the one with this digest, among ``count`` replies.

    False for a turn that is not below ``count`` and for a path of another length; never raises.
    """
    if not 0 <= turn < count:
        return False
    siblings = len(sibling_places(turn, count))
    proof = MmrProof(turn, tuple(path[:siblings]), tuple(path[siblings:]))
    return verify_proof(TAG_ACKS, acks, count, record_digest, proof)
