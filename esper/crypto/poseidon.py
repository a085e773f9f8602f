"""The 512-bit Poseidon2 digest over Goldilocks, computed by the native extension.

Width 16, rate 8, capacity 8; the sponge is described in the crate ``esper-digest``. Used for the
result of a batch only; everything else is SHA3.
"""

from collections.abc import Sequence
from typing import Final

from esper._native import poseidon2_digest

FIELD_ORDER: Final = (1 << 64) - (1 << 32) + 1
LIMBS: Final = 8
LIMB_BYTES: Final = 8
DIGEST_BYTES: Final = LIMBS * LIMB_BYTES

BYTES_PER_ELEMENT: Final = 7
"""Seven bytes always fit below the field's order; eight do not."""


def pack_bytes(data: bytes) -> list[int]:
    """Bytes as field elements, seven to one, little-endian; the length is the caller's to bind."""
    return [
        int.from_bytes(data[start : start + BYTES_PER_ELEMENT], "little")
        for start in range(0, len(data), BYTES_PER_ELEMENT)
    ]


def digest_bytes(tag_name: str, elements: Sequence[int]) -> bytes:
    """The digest as 64 bytes: eight canonical limbs, each and all of them big-endian.

    Raises ValueError for an element that is not in [0, 2^64 - 2^32 + 1).
    """
    try:
        limbs = poseidon2_digest(tag_name, list(elements))
    except OverflowError as error:  # outside 64 bits: refused before it is a field element
        raise ValueError(f"an element is outside 0 to {FIELD_ORDER - 1}") from error
    return b"".join(limb.to_bytes(LIMB_BYTES, "big") for limb in limbs)
