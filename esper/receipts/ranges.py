"""Records of an anchor's state, and items of the mountain ranges among them."""

from collections.abc import Sequence

from esper.primitives.codec import CodecError, decode
from esper.primitives.mmr import Mmr, leaf_hash, node_hash, peak_places
from esper.receipts.parts import InState
from esper.vm.records import RECEIPTS, RECORD_LIMIT
from esper.vm.state_tree import StateProof, StateProofError, proven_value_hash, value_hash


def stands_in_state(root: bytes, path: bytes, record: bytes, place: InState) -> bool:
    """Whether the state of this root has ``record`` at the 32-byte ``path``."""
    hashed = value_hash(record)
    try:
        found = proven_value_hash(root, path, StateProof(place.count, place.siblings, path, hashed))
    except StateProofError:
        return False
    return found == hashed


def decode_range(record: bytes) -> Mmr:
    """The range of a record; as many peaks as its count has. Raises CodecError."""
    found = decode(RECEIPTS, record, limit=RECORD_LIMIT, what="range")
    if len(found.peaks) != found.count.bit_count():
        raise CodecError("range.peaks: not as many as the count has", 0)
    return found


def stands_in_range(found: Mmr, index: int, item: bytes, siblings: Sequence[bytes]) -> bool:
    """Whether ``item`` is number ``index`` of a range, by its siblings from the leaf upwards."""
    for peak, (level, place) in zip(found.peaks, peak_places(found.count), strict=True):
        if index >> level > place:
            continue
        if len(siblings) != level:
            return False
        current, at = leaf_hash(item), index
        for sibling in siblings:
            current = node_hash(sibling, current) if at & 1 else node_hash(current, sibling)
            at >>= 1
        return current == peak
    return False
