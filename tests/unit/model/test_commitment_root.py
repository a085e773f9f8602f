"""The plain Python commitment agrees with the vectors that the native crate is tested against."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from esper.model.naming.commitment_root import (
    MODULUS,
    TWO_ADIC_ROOT,
    TWO_ADICITY,
    commitment_root,
    evaluations,
    leaf_digest,
    node_digest,
)


def _reference() -> ModuleType:
    """Load the module beside this file, which no package holds."""
    path = Path(__file__).parents[2] / "spec" / "commitment_reference.py"
    spec = importlib.util.spec_from_file_location("commitment_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["commitment_reference"] = module
    spec.loader.exec_module(module)
    return module


reference = _reference()


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    path = Path(__file__).parents[2] / "vectors" / "commitment.json"
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def test_root_of_unity_has_its_order() -> None:
    assert pow(7, (MODULUS - 1) >> TWO_ADICITY, MODULUS) == TWO_ADIC_ROOT
    assert pow(TWO_ADIC_ROOT, 1 << (TWO_ADICITY - 1), MODULUS) == MODULUS - 1


def test_field(vectors: dict[str, Any]) -> None:
    assert vectors["field"]
    for case in vectors["field"]:
        a, b = int(case["a"]), int(case["b"])
        assert (a + b) % MODULUS == int(case["sum"])
        assert (a - b) % MODULUS == int(case["difference"])
        assert a * b % MODULUS == int(case["product"])
        assert a * pow(b, -1, MODULUS) % MODULUS == int(case["quotient"])


def test_extension(vectors: dict[str, Any]) -> None:
    assert vectors["extension"]
    for case in vectors["extension"]:
        a, b = [int(x) for x in case["a"]], [int(x) for x in case["b"]]
        assert reference.multiply(a, b) == [int(x) for x in case["product"]]
        inverse = [int(x) for x in case["inverse_of_a"]]
        assert reference.multiply(a, inverse) == [1, 0, 0]


def test_hashes(vectors: dict[str, Any]) -> None:
    for case in vectors["hash"]["leaves"]:
        assert leaf_digest([int(x) for x in case["row"]]).hex() == case["leaf"]
    node = vectors["hash"]["node"]
    digest = node_digest(bytes.fromhex(node["left"]), bytes.fromhex(node["right"]))
    assert digest.hex() == node["digest"]


def test_transcript(vectors: dict[str, Any]) -> None:
    transcript = reference.Transcript(vectors["transcript"]["domain"])
    drawn = 0
    for step in vectors["transcript"]["steps"]:
        if "challenge" in step:
            assert [str(x) for x in transcript.challenge()] == step["challenge"]
            drawn += 1
            continue
        kind, value = step["absorb"], step["value"]
        if kind == "bytes":
            transcript.absorb_bytes(bytes.fromhex(value))
        elif kind == "extension":
            transcript.absorb_extension([int(x) for x in value])
        else:
            getattr(transcript, f"absorb_{kind}")(int(value))
    assert drawn == 18


def test_evaluations_are_values_of_the_polynomial() -> None:
    coefficients = [3, MODULUS - 1, 0, 7]
    root = pow(TWO_ADIC_ROOT, 1 << (TWO_ADICITY - 5), MODULUS)
    for i, value in enumerate(evaluations(coefficients, 5)):
        x = pow(root, i, MODULUS)
        assert value == sum(c * pow(x, k, MODULUS) for k, c in enumerate(coefficients)) % MODULUS


def test_roots(vectors: dict[str, Any]) -> None:
    assert vectors["roots"]
    for case in vectors["roots"]:
        values = [(i**3 - 5000 * i) % MODULUS for i in range(case["cells"])]
        assert commitment_root(values, case["log_inv_rate"]).hex() == case["root"]
        values[-1] = (values[-1] + 1) % MODULUS
        assert commitment_root(values, case["log_inv_rate"]).hex() != case["root"]


@pytest.mark.parametrize(
    ("values", "log_inv_rate", "field"),
    [
        ([], 1, "cells"),
        ([0] * 31 + [MODULUS], 1, r"cells\[31\]"),
        ([-1] + [0] * 31, 1, r"cells\[0\]"),
        ([0] * 32, 0, "log_inv_rate"),
        ([0] * 32, 33, "log_inv_rate"),
    ],
)
def test_bad_input_is_named(values: list[int], log_inv_rate: int, field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}:"):
        commitment_root(values, log_inv_rate)
