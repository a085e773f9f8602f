"""Frequencies of a `config.json` as transformers makes them of the same fields."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from esper.model.config import parse_config
from esper.model.rotary import scaled_frequency
from tests.spec.random_checkpoint import config_fields, random_checkpoint

VECTORS: Final = json.loads(Path(__file__).with_name("transformers_rotary.json").read_bytes())
FIELDS: Final = config_fields(random_checkpoint(1))
OLDER: Final = {"rope_theta", "rope_scaling"}
FLOAT32: Final = 1e-6
"""Relative: transformers computes in 24 bits, from a power and through a few products."""


@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("name", VECTORS["cases"])
def test_frequencies_are_those_of_transformers(name: str, newer: bool) -> None:
    case = VECTORS["cases"][name]
    config = parse_config(FIELDS | (_newer(case["fields"]) if newer else case["fields"]))
    theta, width = Decimal(config.rope_theta), config.shape.head_dim
    plain = [theta ** (Decimal(-pair) / width) for pair in range(0, width, 2)]
    ours = [float(scaled_frequency(frequency, config.rope_scaling)) for frequency in plain]
    assert ours == pytest.approx(case["inv_freq"], rel=FLOAT32)


def _newer(fields: dict[str, Any]) -> dict[str, Any]:
    """The same as transformers 5 writes it."""
    scaling = dict(fields.get("rope_scaling", {}))
    kind = scaling.pop("type", None) or scaling.pop("rope_type", "default")
    rest = {name: value for name, value in fields.items() if name not in OLDER}
    members = {"rope_type": kind, "rope_theta": fields["rope_theta"], **scaling}
    return {"rope_theta": None, **rest, "rope_parameters": members}
