"""Bytes of tiers and of what acts later, as they stand in a chain's context."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from esper.dao.entry_records import ENTRY, MODEL_ENTRY, TIER
from esper.dao.records import MAX_SCHEDULE
from esper.dao.registry import MAX_TIERS, Entry, TierRegistry
from esper.dao.schedule import Activation, Op, Reshaping, Reversal, Scheduled, Settlement
from esper.primitives.codec import Array, Record, Unsigned, decode, encode
from esper.primitives.model_entry import ModelEntry

RECORD_VERSION: Final = 1
MODELS_LIMIT: Final = 1 << 17
"""Largest encoding: 8 tiers of at most 4 KiB and 24 acts of at most 2 KiB."""
REMEMBERED: Final = 16
"""They differ from one block to the next only where something is confirmed or acts."""

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Pair:
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class _Stored:
    """An act of any kind; what is not its kind's is empty. Raises ValueError for what is none."""

    height: int
    op: int
    entry: tuple[Entry, ...]
    model: tuple[ModelEntry, ...]
    share: int
    new_tier: int
    retire: tuple[int, ...]
    shares: tuple[_Pair, ...]
    omegas: tuple[_Pair, ...]

    def __post_init__(self) -> None:
        if len(self.entry) != (self.op == Op.ACTIVATE):
            raise ValueError(f"op {self.op} with {len(self.entry)} entries")
        if len(self.model) != (self.op in (Op.SETTLE, Op.REVERT)):
            raise ValueError(f"op {self.op} with {len(self.model)} models")

    @property
    def scheduled(self) -> Scheduled:
        """The act."""
        match Op(self.op):
            case Op.ACTIVATE:
                return Scheduled(self.height, Activation(self.entry[0], self.share))
            case Op.SETTLE:
                return Scheduled(self.height, Settlement(self.model[0]))
            case Op.REVERT:
                return Scheduled(self.height, Reversal(self.model[0], bool(self.new_tier)))
            case Op.CHANGE:
                shares, omegas = _pairs(self.shares), _pairs(self.omegas)
                return Scheduled(self.height, Reshaping(self.retire, shares, omegas))


@dataclass(frozen=True, slots=True)
class _Models:
    registry: TierRegistry
    schedule: tuple[_Stored, ...]


def _numbers(first: int, second: int) -> Record[_Pair]:
    return Record(_Pair, None, (("first", Unsigned(first)), ("second", Unsigned(second))))


_SCHEDULED: Final = Record(
    _Stored,
    None,
    (
        ("height", Unsigned(32)),
        ("op", Unsigned(2)),
        ("entry", Array(ENTRY, 1)),
        ("model", Array(MODEL_ENTRY, 1)),
        ("share", Unsigned(17)),
        ("new_tier", Unsigned(1)),
        ("retire", Array(Unsigned(8), MAX_TIERS)),
        ("shares", Array(_numbers(8, 17), MAX_TIERS)),
        ("omegas", Array(_numbers(8, 64), MAX_TIERS)),
    ),
)
_MODELS: Final = Record(
    _Models,
    RECORD_VERSION,
    (
        ("registry", Record(TierRegistry, None, (("tiers", Array(TIER, MAX_TIERS)),))),
        ("schedule", Array(_SCHEDULED, MAX_SCHEDULE)),
    ),
)


def encode_models(registry: TierRegistry, schedule: tuple[Scheduled, ...]) -> bytes:
    """The canonical bytes."""
    return encode(_MODELS, _Models(registry, tuple(_stored(one) for one in schedule)))


@lru_cache(maxsize=REMEMBERED)
def decode_models(data: bytes) -> tuple[TierRegistry, tuple[Scheduled, ...]]:
    """Tiers and schedule; of the same bytes the same values. Raises CodecError."""
    read = decode(_MODELS, data, limit=MODELS_LIMIT, what="models of a chain context")
    return read.registry, tuple(one.scheduled for one in read.schedule)


def _stored(one: Scheduled) -> _Stored:
    height = one.height
    match one.act:
        case Activation(entry, share):
            return _Stored(height, Op.ACTIVATE, (entry,), (), share, 0, (), (), ())
        case Settlement(model):
            return _Stored(height, Op.SETTLE, (), (model,), 0, 0, (), (), ())
        case Reversal(model, new_tier):
            return _Stored(height, Op.REVERT, (), (model,), 0, int(new_tier), (), (), ())
        case Reshaping(retire, shares, omegas):
            halves = _halves(shares), _halves(omegas)
            return _Stored(height, Op.CHANGE, (), (), 0, 0, retire, *halves)


def _halves(pairs: Pairs) -> tuple[_Pair, ...]:
    return tuple(_Pair(first, second) for first, second in pairs)


def _pairs(halves: tuple[_Pair, ...]) -> Pairs:
    return tuple((half.first, half.second) for half in halves)
