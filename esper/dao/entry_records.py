"""Bytes of models, tickets and tiers, as they stand in proposals and in the state."""

from typing import Final

from esper.dao.registry import Entry, Puzzle, Tier
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.model_entry import ModelEntry, ModelShape

RECORD_VERSION: Final = 1
MAX_SPECIAL_IDS: Final = 256
"""Most special token ids of a model in a record; known vocabularies have up to 256."""
TIER_LIMIT: Final = 4096
"""Largest encoded tier: two entries, each of 256 ids of five bytes, three hashes and the shape."""

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

PUZZLE: Final = Record(
    Puzzle,
    None,
    (
        ("sequences", Unsigned(8)),
        ("rows", Unsigned(16)),
        ("input_tokens", Unsigned(16)),
        ("max_answer", Unsigned(8)),
    ),
)

ENTRY: Final = Record(
    Entry, None, (("model", MODEL_ENTRY), ("omega", Unsigned(64)), ("puzzle", PUZZLE))
)

TIER: Final = Record(
    Tier,
    RECORD_VERSION,
    (
        ("model", MODEL_ENTRY),
        ("omega", Unsigned(64)),
        ("share", Unsigned(17)),
        ("puzzle", PUZZLE),
        ("previous", Array(ENTRY, 1)),
        ("since", Unsigned(32)),
    ),
)
"""One record a tier: it changes when the schedule changes it."""
