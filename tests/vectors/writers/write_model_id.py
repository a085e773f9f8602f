"""Write the golden vector of model names from the plain Python implementation.

    python -m tests.vectors.writers.write_model_id

Run it only when the version of the proof system changes: a name that changes is another model.
"""

import json
from pathlib import Path
from typing import Any

from esper.model.config import Shape
from esper.model.naming.integers_hash import integers_hash
from esper.model.naming.model_id import MODEL_ID_TAG, descriptor
from esper.primitives.hashing import tagged_hash
from tests.spec.synthetic_model import synthetic_model

CASE: dict[str, Any] = {
    "seed": 2,
    "shape": {
        "vocab": 53,
        "dim": 20,
        "hidden": 28,
        "layers": 2,
        "heads": 6,
        "kv_heads": 2,
        "head_dim": 6,
        "max_seq": 16,
    },
    "gate_bits": 12,
    "z_bits": 18,
    "o_bits": 20,
    "down_bits": 20,
}


def vector() -> dict[str, Any]:
    """The model that the native generator makes of :data:`CASE`, and its names."""
    widths = {name: CASE[name] for name in ("gate_bits", "z_bits", "o_bits", "down_bits")}
    model = synthetic_model(CASE["seed"], Shape(**CASE["shape"]), **widths)
    encoded = descriptor(model)
    return CASE | {
        "integers_hash": integers_hash(model).hex(),
        "descriptor": encoded.hex(),
        "model_id": tagged_hash(MODEL_ID_TAG, encoded).hex(),
    }


if __name__ == "__main__":
    path = Path(__file__).parents[1] / "model_id_tiny.json"
    path.write_text(json.dumps(vector(), indent=1) + "\n")
