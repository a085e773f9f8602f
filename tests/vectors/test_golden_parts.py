"""The format of a proof in parts is frozen, and both verifiers look at each of its parts."""

from __future__ import annotations

import json
from functools import partial
from hashlib import sha3_256
from pathlib import Path
from typing import Any

import pytest

from esper.prover import Statement, VerificationError, proof_file, verify
from esper.prover.proof_file import ProofFileError
from tests.spec.proof import parts
from tests.spec.proof.errors import RefusedError
from tests.spec.proof.parts import DecodedParts
from tests.support.absorptions import steps_of
from tests.support.golden_parts import (
    ABSORPTIONS,
    FILE,
    INDEX,
    PARTS,
    common_verdict,
    decoded,
    places,
    product_verdict,
    prove_three,
    second_verdict,
)
from tests.support.second_verifier import ACCEPTED, MALFORMED, REJECTED, flipped

pytest.importorskip("esper._native", reason="needs the compiled extension: run `make build`")

INDEXED: dict[str, Any] = json.loads(INDEX.read_text(encoding="utf-8"))
TRIED_BY_BOTH = 4
"""Changed proofs that decode and that the second verifier judges too: seconds of its time each."""


def golden() -> tuple[Statement, bytes]:
    """Statement and proof of the file."""
    statement, proof, in_parts = proof_file.read_any(FILE)
    assert in_parts
    return statement, proof


def test_it_is_accepted_by_both() -> None:
    statement, proof = golden()
    assert common_verdict(statement, statement.model_id, proof) == ACCEPTED


def test_it_is_what_the_index_says() -> None:
    statement, proof = golden()
    assert sha3_256(FILE.read_bytes()).hexdigest() == INDEXED["sha3_256"]
    found = decoded(statement, proof)
    assert statement.model_id.hex() == INDEXED["parts_id"]
    assert [one.hex() for one in found.ids] == INDEXED["part_ids"]
    assert [one.hash.hex() for one in found.boundaries] == INDEXED["residuals"]
    assert [part.layout.modes.data.hex() for part in found.parts] == INDEXED["modes"]


def test_each_changed_piece_is_refused_as_it_was() -> None:
    statement, proof = golden()
    known, starts = statement.model_id, places(decoded(statement, proof), proof)
    pieces: dict[str, list[Any]] = INDEXED["pieces"]
    assert {name: at for name, (at, _) in pieces.items()} == starts
    for number, (name, (at, verdict)) in enumerate(pieces.items()):
        changed = flipped(proof, at)
        assert product_verdict(statement, known, changed) == verdict != ACCEPTED, name
        if verdict == MALFORMED or number % (len(pieces) // TRIED_BY_BOTH) == 0:
            assert second_verdict(statement, known, changed) == verdict, name


def forgetful(statement: Statement, found: DecodedParts, forgotten: int) -> str:
    """The verdict of a verifier that looks at all parts but one."""
    try:
        for index in range(PARTS):
            if index != forgotten:
                parts.verify_part(statement, found, index)
    except RefusedError:
        return REJECTED
    return ACCEPTED


@pytest.mark.parametrize("index", range(PARTS))
def test_a_verifier_that_forgets_a_part_is_caught(index: int) -> None:
    """Nothing of a part's own proof is looked at elsewhere: only its own check refuses it."""
    statement, proof = golden()
    at = places(decoded(statement, proof), proof)[f"part {index}: model value"]
    hollow = flipped(proof, at)
    assert common_verdict(statement, statement.model_id, hollow) == REJECTED
    found = decoded(statement, hollow)
    assert forgetful(statement, found, index) == ACCEPTED
    assert forgetful(statement, found, (index + 1) % PARTS) == REJECTED


@pytest.mark.parametrize("index", range(PARTS - 1))
def test_a_changed_residual_breaks_every_part(index: int) -> None:
    """Each part is bound to all residuals, not to its own two alone."""
    statement, proof = golden()
    at = places(decoded(statement, proof), proof)[f"residual {index}"]
    found = decoded(statement, flipped(proof, at))
    for part in range(PARTS):
        with pytest.raises(RefusedError):
            parts.verify_part(statement, found, part)


def test_what_is_absorbed_and_drawn_is_the_inventory() -> None:
    statement, proof = golden()
    found, steps = decoded(statement, proof), []
    for number in range(PARTS):
        verify_one = partial(parts.verify_part, statement, found, number)
        steps += [f"part {number}", *steps_of(parts, verify_one)]
    assert steps == ABSORPTIONS.read_text(encoding="utf-8").splitlines()


def test_it_is_no_proof_of_a_whole_model() -> None:
    statement, proof = golden()
    with pytest.raises(VerificationError):
        verify(statement, proof)
    with pytest.raises(ProofFileError, match="in parts"):
        proof_file.read(FILE)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_prover_still_makes_it(workers: int, tmp_path: Path) -> None:
    """Up to each part's first proof of work, as for whole models; in one process or in several."""
    statement, proof = golden()
    again, made = prove_three(tmp_path, workers)
    assert again == statement
    ours, theirs = (places(decoded(statement, one), one) for one in (proof, made))
    assert made[: ours["part 0: length"]] == proof[: ours["part 0: length"]]
    for index in range(PARTS):
        first, last = f"part {index}: modes", f"part {index}: opening 0 length"
        own = proof[ours[first] : ours[last]]
        assert made[theirs[first] : theirs[last]] == own
