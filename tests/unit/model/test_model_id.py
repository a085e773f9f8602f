"""The plain Python name of a model: against golden bytes, and against the native name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3

from esper.model import load_model
from esper.model.bounds import check_bounds
from esper.model.config import Shape
from esper.model.errors import BoundExceededError, InvalidFieldError
from esper.model.exporting.calibration import calibrate
from esper.model.exporting.export import ExportOptions, export_model
from esper.model.g16_format import IntegerModel, read_integer_model, write_integer_model
from esper.model.naming.commitment_root import MODULUS
from esper.model.naming.integers_hash import integers_hash
from esper.model.naming.model_id import (
    CLAMP_CLASSES,
    MODEL_ID_TAG,
    clamp_reach,
    descriptor,
    embed_bits,
    embedding_root,
    model_id,
)
from esper.model.naming.model_polynomial import model_cells
from esper.primitives.hashing import tagged_hash
from tests.spec.random_checkpoint import SMALL, random_checkpoint, write_tokenizer
from tests.spec.synthetic_model import synthetic_model

ODD = Shape(vocab=53, dim=20, hidden=28, layers=2, heads=6, kv_heads=2, head_dim=6, max_seq=16)


@pytest.fixture(scope="module")
def vector() -> dict[str, Any]:
    path = Path(__file__).parents[2] / "vectors" / "model_id_tiny.json"
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


@pytest.fixture(scope="module")
def odd_model(vector: dict[str, Any]) -> IntegerModel:
    """The vector's model: no size but one is a power of two."""
    shape = Shape(**vector["shape"])
    assert shape == ODD
    widths = {name: vector[name] for name in ("gate_bits", "z_bits", "o_bits", "down_bits")}
    return synthetic_model(vector["seed"], shape, **widths)


@pytest.fixture(scope="module")
def exported_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a model that went through the exporter."""
    folder = tmp_path_factory.mktemp("model")
    checkpoint = random_checkpoint(5)
    calibration = calibrate(checkpoint, [[1, 5, 9, 30, 39, 12, 12, 4, 28]])
    model = export_model(checkpoint, calibration, ExportOptions(gate_bits=12))
    write_integer_model(folder / "g16.safetensors", model)
    write_tokenizer(folder, SMALL.vocab)
    return folder


def test_golden_bytes(odd_model: IntegerModel, vector: dict[str, Any]) -> None:
    assert integers_hash(odd_model).hex() == vector["integers_hash"]
    encoded = descriptor(odd_model)
    assert encoded.hex() == vector["descriptor"]
    assert tagged_hash(MODEL_ID_TAG, encoded).hex() == vector["model_id"]


def test_native_name_equals_the_plain_one(exported_model: Path) -> None:
    native = pytest.importorskip("esper._native", reason="needs the extension: run `make build`")
    name = model_id(exported_model)
    assert len(name) == 64
    assert load_model(exported_model).model_id == name
    assert native.ProvingKey(load_model(exported_model).native).descriptor == descriptor(
        read_integer_model(exported_model)
    )


@pytest.mark.soak
def test_native_name_of_the_golden_model(golden_model: Path) -> None:
    pytest.importorskip("esper._native", reason="needs the extension: run `make build`")
    assert load_model(golden_model).model_id == model_id(golden_model)


def _places(model: IntegerModel) -> Iterator[tuple[str, int]]:
    """Name and value of every integer of the polynomial, in order, from the published layout."""
    tensors = model.tensors
    position = 0

    def matrix(name: str) -> Iterator[tuple[str, int]]:
        nonlocal position
        weight, multiplier = tensors[f"{name}.weight"], tensors[f"{name}.multiplier"]
        first = 0
        for width in (32, 16, 8, 4, 2, 1):
            if not weight.shape[1] & width:
                continue
            while position % width:
                yield "gap", 0
                position += 1
            for output in range(weight.shape[0]):
                for column in range(first, first + width):
                    yield (
                        f"{name}[{output}, {column}]",
                        int(weight[output, column]) * int(multiplier[output]),
                    )
                    position += 1
            first += width

    yield from matrix("lm_head")
    layers = range(model.parameters.shape.layers)
    for index in layers:
        for name in ("q", "k", "v", "o", "gate", "up", "down"):
            yield from matrix(f"layers.{index}.{name}_proj")
    for index in layers:
        for part in ("norm1_gain", "norm2_gain", "silu_table"):
            values = tensors[f"layers.{index}.{part}"].tolist()
            yield from ((part, value) for value in values[part == "silu_table" :])
    yield from (("final", value) for value in tensors["final_norm_gain"].tolist())
    for name in ("rope_cos", "rope_sin"):
        for pair in range(model.parameters.shape.head_dim // 2):
            yield from ((name, int(row[pair])) for row in tensors[name])
    yield from (("exp", int(tensors["exp_table"][min(d >> 1, 4095)])) for d in range(1, 32768))
    yield from (("rsqrt", int(tensors["rsqrt_table"][i])) for i in range(1024, 4096))


def test_every_integer_has_its_place(odd_model: IntegerModel) -> None:
    cells = model_cells(odd_model).tolist()
    places = list(_places(odd_model))
    assert len(cells) == len(places)
    assert sum(name == "gap" for name, _ in places) > 0
    assert cells == [value % MODULUS for _, value in places]


def test_embedding_tree() -> None:
    def keyed(context: str, *parts: bytes) -> bytes:
        return blake3(b"".join(parts), derive_key_context=context).digest()

    embed = np.array([[1, -2], [3, 4], [-5, 6]], dtype=np.int32)
    row, node = "esper embedding row v2", "esper embedding node v1"
    # Four bits each, the first value lowest.
    assert embed_bits(embed) == 4
    leaves = [
        keyed(row, i.to_bytes(4, "little"), bytes([first & 15 | (second & 15) << 4]))
        for i, (first, second) in enumerate(embed.tolist())
    ]
    top = keyed(node, keyed(node, leaves[0], leaves[1]), leaves[2])
    sizes = (3).to_bytes(8, "little") + (2).to_bytes(8, "little")
    assert embedding_root(embed) == keyed("esper embedding root v1", sizes, top)
    embed[2, 1] += 1
    assert embedding_root(embed) != keyed("esper embedding root v1", sizes, top)


def test_every_integer_changes_the_name(odd_model: IntegerModel, vector: dict[str, Any]) -> None:
    tensors = dict(odd_model.tensors)
    tensors["layers.1.v_proj.weight"] = tensors["layers.1.v_proj.weight"].copy()
    tensors["layers.1.v_proj.weight"][3, 3] ^= 1
    changed = descriptor(IntegerModel(odd_model.parameters, tensors))
    known = bytes.fromhex(vector["descriptor"])
    root, hash_ = slice(-128, -96), slice(-64, None)
    assert changed[root] != known[root]
    assert changed[hash_] != known[hash_]
    assert changed[-96:-64] == known[-96:-64], "the embedding is the same"


def test_quotients_of_a_class_must_hold_at_every_site(odd_model: IntegerModel) -> None:
    parameters = odd_model.parameters
    bounds = {(bound.site, bound.name): bound for bound in check_bounds(odd_model)}
    reach = clamp_reach(parameters, bounds)
    assert min(reach) >= 1
    # A short shift makes the quotient large; a long one makes the equation wrap with it.
    short, long = "layer 0", "layer 1"
    values = {short: 3 * 10**13, long: 10**13}
    layers = tuple(
        replace(layer, linear_shift=dict(layer.linear_shift) | {"v_proj": shift})
        for layer, shift in zip(parameters.layers, (16, 36), strict=True)
    )
    forced = bounds | {
        (site, "v_proj A"): replace(bounds[site, "v_proj A"], value=value)
        for site, value in values.items()
    }
    with pytest.raises(BoundExceededError, match="v_proj A with the quotients of its class"):
        clamp_reach(replace(parameters, layers=layers), forced)
    apart = forced | {(short, "v_proj A"): bounds[short, "v_proj A"]}
    assert clamp_reach(replace(parameters, layers=layers), apart)[2] == reach[2]


def test_quotients_of_z_are_fewer_where_z_is_wide(odd_model: IntegerModel) -> None:
    """One table for 16 and 24 bits would make the wide layer's equation wrap."""
    parameters = odd_model.parameters
    bounds = {(bound.site, bound.name): bound for bound in check_bounds(odd_model)}
    layers = tuple(
        replace(layer, z_bits=bits) for layer, bits in zip(parameters.layers, (16, 24), strict=True)
    )
    mixed = replace(parameters, layers=layers)
    greatest = 1 << 62
    for site in ("layer 0", "layer 1"):
        named = (site, "silu * A_up")
        forced = bounds | {named: replace(bounds[named], value=greatest)}
        reach = clamp_reach(mixed, forced)[CLAMP_CLASSES.index("z")]
        assert reach == ((greatest + 2**31 >> 32) + 32767) // 65535
        assert reach * (2**24 - 1) << 32 > MODULUS
        # What a layer of 24 bits needs: the quotient of its own width.
        assert -(-reach >> 8) >= ((greatest + 2**31 >> 32) + 2**23 - 1) // (2**24 - 1)
        forced[named] = replace(bounds[named], value=1 << 63)
        with pytest.raises(BoundExceededError, match="A_up with the quotients of its class"):
            clamp_reach(mixed, forced)


def test_models_that_no_proof_takes_are_named(odd_model: IntegerModel) -> None:
    layers = odd_model.parameters.layers
    shifts = {**layers[1].linear_shift, "v_proj": 37}
    coarse = replace(
        odd_model.parameters, layers=(layers[0], replace(layers[1], linear_shift=shifts))
    )
    with pytest.raises(InvalidFieldError, match=r"layer\[1\]\.linear_shift\.v_proj"):
        descriptor(IntegerModel(coarse, odd_model.tensors))
    far = replace(odd_model.parameters, final_norm_shift=47)
    with pytest.raises(InvalidFieldError, match="final_norm_shift"):
        descriptor(IntegerModel(far, odd_model.tensors))
    shape = replace(ODD, heads=256, layers=17)
    many = replace(odd_model.parameters, shape=shape, layers=layers[:1] * 17)
    with pytest.raises(InvalidFieldError, match="layers times heads' is 4352"):
        descriptor(IntegerModel(many, odd_model.tensors))
    edge = replace(odd_model.parameters, final_norm_shift=46)
    assert descriptor(IntegerModel(edge, odd_model.tensors))
