"""The list that a Beat commits to: load answers, one claim for each place, reports.

    root   = merkle root (esper/market/beat/v1) over the leaves
    leaf 0 = 0 || root of the load answers
    leaf 1 + place = 1 || CLAIM of the session with that place; 1 alone for an empty place
    leaves behind  = 2 || digest of a REPORT

A path shows its leaf's index, so one Beat holds one claim of a session, whatever else stands in it.
The root holds the number of leaves, and whoever shows a path says it: no other number leads there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from esper.market.records.claim import SessionClaim
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned
from esper.primitives.hashing import HASH_BYTES, make_tag
from esper.primitives.merkle import MerkleTree, verify_path

TAG_BEAT: Final = make_tag("esper/market/beat/v1")

MAX_BEAT_PATH: Final = 16
"""Hashes of a path, at most: a Beat has up to 65,536 leaves."""
PLACES: Final = 4096
"""Sessions that a provider may have open."""

LOAD_LEAF: Final = b"\0"
CLAIM_LEAF: Final = b"\1"
REPORT_LEAF: Final = b"\2"
"""What a leaf begins with."""


@dataclass(frozen=True, slots=True)
class BeatPath:
    """The way from a leaf to a Beat's root."""

    leaves: int
    """Leaves of the Beat."""
    siblings: tuple[bytes, ...]
    """64-byte hashes, from the leaf upwards."""


BEAT_PATH: Final = Record(
    BeatPath,
    None,
    (
        ("leaves", Unsigned(32)),
        ("siblings", Array(FixedBytes(HASH_BYTES), MAX_BEAT_PATH)),
    ),
)


def beat_tree(
    load_root: bytes, claims: Mapping[int, SessionClaim], reports: Sequence[bytes]
) -> MerkleTree:
    """The tree of a Beat: claims by place, and the digests of reports.

    Raises ValueError for a place that no session can have.
    """
    if any(not 0 <= place < PLACES for place in claims):
        raise ValueError(f"places of sessions are 0 to {PLACES - 1}")
    places = range(max(claims, default=-1) + 1)
    return MerkleTree.build(
        TAG_BEAT,
        [
            LOAD_LEAF + load_root,
            *(CLAIM_LEAF + (claims[at].to_bytes() if at in claims else b"") for at in places),
            *(REPORT_LEAF + one for one in reports),
        ],
    )


def claim_index(place: int) -> int:
    """Which leaf holds the claim of the session with this place."""
    return 1 + place


def is_load_root(root: bytes, load_root: bytes, path: BeatPath) -> bool:
    """Whether a Beat with this root holds these load answers."""
    return _is_leaf(root, 0, LOAD_LEAF + load_root, path)


def is_claim(root: bytes, place: int, claim: SessionClaim, path: BeatPath) -> bool:
    """Whether a Beat with this root holds this claim for the session with this place."""
    return _is_leaf(root, claim_index(place), CLAIM_LEAF + claim.to_bytes(), path)


def is_report(root: bytes, index: int, report: bytes, path: BeatPath) -> bool:
    """Whether leaf ``index`` of a Beat with this root is the report with this digest."""
    return _is_leaf(root, index, REPORT_LEAF + report, path)


def _is_leaf(root: bytes, index: int, leaf: bytes, path: BeatPath) -> bool:
    return verify_path(TAG_BEAT, root, path.leaves, index, leaf, path.siblings)
