"""Descriptors of real models, and bytes that are none."""

import struct
from pathlib import Path

import pytest

from esper._native import NativeModel, ProvingKey
from esper.dao.descriptor import PROOF_VERSION, described, proof_version
from esper.primitives.networks import MAINNET

GENESIS = Path(__file__).parents[3] / "genesis" / "model"


@pytest.fixture(scope="module")
def descriptor() -> bytes:
    return ProvingKey(NativeModel.load(str(GENESIS))).descriptor


def changed(descriptor: bytes, word: int, value: int) -> bytes:
    return descriptor[: 8 * word] + struct.pack("<Q", value) + descriptor[8 * word + 8 :]


def test_the_genesis_model(descriptor: bytes) -> None:
    entry, found = MAINNET.model, described(descriptor)
    assert proof_version(descriptor) == PROOF_VERSION
    assert (found.model_id, found.shape) == (entry.model_id, entry.shape)
    assert (found.bos, found.eos) == (entry.bos, entry.eos)
    assert 1 <= found.embed_bits <= 32


@pytest.mark.parametrize(
    ("word", "value", "words"),
    [
        (0, 1, "spec version"),
        (0, 3, "spec version"),
        (1, 0, "model descriptor"),
        (2, 1, "vocab"),
        (3, 1 << 15, "dim"),
        (7, 7, "head_dim"),
        (9, 1024, "bos"),
        (15, 12, "cells"),
        (16, 33, "embed_bits"),
    ],
)
def test_what_breaks_a_limit_is_named(descriptor: bytes, word: int, value: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        described(changed(descriptor, word, value))


def test_bytes_that_end_early_or_go_on(descriptor: bytes) -> None:
    for data in (b"", descriptor[:7], descriptor[:-1], descriptor + b"\0"):
        with pytest.raises(ValueError, match=r"descriptor|spec version"):
            described(data)
    assert proof_version(descriptor[:7]) == 0
    with pytest.raises(ValueError, match="descriptor"):
        # A count of layers that the bytes do not hold costs nothing.
        described(changed(descriptor, 1, (1 << 32) - 1))
