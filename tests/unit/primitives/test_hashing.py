"""Tagged hashes against hashlib by hand, and the golden vectors."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper._native import sha3_256_many, sha3_512_many
from esper.primitives.hashing import (
    Xof,
    make_tag,
    tagged_hash,
    tagged_hash32,
    tagged_hashes,
    u16,
    u32,
    u64,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "hashing.json").read_text())
TAG = make_tag("esper/test/v1")


@pytest.mark.parametrize("vector", VECTORS)
def test_golden_vectors(vector: dict[str, str]) -> None:
    tag, message = make_tag(vector["tag"]), bytes.fromhex(vector["message"])
    assert tagged_hash(tag, message).hex() == vector["sha3_512"]
    assert tagged_hash32(tag, message).hex() == vector["sha3_256"]
    assert Xof(tag, message).read(100).hex() == vector["shake256_100"]


def test_definition() -> None:
    padded = b"esper/test/v1".ljust(32, b"\0")
    assert tagged_hash(TAG, b"a", b"bc") == hashlib.sha3_512(padded + b"abc").digest()
    assert tagged_hash32(TAG, b"abc") == hashlib.sha3_256(padded + b"abc").digest()


@given(st.lists(st.binary(max_size=400), max_size=40))
def test_many_at_once_are_hashed_as_each_by_itself(messages: list[bytes]) -> None:
    assert tagged_hashes(TAG, messages) == [tagged_hash(TAG, message) for message in messages]
    assert sha3_256_many(TAG, messages) == [tagged_hash32(TAG, message) for message in messages]


def test_long_messages_of_different_lengths_are_hashed_at_once() -> None:
    messages = [bytes([size % 251]) * (size * 977) for size in range(30)]
    assert tagged_hashes(TAG, messages) == [tagged_hash(TAG, message) for message in messages]


def test_many_under_what_is_no_tag_are_refused() -> None:
    for tag in (b"esper/test/v1", bytes(32), b"a\0b".ljust(32, b"\0"), b"\xff" * 32):
        for many in (sha3_512_many, sha3_256_many):
            with pytest.raises(ValueError, match="tag"):
                many(tag, [b""])


@pytest.mark.parametrize("name", ["", "x" * 33, "with blank", "nul\0", "ümlaut"])
def test_bad_tags_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        make_tag(name)


@given(st.lists(st.integers(0, 300), max_size=12))
def test_stream_is_the_same_however_it_is_cut(sizes: list[int]) -> None:
    stream = Xof(TAG, b"seed")
    pieces = b"".join(stream.read(size) for size in sizes)
    assert pieces == hashlib.shake_256(TAG + b"seed").digest(sum(sizes))


def test_below_rejects_words_above_the_last_multiple() -> None:
    # With this bound a quarter of all words is rejected; follow the stream by hand.
    bound = 3 << 62
    words = Xof(TAG, b"reject")
    by_hand = [int.from_bytes(words.read(8), "big") for _ in range(64)]
    kept = [word for word in by_hand if word < bound]
    assert 0 < len(kept) < len(by_hand)
    stream = Xof(TAG, b"reject")
    assert [stream.below(bound) for _ in kept] == kept


@pytest.mark.parametrize("bound", [0, -1, (1 << 64) + 1])
def test_below_refuses_bounds(bound: int) -> None:
    with pytest.raises(ValueError, match="bound"):
        Xof(TAG).below(bound)


def test_below_takes_whole_words() -> None:
    assert Xof(TAG).below(1 << 64) == int.from_bytes(Xof(TAG).read(8), "big")
    assert Xof(TAG).below(1) == 0


def test_integers_have_fixed_width() -> None:
    assert (u16(1), u32(1), u64(1)) == (b"\0\1", b"\0\0\0\1", bytes(7) + b"\1")
    for encode, bits in ((u16, 16), (u32, 32), (u64, 64)):
        with pytest.raises(OverflowError):
            encode(1 << bits)
