"""A stored chain context is read as it was written, and genesis has one form alone."""

from dataclasses import replace

import pytest

from esper.consensus.context_record import (
    CONTEXT_LIMIT,
    decode_context,
    encode_context,
    shared_bytes,
)
from esper.consensus.models_record import MODELS_LIMIT, decode_models, encode_models
from esper.dao.entry_records import MAX_SPECIAL_IDS
from esper.dao.records import MAX_SCHEDULE
from esper.dao.registry import MAX_TIERS, ONE, Entry, Puzzle, Tier, TierRegistry
from esper.dao.schedule import Activation, Reshaping, Reversal, Scheduled, Settlement
from esper.primitives.codec import CodecError
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry
from tests.support.chain_world import ChainWorld


def test_a_context_reads_back() -> None:
    world = ChainWorld()
    world.grow()
    context = world.chain.context
    assert context.height == 1
    assert decode_context(encode_context(context), world.params) == context


def test_genesis_is_the_empty_record_and_no_other() -> None:
    world = ChainWorld()
    genesis = world.chain.context
    assert decode_context(b"", world.params) == genesis
    with pytest.raises(CodecError, match="the empty record alone stands for"):
        decode_context(encode_context(genesis), world.params)


def named(name: int, tier: int = 0) -> ModelEntry:
    model = ChainWorld().params.model
    return replace(model, model_id=ModelId(bytes([name]) * 64), tier=tier)


def test_tiers_and_schedule_go_with_it_and_stand_at_its_end() -> None:
    world = ChainWorld()
    world.grow()
    own = world.chain.context.tip_registry.tiers[0]
    entry = Entry(named(9), 3 * ONE, Puzzle(1, 64, 52, 8))
    schedule = (
        Scheduled(30, Activation(entry, ONE // 4)),
        Scheduled(31, Settlement(named(1))),
        Scheduled(31, Reversal(named(2), new_tier=True)),
        Scheduled(40, Reshaping((3,), ((0, 40_000), (1, 25_536)), ((0, 5),))),
    )
    registry = TierRegistry((replace(own, previous=(own.own,), since=7),))
    context = replace(world.chain.context, tip_registry=registry, schedule=schedule)
    data = encode_context(context)
    assert decode_context(data, world.params) == context
    end = data[-shared_bytes(context) :]
    assert decode_models(end) == (registry, schedule)
    # They are read once, whichever context ends with them.
    assert decode_models(end) is decode_models(bytes(end))


def test_the_largest_fits_its_limit() -> None:
    world = ChainWorld()
    world.grow()
    last = (1 << 32) - 1
    ids = tuple(range(last - MAX_SPECIAL_IDS, last))
    shape = replace(named(255).shape, vocab=last)
    widest = replace(
        named(255), shape=shape, special_ids=ids, bos=ids[0], eos=ids[1], bank_size=last
    )
    entry = Entry(widest, (1 << 64) - 1, Puzzle(255, 65_535, 65_535, 255))
    tiers = []
    for number in range(MAX_TIERS):
        model = replace(widest, tier=number)
        own = replace(entry, model=model)
        tiers.append(Tier(model, own.omega, ONE // MAX_TIERS, own.puzzle, (own,), 1 << 31))
    schedule = (Scheduled(1 << 31, Activation(entry, ONE)),) * MAX_SCHEDULE
    registry = TierRegistry(tuple(tiers))
    assert len(encode_models(registry, schedule)) <= MODELS_LIMIT
    context = replace(world.chain.context, tip_registry=registry, schedule=schedule)
    assert len(encode_context(context)) <= CONTEXT_LIMIT
    assert decode_context(encode_context(context), world.params) == context


@pytest.mark.parametrize("op", [0, 1, 2])
def test_an_act_without_what_it_is_about_is_refused(op: int) -> None:
    world = ChainWorld()
    registry = world.chain.context.tip_registry
    act = Reshaping((), (), ())
    data = bytearray(encode_models(registry, (Scheduled(20, act),)))
    # An array of nine, the height, then the op.
    place = data.rindex(bytes([0x99, 20, 3])) + 2
    data[place] = op
    with pytest.raises(CodecError, match=f"op {op} with 0"):
        decode_models(bytes(data))
