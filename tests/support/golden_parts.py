"""The model and the proof in parts that is kept as a golden file, and what both verifiers say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from esper.model.config import Shape
from esper.primitives.ids import ModelId
from esper.prover import MalformedProofError, Statement, VerificationError
from esper.prover.parts import CutModel, prove_ready, verify_parts
from tests.spec.proof import parts as second
from tests.spec.proof.errors import MalformedError, RefusedError
from tests.spec.proof.parts import DecodedParts
from tests.spec.proof.sections import sections
from tests.support.second_verifier import ACCEPTED, MALFORMED, REJECTED, random_model

FOLDER = Path(__file__).parents[1] / "vectors" / "proofs" / "parts"
FILE = FOLDER / "three.proof"
INDEX = FOLDER / "golden.json"
ABSORPTIONS = FOLDER / "absorptions.txt"
BINDING = bytes(range(64))
PARTS = 3
_LENGTH = 4

SHAPE = Shape(vocab=11, dim=5, hidden=7, layers=4, heads=2, kv_heads=1, head_dim=2, max_seq=8)
"""Four layers for three parts; rows of a residual end inside a byte."""


def prove_three(folder: Path, workers: int = 1) -> tuple[Statement, bytes]:
    """Two sequences of different lengths; clamps on, updates wide in every part."""
    model = random_model(folder, 9, shape=SHAPE, bits=(12, 20, 18), louder={"_proj": 40})
    cut = CutModel(folder, model.native, PARTS)
    ready = cut.ready([[1, 5, 9], [3, 4]], max_answer=2, binding=BINDING)
    return prove_ready(ready, workers=workers)


def product_verdict(statement: Statement, parts_id: ModelId, proof: bytes) -> str:
    """What the product's verifier says."""
    try:
        verify_parts(statement, parts_id, proof)
    except MalformedProofError:
        return MALFORMED
    except VerificationError:
        return REJECTED
    return ACCEPTED


def second_verdict(statement: Statement, parts_id: ModelId, proof: bytes) -> str:
    """What the second verifier says."""
    try:
        second.verify_parts(statement, parts_id, proof)
    except MalformedError:
        return MALFORMED
    except RefusedError:
        return REJECTED
    return ACCEPTED


def common_verdict(statement: Statement, parts_id: ModelId, proof: bytes) -> str:
    """What both say; they must agree."""
    product = product_verdict(statement, parts_id, proof)
    own = second_verdict(statement, parts_id, proof)
    assert product == own, f"the product: {product}, the second verifier: {own}"
    return own


def decoded(statement: Statement, proof: bytes) -> DecodedParts:
    """A proof whose statement names the model in these parts."""
    return second.decode_parts(statement, statement.model_id, proof)


def places(found: DecodedParts, proof: bytes) -> dict[str, int]:
    """The first byte of each piece of a proof, by name."""
    return dict(_places(found, proof))


def _places(found: DecodedParts, proof: bytes) -> Iterator[tuple[str, int]]:
    yield "number of parts", 0
    at = _LENGTH
    for index, part in enumerate(found.parts):
        yield f"part {index}: descriptor length", at
        yield f"part {index}: descriptor", at + _LENGTH
        at += _LENGTH + len(part.descriptor)
    for index in range(len(found.boundaries)):
        yield f"residual {index}", at
        at += found.boundaries[index].size
    for index, part in enumerate(found.parts):
        yield f"part {index}: length", at
        size = int.from_bytes(proof[at : at + _LENGTH], "little")
        at += _LENGTH
        for name, start in sections(part).items():
            yield f"part {index}: {name}", at + start
        at += size
    assert at == len(proof)
