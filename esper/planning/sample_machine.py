"""A machine's file to begin with: the machine on which the constants were measured."""

import json
from dataclasses import asdict
from typing import Final

from esper.planning.machine import Machine

REFERENCE: Final = Machine(
    name="two cores of an AMD EPYC with AVX-512",
    cores=2,
    memory_gib=23,
    speed=1,
    clearing_s_per_gib=1.8,
    memory_gb_per_s=17,
    line_mbit_per_s=100,
    price_per_hour=0.1,
)
"""Line and price are examples, all else was measured."""


def sample_text() -> str:
    """A file that can be read."""
    fields = {name: value for name, value in asdict(REFERENCE).items() if value is not None}
    return json.dumps(fields, indent=2) + "\n"
