"""Write the golden proof in parts, and what both verifiers say of it and of changed ones.

    python -m tests.vectors.writers.write_golden_parts

Run it only when the version of the proof changes: verifiers take the old file for good.
"""

import json
import tempfile
from functools import partial
from hashlib import sha3_256
from pathlib import Path

from esper.prover import proof_file
from tests.spec.proof import parts
from tests.support.absorptions import steps_of
from tests.support.golden_parts import (
    ABSORPTIONS,
    FILE,
    INDEX,
    common_verdict,
    decoded,
    places,
    product_verdict,
    prove_three,
)
from tests.support.second_verifier import ACCEPTED, flipped


def main() -> None:
    """Prove it and write it beside the index."""
    FILE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        statement, proof = prove_three(Path(folder))
    known = statement.model_id
    assert common_verdict(statement, known, proof) == ACCEPTED
    data = proof_file.encode(statement, proof, in_parts=True)
    found = decoded(statement, proof)
    index = {
        "sha3_256": sha3_256(data).hexdigest(),
        "parts_id": known.hex(),
        "part_ids": [one.hex() for one in found.ids],
        "residuals": [one.hash.hex() for one in found.boundaries],
        "modes": [part.layout.modes.data.hex() for part in found.parts],
        "pieces": {
            name: [at, product_verdict(statement, known, flipped(proof, at))]
            for name, at in places(found, proof).items()
        },
    }
    FILE.write_bytes(data)
    INDEX.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    steps: list[str] = []
    for number in range(len(found.parts)):
        steps.append(f"part {number}")
        steps += steps_of(parts, partial(parts.verify_part, statement, found, number))
    ABSORPTIONS.write_text("\n".join(steps) + "\n", encoding="utf-8")
    print(len(proof), len(index["pieces"]))


if __name__ == "__main__":
    main()
