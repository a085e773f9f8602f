"""The format of proofs is frozen: files of its version are accepted, and refused, as ever.

A test here that fails means that the version has to rise: nodes of two formats split the chain.
"""

from __future__ import annotations

import json
from hashlib import sha3_256
from pathlib import Path
from typing import Any

import pytest

from esper.prover import Statement, proof_file
from tests.spec.proof.sections import sections
from tests.spec.proof.verifier import decode
from tests.support.absorptions import absorptions
from tests.support.golden_proofs import BY_HAND, CASES, FOLDER, INDEX
from tests.support.second_verifier import (
    ACCEPTED,
    MALFORMED,
    common_verdict,
    flipped,
    modes_of,
    product_verdict,
    second_verdict,
)

pytest.importorskip("esper._native", reason="needs the compiled extension: run `make build`")

INDEXED: dict[str, dict[str, Any]] = json.loads(INDEX.read_text(encoding="utf-8"))
TRIED_BY_BOTH = 5
"""Changed proofs of a file that the second verifier judges too: a second of its time each."""


def golden(name: str) -> tuple[Statement, bytes]:
    """Statement and proof of a file."""
    return proof_file.read(FOLDER / f"{name}.proof")


def test_each_case_has_a_file_and_each_file_a_case() -> None:
    files = {path.stem for path in FOLDER.glob("*.proof")}
    assert files == {*CASES, *BY_HAND} == set(INDEXED)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_large_proof_is_accepted(name: str) -> None:
    assert product_verdict(*golden(name)) == ACCEPTED


@pytest.mark.soak
@pytest.mark.parametrize("name", BY_HAND)
def test_a_large_proof_is_accepted_by_the_second_verifier(name: str) -> None:
    assert second_verdict(*golden(name)) == ACCEPTED


@pytest.mark.parametrize("name", CASES)
def test_a_golden_proof_is_accepted_by_both(name: str) -> None:
    assert common_verdict(*golden(name)) == ACCEPTED


@pytest.mark.parametrize("name", INDEXED)
def test_a_golden_proof_is_what_the_index_says(name: str) -> None:
    data = (FOLDER / f"{name}.proof").read_bytes()
    assert sha3_256(data).hexdigest() == INDEXED[name]["sha3_256"]
    statement, proof = golden(name)
    assert statement.model_id.hex() == INDEXED[name]["model_id"]
    assert modes_of(proof).hex() == INDEXED[name]["modes"]


@pytest.mark.parametrize("name", INDEXED)
def test_each_changed_part_is_refused_as_it_was(name: str) -> None:
    statement, proof = golden(name)
    starts = sections(decode(statement, proof))
    parts: dict[str, list[Any]] = INDEXED[name]["parts"]
    for number, (part, (at, verdict)) in enumerate(parts.items()):
        assert starts[part] == at, part
        changed = flipped(proof, at)
        assert product_verdict(statement, changed) == verdict, part
        # A malformed one costs the second verifier nothing, of a large one too much.
        tried = name in CASES and number % (len(parts) // TRIED_BY_BOTH) == 0
        if verdict == MALFORMED or tried:
            assert second_verdict(statement, changed) == verdict, part


def test_what_is_absorbed_and_drawn_is_the_inventory() -> None:
    """A step left out, added or moved is another line, whoever's proof passes all the same."""
    kept = (FOLDER / "absorptions.txt").read_text(encoding="utf-8")
    assert absorptions(*golden("smallest")) == kept.splitlines()


@pytest.mark.parametrize("name", CASES)
def test_the_prover_still_makes_it(name: str, tmp_path: Path) -> None:
    """Up to the first proof of work: its witness depends on how many look for it, and what follows
    on the witness, the length of the opening too."""
    statement, proof = golden(name)
    starts = sections(decode(statement, proof))
    work = next(at for part, at in starts.items() if part.startswith("opening 0 work"))
    again, made = CASES[name](tmp_path)
    assert again == statement
    length, opening = starts["opening 0 length"], starts["opening 0 outside"]
    assert made[:length] == proof[:length]
    assert made[opening:work] == proof[opening:work]
