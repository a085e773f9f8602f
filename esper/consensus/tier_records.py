"""Bytes of tiers and of what is counted about them, as they stand in state records."""

from typing import Final

from esper.consensus.tiers import MAX_TIERS, Tier, TierState, TierTally
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.model_entry import ModelEntry, ModelShape

RECORD_VERSION: Final = 1
MAX_SPECIAL_IDS: Final = 256
"""Most special token ids of a model in a record; known vocabularies have up to 256."""

TIER_LIMIT: Final = 2048
"""Largest encoded tier: 256 ids of five bytes, three hashes and the shape are 1.6 kB."""
TIER_STATE_LIMIT: Final = 1024
"""Largest encoded tally of all tiers: 16 of at most 13 bytes."""

MODEL_SHAPE: Final = Record(
    ModelShape,
    None,
    (
        ("vocab", Unsigned(32)),
        ("dim", Unsigned(32)),
        ("hidden", Unsigned(32)),
        ("layers", Unsigned(32)),
        ("heads", Unsigned(32)),
        ("kv_heads", Unsigned(32)),
        ("head_dim", Unsigned(32)),
        ("max_seq", Unsigned(32)),
    ),
)

MODEL_ENTRY: Final = Record(
    ModelEntry,
    None,
    (
        ("model_id", FixedBytes(HASH_BYTES)),
        ("tier", Unsigned(8)),
        ("shape", MODEL_SHAPE),
        ("bos", Unsigned(32)),
        ("eos", Unsigned(32)),
        ("special_ids", Array(Unsigned(32), MAX_SPECIAL_IDS)),
        ("tokenizer_id", FixedBytes(HASH_BYTES)),
        ("bank_root", FixedBytes(HASH_BYTES)),
        ("bank_size", Unsigned(32)),
    ),
)

TIER: Final = Record(
    Tier,
    RECORD_VERSION,
    (("model", MODEL_ENTRY), ("omega", Unsigned(64)), ("share", Unsigned(17))),
)
"""One record a tier: it changes when the DAO changes it."""

TIER_TALLY: Final = Record(
    TierTally,
    None,
    (("tier", Unsigned(8)), ("multiplier", Unsigned(19)), ("blocks", Unsigned(32))),
)

TIER_STATE: Final = Record(TierState, RECORD_VERSION, (("tallies", Array(TIER_TALLY, MAX_TIERS)),))
"""One record for all: it changes with every block."""
