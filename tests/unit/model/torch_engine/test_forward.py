"""The forward pass in PyTorch against the golden vectors, NumPy and the native engine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import settings as runs
from hypothesis import strategies as st

pytest.importorskip("torch")

from esper.model import ModelError, load_model
from esper.model.config import Shape
from tests.spec.g16_numpy import SpecModel, Trace
from tests.support.second_verifier import LOUD, random_model
from tests.support.torch_engine.device_models import device_model, logits_of


def test_golden_vectors_bit_for_bit(golden_model: Path) -> None:
    vectors = json.loads((golden_model / "g16_vectors.json").read_text())
    found = logits_of(device_model(golden_model), vectors["tokens"])
    content = b"".join(one.astype("<i8").tobytes() for one in found)
    assert hashlib.sha256(content).hexdigest() == vectors["logits_sha256"]


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Sizes that are multiples of nothing, and heads that share keys."""
    kv_heads = draw(st.integers(1, 3))
    return Shape(
        vocab=draw(st.integers(5, 70)),
        dim=draw(st.integers(1, 50)),
        hidden=draw(st.integers(1, 70)),
        layers=draw(st.integers(1, 3)),
        heads=kv_heads * draw(st.integers(1, 3)),
        kv_heads=kv_heads,
        head_dim=2 * draw(st.integers(1, 7)),
        max_seq=48,
    )


@given(st.data())
@runs(max_examples=25)
def test_any_model_gives_what_numpy_and_the_native_engine_give(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    shape = data.draw(shapes())
    loud = data.draw(st.booleans())
    folder = tmp_path_factory.mktemp("model")
    try:
        native = random_model(
            folder,
            data.draw(st.integers(0, 2**32)),
            shape=shape,
            bits=data.draw(st.sampled_from(((12, 16, 16), (16, 20, 18)))),
            louder=LOUD if loud else None,
            z_bits=data.draw(st.sampled_from(((16,), (18,), (18, 16)))),
        )
    except ModelError:  # a bound that the native loader keeps
        reject()
    tokens = st.lists(st.integers(0, shape.vocab - 1), min_size=1, max_size=shape.max_seq)
    sequences = data.draw(st.lists(tokens, min_size=1, max_size=3))
    found = logits_of(device_model(folder), sequences, data.draw(st.integers(8, 32)))
    spec = SpecModel(folder)
    for ours, sequence in zip(found, sequences, strict=True):
        assert np.array_equal(ours, native.logits(sequence, threads=1))
        if len(sequence) <= 12:
            assert np.array_equal(ours, spec.logits(sequence))


@pytest.mark.parametrize("z_bits", [16, 18])
def test_clamps_act_as_in_the_native_engine(tmp_path: Path, z_bits: int) -> None:
    native = random_model(tmp_path, 3, bits=(12, 20, 18), louder=LOUD, z_bits=(z_bits,))
    sequence = [(7 * place) % 41 for place in range(32)]
    trace = Trace()
    expected = SpecModel(tmp_path).logits(sequence, trace)
    assert sum(1 for count in trace.clamped.values() if count) > len(trace.clamped) // 2
    assert np.array_equal(expected, native.logits(sequence))
    [found] = logits_of(device_model(tmp_path), [sequence])
    assert np.array_equal(found, expected)


def test_the_genesis_model_in_one_piece_and_token_by_token() -> None:
    folder = Path(__file__).resolve().parents[4] / "genesis" / "model"
    native = load_model(folder)
    sequence = native.encode("Once upon a time there was a dog who could count to ten")
    expected = native.logits(sequence)
    model = device_model(folder)
    for portion in (1, 7, 32):
        [found] = logits_of(model, [sequence], portion)
        assert np.array_equal(found, expected)
