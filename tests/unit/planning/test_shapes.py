"""Shapes by name, written out, of files and folders; and what is none."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from bench.random_integers import write_random_integers
from esper.embedded import find_embedded
from esper.model.config import Shape
from esper.model.errors import ModelError
from esper.model.g16_parameters import read_parameters
from esper.planning.cells import model_weights
from esper.planning.shapes import NAMED, ShapeError, shape_of

SMALL = Shape(300, 48, 100, 3, 6, 2, 8, 256)
WRITTEN = ",".join(f"{name}={value}" for name, value in asdict(SMALL).items())
CONFIG = {
    "model_type": "llama",
    "vocab_size": 300,
    "hidden_size": 48,
    "intermediate_size": 100,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("260k", 0.26e6), ("15m", 15.2e6), ("110m", 110e6), ("135m", 135e6), ("360m", 0.36e9),
        ("1b", 1.24e9), ("8b", 7.5e9), ("70b", 69.5e9), ("405b", 404e9),
    ],
)  # fmt: skip
def test_names_say_about_how_many_weights_there_are(name: str, weights: float) -> None:
    assert shape_of(name.upper()) == NAMED[name]
    assert model_weights(NAMED[name]) == pytest.approx(weights, rel=0.02)


def test_written_out_in_any_order() -> None:
    assert shape_of(WRITTEN) == SMALL
    assert shape_of(", ".join(reversed(WRITTEN.split(",")))) == SMALL


def test_files_and_folders(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG))
    assert shape_of(str(file)) == shape_of(str(tmp_path)) == SMALL
    # The integers come before a config that lies beside them.
    write_random_integers(tmp_path, NAMED["260k"])
    assert shape_of(str(tmp_path)) == NAMED["260k"]


def test_genesis_is_the_embedded_model() -> None:
    assert shape_of("genesis") == read_parameters(find_embedded().model).shape


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no shape: give one of 260k"),
        ("9b", "'9b' is no shape"),
        ("no/such/folder", "is no shape"),
        ("vocab=3", "lacks dim, hidden"),
        (WRITTEN.replace("dim=48", "dim=0", 1), "dim is 0: give 1 to"),
        (WRITTEN.replace("dim=48", "dim=-1", 1), "dim is '-1': give a number"),
        (WRITTEN.replace("dim=48", f"dim={10**30}", 1), "dim is '1000"),
        (WRITTEN.replace("dim=48", "dim=\u0663", 1), "give a number"),
        (WRITTEN.replace("dim=48", "dim=999999999", 1), "give 1 to 33554432"),
        (WRITTEN.replace("kv_heads=2", "kv_heads=4"), "kv_heads is 4: give a divisor of heads = 6"),
        (WRITTEN.replace("head_dim=8", "head_dim=7"), "head_dim is 7: give an even number"),
        (WRITTEN + ",dim=3", "dim is given twice"),
        (WRITTEN + ",depth=3", "has no 'depth'"),
    ],
)
def test_what_is_none_is_told_by_field(text: str, told: str) -> None:
    with pytest.raises(ShapeError) as error:
        shape_of(text)
    assert told in str(error.value)


def test_a_file_that_is_no_config_is_told(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG | {"num_hidden_layers": 10**30}))
    with pytest.raises(ModelError, match="num_hidden_layers"):
        shape_of(str(file))
    file.write_text("{}")
    with pytest.raises(ModelError, match="model_type"):
        shape_of(str(file))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"config\.json"):
        shape_of(str(tmp_path / "empty"))
