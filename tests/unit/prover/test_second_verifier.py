"""A second verifier, written from the page, says of every proof what the product's says.

It is plain Python: a proof takes it one to two seconds of processor time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from esper.model import load_model
from esper.model.config import Shape
from esper.primitives.ids import ModelId
from esper.prover import Statement, prove
from tests.spec.proof import parameters as p
from tests.spec.proof.sections import sections
from tests.spec.proof.verifier import decode
from tests.support.second_verifier import (
    ACCEPTED,
    LOUD,
    MALFORMED,
    REJECTED,
    common_verdict,
    flipped,
    modes_of,
    random_model,
)

pytest.importorskip("esper._native", reason="needs the compiled extension: run `make build`")

GENESIS = Path(__file__).resolve().parents[3] / "genesis" / "model"
BINDING = bytes(range(64))
PROMPTS = [[1, 5, 9], [3, 4]]


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> tuple[Statement, bytes]:
    """Two sequences of a random model."""
    model = random_model(tmp_path_factory.mktemp("model"), 1)
    return prove(model, PROMPTS, max_answer=3, binding=BINDING)


def test_the_genesis_model_is_accepted() -> None:
    model = load_model(GENESIS)
    prompts = [model.encode("Once upon a time"), model.encode("The dog")]
    statement, proof = prove(model, prompts, max_answer=8, binding=BINDING)
    assert common_verdict(statement, proof) == ACCEPTED


def _all_modes(folder: Path) -> tuple[Statement, bytes]:
    model = random_model(folder, 3, bits=(12, 20, 18), louder=LOUD, z_bits=(18,))
    return prove(model, PROMPTS, max_answer=3, binding=BINDING)


def _some_modes(folder: Path) -> tuple[Statement, bytes]:
    """Wide updates without a clamp, clamps of two classes alone; sequences rounded up."""
    model = random_model(folder, 10, bits=(16, 16, 20), louder={"gate_proj": 30})
    return prove(model, [*PROMPTS, [7] * 5], max_answer=(3, 1, 2), binding=BINDING)


def _wide_z(folder: Path) -> tuple[Statement, bytes]:
    """Wide in both layers, and nothing else."""
    model = random_model(folder, 11, z_bits=(22,))
    return prove(model, PROMPTS, max_answer=2, binding=BINDING)


def _two_widths_of_z(folder: Path) -> tuple[Statement, bytes]:
    """Wide in one of two layers, and clamped: two tables of clamps of z."""
    model = random_model(folder, 12, louder={"up_proj": 40}, z_bits=(18, 16))
    return prove(model, PROMPTS, max_answer=2, binding=BINDING)


def _third_slack_limb(folder: Path) -> tuple[Statement, bytes]:
    model = random_model(folder, 9, bits=(16, 16, 16), louder={"lm_head": 20000})
    return prove(model, [[1, 5, 9] * 4], max_answer=2, binding=BINDING)


def _one_overflow_limb(folder: Path) -> tuple[Statement, bytes]:
    louder = {"q_proj": 2, "k_proj": 2}
    model = random_model(folder, 8, bits=(16, 16, 16), louder=louder, score_shift=13)
    return prove(model, [*PROMPTS, [7]], max_answer=2, binding=BINDING)


def _smallest(folder: Path) -> tuple[Statement, bytes]:
    """Two rows, one answer, every logit listed; scores without remainder."""
    shape = Shape(3, dim=1, hidden=1, layers=1, heads=1, kv_heads=1, head_dim=2, max_seq=2)
    model = random_model(folder, 5, shape=shape, score_shift=1)
    return prove(model, [[1]], max_answer=1, binding=BINDING, top_k=3)


@pytest.mark.parametrize(
    ("make", "modes"),
    [
        (_all_modes, "7f020707"),
        (_some_modes, "18000202"),
        (_wide_z, "00000404"),
        (_two_widths_of_z, "50000400"),
        (_third_slack_limb, "00040000"),
        (_one_overflow_limb, "00010000"),
        (_smallest, "000200"),
    ],
)
def test_every_mode_is_accepted(
    make: Callable[[Path], tuple[Statement, bytes]], modes: str, tmp_path: Path
) -> None:
    statement, proof = make(tmp_path)
    assert modes_of(proof).hex() == modes
    assert common_verdict(statement, proof) == ACCEPTED


def test_bytes_that_do_not_decode_are_malformed(proven: tuple[Statement, bytes]) -> None:
    statement, proof = proven
    starts = sections(decode(statement, proof))
    modes, rows = starts["modes"], starts["embedding rows"]
    no_element = b"\xff" * 8
    malformed = [
        *(proof[:cut] for cut in (0, 3, 4, modes, modes + 1, rows, rows + 9, len(proof) - 1)),
        proof + b"\0",
        proof + bytes(p.PROOF_BYTES.most),
        proof[:-8] + no_element,
        *(
            proof[: starts[name]] + no_element + proof[starts[name] + 8 :]
            for name in ("early value", "linear", "opening 0 work 0", "opening 1 rows 0")
        ),
        *(proof[: modes + i] + b"\xff" + proof[modes + i + 1 :] for i in range(rows - modes)),
        *(proof[:modes] + bytes([0, limbs]) + proof[modes + 2 :] for limbs in (3, 8)),
        *(proof[: modes + 2] + bytes([layer]) + proof[modes + 3 :] for layer in (1, 2, 4, 8)),
        *(flipped(proof, starts[name]) for name in ("opening 0 length", "opening 1 length")),
        flipped(proof, starts["opening 0 sibling count 0"]),
        flipped(proof, starts["opening 0 sibling count 0"] + 3, 0x80),
    ]
    for number, data in enumerate(malformed):
        assert common_verdict(statement, data) == MALFORMED, number


def test_what_is_read_first_decides(proven: tuple[Statement, bytes]) -> None:
    """Descriptor and modes, then whose descriptor, then the statement, the rows, the rest."""
    statement, proof = proven
    starts = sections(decode(statement, proof))
    bad_modes = flipped(proof, starts["modes"], 0x80)
    other_rows = flipped(proof, starts["embedding rows"])
    foreign = dataclasses.replace(statement, model_id=ModelId(bytes(64)))
    refused = dataclasses.replace(statement, rows=3)
    for data, verdict in ((bad_modes, MALFORMED), (proof + b"\0", REJECTED)):
        assert common_verdict(foreign, data) == verdict
        assert common_verdict(refused, data) == verdict
    assert common_verdict(foreign, b"") == MALFORMED
    assert common_verdict(statement, other_rows[:-1]) == REJECTED
    assert common_verdict(statement, other_rows[: starts["embedding rows"] + 9]) == MALFORMED
    assert common_verdict(foreign, proof + bytes(p.PROOF_BYTES.most)) == MALFORMED


def test_openings_in_each_others_place_are_refused(proven: tuple[Statement, bytes]) -> None:
    statement, proof = proven
    starts = sections(decode(statement, proof))
    witness, chunk = starts["opening 0 length"], starts["opening 1 length"]
    swapped = proof[:witness] + proof[chunk:] + proof[witness:chunk]
    assert common_verdict(statement, swapped) in {MALFORMED, REJECTED}
    row, width = starts["opening 0 rows 0"], 8 << p.FIRST_FOLD
    first, second = proof[row : row + width], proof[row + width : row + 2 * width]
    swapped = proof[:row] + second + first + proof[row + 2 * width :]
    assert common_verdict(statement, swapped) == REJECTED


@pytest.mark.soak
def test_bytes_changed_anywhere_are_judged_alike(proven: tuple[Statement, bytes]) -> None:
    statement, proof = proven
    random = Random(20)
    for _ in range(60):
        at, size = random.randrange(len(proof) - 8), random.randrange(1, 9)
        changed = proof[:at] + random.choice((random.randbytes(size), b"\xff" * size))
        changed += proof[at + size :]
        if changed != proof:
            assert common_verdict(statement, changed) in {MALFORMED, REJECTED}, at
