"""A stored chain context is read as it was written, and genesis has one form alone."""

import pytest

from esper.consensus.context_record import decode_context, encode_context
from esper.primitives.codec import CodecError
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
