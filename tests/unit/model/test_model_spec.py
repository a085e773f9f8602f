from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from esper.model.g16_format import read_integer_model
from esper.model.naming.integers_hash import integers_hash
from tests.spec.g16_numpy import SpecModel, Trace, logits_bytes, rounding_shift, saturate


def test_golden_vectors_bit_for_bit(golden_model: Path) -> None:
    vectors = json.loads((golden_model / "g16_vectors.json").read_text())
    model = SpecModel(golden_model)
    content = logits_bytes(model, vectors["tokens"])
    assert hashlib.sha256(content).hexdigest() == vectors["logits_sha256"]
    logits = np.frombuffer(content, dtype="<i8").reshape(6, 97, 512)
    assert logits.argmax(axis=-1).tolist() == vectors["argmax"]
    assert logits[0, 0].tolist() == vectors["first_row_first_position_logits"]
    assert logits[-1, -1].tolist() == vectors["last_row_last_position_logits"]


def test_logits_do_not_depend_on_what_follows(golden_model: Path) -> None:
    tokens = json.loads((golden_model / "g16_vectors.json").read_text())["tokens"][0][:20]
    model = SpecModel(golden_model)
    whole = model.logits(tokens)
    assert np.array_equal(model.logits(tokens[:11]), whole[:11])


def test_golden_tokens_meet_one_clamp(golden_model: Path) -> None:
    vectors = json.loads((golden_model / "g16_vectors.json").read_text())
    trace = Trace()
    SpecModel(golden_model).logits(vectors["tokens"][0], trace)
    assert len(trace.clamped) == 5 * 9 + 1
    # Unknown tokens in a row drive three values of the first layer past 16 bits.
    assert {site: n for site, n in trace.clamped.items() if n} == {"layers.0.v": 3}


def test_generation_stops_at_eos_and_keeps_it(golden_model: Path) -> None:
    model = SpecModel(golden_model)
    free = model.generate([1], 12, eos=-1)
    assert len(free) == 12
    stop = free[5]
    assert model.generate([1], 12, eos=stop) == free[: free.index(stop) + 1]


@pytest.mark.parametrize("tokens", [[], [512], [-1], [1] * 513])
def test_unfit_tokens_are_refused(golden_model: Path, tokens: list[int]) -> None:
    with pytest.raises(ValueError, match="tokens"):
        SpecModel(golden_model).logits(tokens)


def test_rounding_and_saturation_at_their_edges() -> None:
    values = np.array([-6, -5, -3, -2, 2, 3, 5, 6], dtype=np.int64)
    assert rounding_shift(values, 2).tolist() == [-1, -1, -1, 0, 1, 1, 1, 2]
    assert rounding_shift(values, 0) is values
    assert saturate(values * 100, 10, "site", None).tolist() == [
        *(-511, -500, -300, -200),
        *(200, 300, 500, 511),
    ]


def test_golden_integers_hash(golden_model: Path) -> None:
    # Computed twice, by this program and by the Rust loader, from the published file.
    assert integers_hash(read_integer_model(golden_model)).hex() == (
        "2bdfdb1ea57958f9b868327894fa173ac1d60320e1eec192eab2ed363d106fe8"
        "9ef7f378cf3b8e03305d06258ee21d6dda5b635bfecb1b59583cf3bfff75ff09"
    )
