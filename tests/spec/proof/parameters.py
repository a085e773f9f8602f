"""Every number of the proof that could be another one: constants, limits, schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MODULUS: Final = 2**64 - 2**32 + 1
TWO_ADICITY: Final = 32
TWO_ADIC_ROOT: Final = 1753635133440165772
"""A root of unity of order 2^32."""

ELEMENT_BYTES: Final = 8
EXTENSION_BYTES: Final = 24
DIGEST_BYTES: Final = 32

# Hash domains
BLAKE3_TAG_BYTES: Final = 24
BLAKE3_BLOCK_BYTES: Final = 64
SHA3_TAG_BYTES: Final = 32
TRANSCRIPT_TAG: Final = b"esper/transcript/v1"
LEAF_CONTEXT: Final = "esper/merkle/leaf/v2"
NODE_CONTEXT: Final = "esper/merkle/node/v2"
MODEL_ID_TAG: Final = b"esper/model/id/v1"
PART_ID_TAG: Final = b"esper/model/part/v1"
PARTS_ID_TAG: Final = b"esper/model/parts/v1"
BOUNDARY_TAG: Final = b"esper/proof/boundary/v1"
EMBEDDING_ROW: Final = "esper embedding row v2"
EMBEDDING_NODE: Final = "esper embedding node v1"
EMBEDDING_ROOT: Final = "esper embedding root v1"
PROOF_NAME: Final = b"esper proof of inference v2"
PROOF_VERSION: Final = 2
DESCRIPTOR_VERSION: Final = 2
PART_NAME: Final = b"esper proof of inference v3, part"
PART_VERSION: Final = 3
"""Of the proof and of the descriptor of a part of a model."""

# The model's integers
ACTIVATION_BITS: Final = 16
ACTIVATION_TOP: Final = 32767
ROTATION_SHIFT: Final = 16
"""Added to the shift of q and k for the rotation."""
NORM_REMAINDER_BITS: Final = 52
EXP_ENTRIES: Final = 32767
RSQRT_FIRST: Final = 1024
RSQRT_LAST: Final = 4095
RELATIONS_PER_LAYER: Final = 30
CLASSES: Final = ("norm", "qk", "v", "gate", "z", "o", "down")
"""Clamp classes, in the order of the descriptor's reach and of the modes."""


@dataclass(frozen=True, slots=True)
class Range:
    """Least and most, both allowed."""

    least: int
    most: int

    def __contains__(self, value: int) -> bool:
        return self.least <= value <= self.most


VOCAB: Final = Range(2, 2**18)
DIM: Final = Range(1, 2**14)
HIDDEN: Final = Range(1, 2**16)
HEADS: Final = Range(1, 2**8)
KV_HEADS: Final = Range(1, 2**8)
HEAD_DIM: Final = Range(2, 2**9)
MAX_SEQ: Final = Range(1, 2**16)
LAYERS: Final = Range(1, 2**8)
LAYERS_TIMES_HEADS: Final = Range(1, 2**12)
EPS_TERM: Final = Range(1, 2**60 - 1)
EMAX: Final = Range(0, 30)
NORM_WIDTH: Final = Range(2, 62)
"""T0 + 2 (emax + 1)."""
NORM_SHIFT: Final = Range(1, 46)
MATRIX_SHIFT: Final = Range(1, 36)
QK_SHIFT: Final = Range(16, 16)
SCORE_SHIFT: Final = Range(1, 16)
GATE_BITS: Final = (12, 16)
Z_BITS: Final = Range(16, 24)
UPDATE_BITS: Final = Range(16, 26)
LOGIT_BOUND: Final = Range(1, 2**46 - 1)
REACH: Final = Range(1, 2**15 - 1)
CELLS: Final = Range(1, 2**30)
EMBED_BITS: Final = Range(1, 32)
ROWS: Final = Range(2, 2**14)
BATCH_ROWS: Final = Range(2, 2**14)
TOP_K: Final = Range(1, 2**10)
LISTED_LOGITS: Final = Range(1, 2**17)
NUM_VARS: Final = Range(10, 30)
LEAF_VARS: Final = Range(1, 40)
OVERFLOW_LIMBS: Final = Range(0, 2)
PROOF_BYTES: Final = Range(0, 2**22)
PARTS: Final = Range(1, 2**6)
ALL_LAYERS: Final = Range(1, 2**10)
RESIDUAL_VALUES: Final = Range(0, 2**24)
PARTS_PROOF_BYTES: Final = Range(0, 2**26)

# The opening
OPENING_NAME: Final = b"esper opening v2"
OPENINGS: Final = 2
"""In a proof: of the witness, of the model."""
FIRST_FOLD: Final = 5
LATER_FOLD: Final = 4
SEND_AT: Final = 6
"""Folding stops at this many variables or fewer: the rest is sent in the clear."""
POW_BITS: Final = 20
LEVEL: Final = 131
LATER_RATE: Final = 3
"""Added to the logarithm of the inverse rate by each codeword after the second."""


def first_rate(num_vars: int) -> int:
    """Logarithm of the inverse rate of a commitment to 2^num_vars values."""
    if num_vars <= 20:
        return 3
    return 2 if num_vars <= 26 else 1


def second_rate(first: int) -> int:
    """The same of the second codeword, the first later one, by that of the first."""
    return first + (2 if first == 1 else 1)


def level(openings: int) -> int:
    """Bits that each error term of an opening must reach in a proof with so many of them."""
    return LEVEL + bits(openings)


def bits(count: int) -> int:
    """ceil(log2(count)), 0 for one."""
    return (count - 1).bit_length()
