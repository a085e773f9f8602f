"""Write the golden vectors of the commitment from the plain Python implementations.

    python -m tests.vectors.writers.write_commitment

The cases of field, extension and transcript are those of the file; their answers are computed anew,
as is everything else. Run it only when the version of the proof system changes.
"""

import json
from pathlib import Path
from typing import Any

from esper.model.naming.commitment_root import (
    MODULUS,
    commitment_root,
    leaf_digest,
    node_digest,
)
from tests.spec import commitment_reference as reference
from tests.spec.proof import parameters as p
from tests.spec.proof.opening.schedule import Size, schedule

PATH = Path(__file__).parents[1] / "commitment.json"
OPENINGS = (1, 2, 3, 4, 8)
"""Commitments that a proof opens, the witness among them: they decide the level."""
LEAVES = (1, 4, 17, 32, 48)
"""Elements of a leaf: with zeros in its last block and without, and 16 of the extension."""
ROOTS = ((1, 1), (320, 2), (1024, 3), (1025, 1), (2048, 3), (2500, 2))
"""Cells, logarithm of the inverse rate: widths 1, 10, 32, 17, 32, 20."""


def vectors(cases: dict[str, Any]) -> dict[str, Any]:
    """All vectors, the cases of field, extension and transcript being those of ``cases``."""
    return {
        "about": "Written by tests/vectors/writers/write_commitment.py; integers are decimal "
        "strings. The cell at index i of a committed polynomial is i^3 - 5000 i.",
        "field": [_field(int(case["a"]), int(case["b"])) for case in cases["field"]],
        "extension": [_extension(_integers(c["a"]), _integers(c["b"])) for c in cases["extension"]],
        "hash": {"leaves": [_leaf(width) for width in LEAVES], "node": _node()},
        "transcript": _transcript(cases["transcript"]),
        "roots": [_root(*case) for case in ROOTS],
        "schedules": [
            [schedule_text(num_vars, openings) for openings in OPENINGS]
            for num_vars in range(p.NUM_VARS.least, p.NUM_VARS.most + 1)
        ],
    }


def _integers(texts: list[str]) -> list[int]:
    return [int(text) for text in texts]


def _texts(integers: list[int]) -> list[str]:
    return [str(integer) for integer in integers]


def _field(a: int, b: int) -> dict[str, str]:
    return {
        "a": str(a),
        "b": str(b),
        "sum": str((a + b) % MODULUS),
        "difference": str((a - b) % MODULUS),
        "product": str(a * b % MODULUS),
        "quotient": str(a * pow(b, -1, MODULUS) % MODULUS),
    }


def _extension(a: list[int], b: list[int]) -> dict[str, list[str]]:
    product, inverse = reference.multiply(a, b), reference.invert(a)
    answers = {"a": a, "b": b, "product": product, "inverse_of_a": inverse}
    return {name: _texts(value) for name, value in answers.items()}


def _leaf(width: int) -> dict[str, Any]:
    row = [pow(7, width * 100 + i, MODULUS) for i in range(width)]
    return {"row": _texts(row), "leaf": leaf_digest(row).hex()}


def _node() -> dict[str, str]:
    left, right = bytes(range(32)), bytes(range(32, 64))
    return {"left": left.hex(), "right": right.hex(), "digest": node_digest(left, right).hex()}


def _transcript(case: dict[str, Any]) -> dict[str, Any]:
    transcript = reference.Transcript(case["domain"])
    steps: list[dict[str, Any]] = []
    for step in case["steps"]:
        match step:
            case {"absorb": "bytes", "value": value}:
                transcript.absorb_bytes(bytes.fromhex(value))
            case {"absorb": "u64", "value": value}:
                transcript.absorb_u64(int(value))
            case {"absorb": "base", "value": value}:
                transcript.absorb_base(int(value))
            case {"absorb": "extension", "value": value}:
                transcript.absorb_extension(_integers(value))
            case _:
                steps.append({"challenge": _texts(transcript.challenge())})
                continue
        steps.append(step)
    return {"domain": case["domain"], "steps": steps}


def _root(cells: int, rate: int) -> dict[str, Any]:
    root = commitment_root([(i**3 - 5000 * i) % MODULUS for i in range(cells)], rate)
    return {"cells": cells, "log_inv_rate": rate, "root": root.hex()}


def schedule_text(num_vars: int, openings: int) -> str:
    """A schedule as the native crate writes it, in a proof with so many openings."""
    plan = schedule(Size(num_vars, 1 << p.FIRST_FOLD), p.level(openings))
    parts = ["ood 1, pow 0"]
    for phase in plan.phases:
        outside = int(phase is not plan.phases[-1])
        parts.append(
            f"2^{phase.variables + phase.rate}/{phase.fold}: queries {phase.queries}, "
            f"pow {phase.work}, ood {outside}, pow 0"
        )
    return " | ".join([*parts, f"sumcheck {plan.last_vars}, pow 0"])


if __name__ == "__main__":
    PATH.write_text(json.dumps(vectors(json.loads(PATH.read_text())), indent=1) + "\n")
