"""Bytes of a chain context, for storage: what the parameters do not say.

They end with tiers and schedule, which hundreds of blocks in a row have in common.
"""

from dataclasses import dataclass
from typing import Final

from esper.consensus.context import ChainContext
from esper.consensus.difficulty import Anchor
from esper.consensus.execution import ParentWork
from esper.consensus.genesis import genesis_hash
from esper.consensus.models_record import MODELS_LIMIT, decode_models, encode_models
from esper.consensus.tier_records import TIER_STATE
from esper.consensus.tiers import TierState
from esper.primitives.codec import (
    Array,
    CodecError,
    FixedBytes,
    Record,
    Unsigned,
    VarBytes,
    WideUnsigned,
    decode,
    encode,
)
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import BlockId, WorkId
from esper.primitives.params import NetworkParameters

CONTEXT_VERSION: Final = 2
CONTEXT_LIMIT: Final = 4096 + MODELS_LIMIT
"""Largest encoded context: four hashes, eleven times, the tallies of all tiers, and the models."""
MAX_TIMES: Final = 64
TARGET_BYTES: Final = 64
WEIGHT_BYTES: Final = 80
"""A block weighs less than 2^576; the sum of 2^64 of them fits."""


@dataclass(frozen=True, slots=True)
class _Stored:
    tip_id: BlockId
    tip_work_id: WorkId
    height: int
    times_ms: tuple[int, ...]
    anchor: tuple[Anchor, ...]
    tiers: TierState
    weight: int
    tip_work: ParentWork
    models: bytes


_STORED: Final = Record(
    _Stored,
    CONTEXT_VERSION,
    (
        ("tip_id", FixedBytes(HASH_BYTES)),
        ("tip_work_id", FixedBytes(HASH_BYTES)),
        ("height", Unsigned(32)),
        ("times_ms", Array(Unsigned(64), MAX_TIMES)),
        (
            "anchor",
            Array(
                Record(
                    Anchor,
                    None,
                    (
                        ("height", Unsigned(32)),
                        ("time_ms", Unsigned(64)),
                        ("target", WideUnsigned(TARGET_BYTES)),
                    ),
                ),
                1,
            ),
        ),
        ("tiers", TIER_STATE),
        ("weight", WideUnsigned(WEIGHT_BYTES)),
        (
            "tip_work",
            Record(
                ParentWork,
                None,
                (
                    ("result", FixedBytes(HASH_BYTES)),
                    ("vrf_output", FixedBytes(HASH_BYTES)),
                    ("paid_tokens", Unsigned(64)),
                    ("proven_tokens", Unsigned(64)),
                ),
            ),
        ),
        ("models", VarBytes(MODELS_LIMIT)),
    ),
)


def encode_context(chain: ChainContext) -> bytes:
    """The canonical bytes; the last of them are ``shared_bytes``."""
    stored = _Stored(
        chain.tip_id,
        chain.tip_work_id,
        chain.height,
        chain.times_ms,
        () if chain.anchor is None else (chain.anchor,),
        chain.tip_tiers,
        chain.weight,
        chain.tip_work,
        encode_models(chain.tip_registry, chain.schedule),
    )
    return encode(_STORED, stored)


def shared_bytes(chain: ChainContext) -> int:
    """How many bytes at the end of its encoding are those of many other blocks too."""
    return len(encode_models(chain.tip_registry, chain.schedule))


def decode_context(data: bytes, params: NetworkParameters) -> ChainContext:
    """The context on a network; empty bytes stand for its genesis. Raises CodecError."""
    if not data:
        return ChainContext.genesis(params)
    stored = decode(_STORED, data, limit=CONTEXT_LIMIT, what="chain context")
    if stored.height == 0:
        raise CodecError("chain context.height: 0, which the empty record alone stands for", 0)
    registry, schedule = decode_models(stored.models)
    return ChainContext(
        params=params,
        genesis_hash=genesis_hash(params),
        tip_registry=registry,
        schedule=schedule,
        executed_height=stored.height,
        tip_id=stored.tip_id,
        tip_work_id=stored.tip_work_id,
        height=stored.height,
        times_ms=stored.times_ms,
        anchor=stored.anchor[0] if stored.anchor else None,
        tip_tiers=stored.tiers,
        weight=stored.weight,
        tip_work=stored.tip_work,
    )
