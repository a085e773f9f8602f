"""Write the golden proofs of the format, and what both verifiers say of them and of changed ones.

    python -m tests.vectors.writers.write_golden_proofs

Run it only when the version of the proof changes: verifiers take the old files for good.
"""

import json
import tempfile
from collections.abc import Callable
from hashlib import sha3_256
from pathlib import Path
from typing import Any

from esper.prover import Statement, proof_file
from tests.spec.proof.sections import sections
from tests.spec.proof.verifier import decode
from tests.support.absorptions import absorptions
from tests.support.golden_proofs import BY_HAND, CASES, FOLDER, INDEX
from tests.support.second_verifier import (
    ACCEPTED,
    common_verdict,
    flipped,
    modes_of,
    product_verdict,
)


def entry(
    statement: Statement, proof: bytes, judge: Callable[[Statement, bytes], str]
) -> dict[str, Any]:
    """What is said of a proof: of itself, and with the first bit of each of its parts flipped."""
    assert judge(statement, proof) == ACCEPTED
    starts = sections(decode(statement, proof))
    ends = [*list(starts.values())[1:], len(proof)]
    parts = [(name, at) for (name, at), end in zip(starts.items(), ends, strict=True) if at < end]
    return {
        "sha3_256": sha3_256(proof_file.encode(statement, proof)).hexdigest(),
        "model_id": statement.model_id.hex(),
        "modes": modes_of(proof).hex(),
        "parts": {name: [at, judge(statement, flipped(proof, at))] for name, at in parts},
    }


def by_hand(name: str) -> dict[str, Any]:
    """A large proof is a minute's work for the second verifier; the first judges changed ones."""
    statement, proof = proof_file.read(FOLDER / f"{name}.proof")
    assert common_verdict(statement, proof) == ACCEPTED
    return entry(statement, proof, product_verdict)


def main() -> None:
    """Prove each case and write it beside the index."""
    FOLDER.mkdir(exist_ok=True)
    index = {name: by_hand(name) for name in BY_HAND}
    for name, make in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            statement, proof = make(Path(folder))
        (FOLDER / f"{name}.proof").write_bytes(proof_file.encode(statement, proof))
        index[name] = entry(statement, proof, common_verdict)
        if name == "smallest":
            steps = "\n".join(absorptions(statement, proof)) + "\n"
            (FOLDER / "absorptions.txt").write_text(steps, encoding="utf-8")
        print(name, len(proof), len(index[name]["parts"]))
    INDEX.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
