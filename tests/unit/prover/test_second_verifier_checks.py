"""Each check of the second verifier by itself.

A changed proof mostly fails because other challenges are drawn. So the challenges of the honest
proof are kept here, for the changed one too: what is refused is refused by an equation.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from esper.prover import Statement, prove
from tests.spec.proof import parameters as p
from tests.spec.proof import verifier
from tests.spec.proof.arithmetic.field import Ext
from tests.spec.proof.arithmetic.transcript import Transcript
from tests.spec.proof.decoding import modes
from tests.spec.proof.errors import MalformedError, RejectedError
from tests.spec.proof.opening import merkle
from tests.spec.proof.opening.schedule import Size, schedule
from tests.spec.proof.sections import sections
from tests.support.second_verifier import (
    LOUD,
    MALFORMED,
    REJECTED,
    flipped,
    product_verdict,
    random_model,
)

pytest.importorskip("esper._native", reason="needs the compiled extension: run `make build`")

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "commitment.json"

FRACTION = "a layer of the fractional sum does not close"
PRODUCTS = "the products do not close"
CONTRACTION = "the contraction does not close"
WITNESS = "the claims on the witness do not close"
MODEL = "the claims on the model do not close"
ROWS = "rows do not stand under their root"
LAST = "the last polynomial is not what was queried"
OPENING = "an opening does not close"

RELATION_CHECKS = {
    "root denominator": FRACTION,
    "fraction ends 0": FRACTION,
    "fraction rounds 5": FRACTION,
    "fraction ends 17": FRACTION,
    "linear": PRODUCTS,
    "products": PRODUCTS,
    "final values": PRODUCTS,
    "contraction": CONTRACTION,
    "a_model": CONTRACTION,
    "a_witness": CONTRACTION,
    "b": CONTRACTION,
    "table value": WITNESS,
    "witness claims": WITNESS,
    "witness value": WITNESS,
    "model claims": MODEL,
    "model value": MODEL,
}
OPENING_CHECKS = {
    "early value": OPENING,
    "witness root": ROWS,
    "opening 0 outside": OPENING,
    "opening 0 fold": OPENING,
    "opening 0 root 0": ROWS,
    "opening 0 outside 0": OPENING,
    "opening 0 rows 0": ROWS,
    "opening 0 siblings 0": ROWS,
    "opening 0 fold 0": OPENING,
    "opening 0 rows 1": ROWS,
    "opening 0 last": LAST,
    "opening 0 rows last": ROWS,
    "opening 0 siblings last": ROWS,
    "opening 0 last fold": OPENING,
    "opening 1 outside": OPENING,
    "opening 1 fold 1": OPENING,
    "opening 1 rows 0": ROWS,
    "opening 1 last": LAST,
    "opening 1 last fold": OPENING,
}


class KeptChallenges(Transcript):
    """Keeps what it draws; a copy of it made by `again` hands out the same, whatever it absorbs."""

    def __init__(self, name: bytes) -> None:
        self._kept: list[Any] = []
        self._next: int | None = None
        super().__init__(name)

    def again(self, start: int) -> KeptChallenges:
        twin = copy.copy(self)
        twin._pending = bytearray()
        twin._next = start
        return twin

    @property
    def drawn(self) -> int:
        return len(self._kept)

    def _keep(self, value: Any) -> Any:
        if self._next is None:
            self._kept.append(value)
            return value
        self._next += 1
        return self._kept[self._next - 1]

    def draw(self) -> Ext:
        challenge: Ext = self._keep(super().draw() if self._next is None else None)
        return challenge

    def index(self, width: int) -> int:
        index: int = self._keep(super().index(width) if self._next is None else None)
        return index


@dataclasses.dataclass
class Honest:
    """A proof that is accepted, and the challenges that it meets."""

    statement: Statement
    proof: bytes
    starts: dict[str, int]
    challenges: KeptChallenges
    before_openings: int
    """How many challenges come before them."""
    claimed: list[verifier.Claimed]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Honest:
    model = random_model(
        tmp_path_factory.mktemp("model"), 3, bits=(12, 20, 18), louder=LOUD, z_bits=(18,)
    )
    statement, proof = prove(model, [[1, 5, 9], [3, 4]], max_answer=3, binding=bytes(64))
    decoded = verifier.decode(statement, proof)
    challenges = KeptChallenges(p.PROOF_NAME)
    claimed = verifier.check_relations(challenges, statement, decoded)
    before_openings = challenges.drawn
    verifier.check_openings(challenges, decoded.layout, claimed, decoded.openings)
    starts = sections(decoded)
    return Honest(statement, proof, starts, challenges, before_openings, claimed)


@pytest.mark.parametrize("name", RELATION_CHECKS)
def test_a_changed_value_breaks_its_relation(honest: Honest, name: str) -> None:
    changed = flipped(honest.proof, honest.starts[name])
    decoded = verifier.decode(honest.statement, changed)
    with pytest.raises(RejectedError, match=RELATION_CHECKS[name]):
        verifier.check_relations(honest.challenges.again(0), honest.statement, decoded)
    assert product_verdict(honest.statement, changed) == REJECTED


@pytest.mark.parametrize("name", OPENING_CHECKS)
def test_a_changed_value_breaks_its_opening(honest: Honest, name: str) -> None:
    changed = flipped(honest.proof, honest.starts[name])
    decoded = verifier.decode(honest.statement, changed)
    claimed = honest.claimed
    if not name.startswith("opening"):
        again = honest.challenges.again(0)
        claimed = verifier.check_relations(again, honest.statement, decoded)
    again = honest.challenges.again(honest.before_openings)
    with pytest.raises(RejectedError, match=OPENING_CHECKS[name]):
        verifier.check_openings(again, decoded.layout, claimed, decoded.openings)
    assert product_verdict(honest.statement, changed) == REJECTED


def test_the_honest_proof_passes_with_its_own_challenges(honest: Honest) -> None:
    """So the tests above are refused for what they change."""
    decoded = verifier.decode(honest.statement, honest.proof)
    again = honest.challenges.again(0)
    claimed = verifier.check_relations(again, honest.statement, decoded)
    verifier.check_openings(again, decoded.layout, claimed, decoded.openings)


def test_fractions_over_zero_are_refused(honest: Honest) -> None:
    at = honest.starts["root denominator"]
    changed = honest.proof[:at] + bytes(p.EXTENSION_BYTES) + honest.proof[at + p.EXTENSION_BYTES :]
    decoded = verifier.decode(honest.statement, changed)
    with pytest.raises(RejectedError, match="the root of the fractions is no fraction"):
        verifier.check_relations(honest.challenges.again(0), honest.statement, decoded)
    assert product_verdict(honest.statement, changed) == REJECTED


def test_work_must_be_done(honest: Honest) -> None:
    changed = flipped(honest.proof, honest.starts["opening 0 work 0"])
    decoded = verifier.decode(honest.statement, changed)
    transcript = Transcript(p.PROOF_NAME)
    claimed = verifier.check_relations(transcript, honest.statement, decoded)
    with pytest.raises(RejectedError, match="the proof of work is not done"):
        verifier.check_openings(transcript, decoded.layout, claimed, decoded.openings)
    assert product_verdict(honest.statement, changed) == REJECTED


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (0, 0xFF, "a bit that means nothing"),
        (1, 3, "too many overflow limbs"),
        (2, 8, "a bit that means nothing"),
        (2, 0, "a wide site is clamped but not carried at full width"),
        *((3, byte, "a wide site is clamped but not carried at full width") for byte in (3, 5, 6)),
    ],
)
def test_refused_modes_are_malformed(honest: Honest, place: int, value: int, problem: str) -> None:
    at = honest.starts["modes"] + place
    changed = honest.proof[:at] + bytes([value]) + honest.proof[at + 1 :]
    with pytest.raises(MalformedError, match=problem):
        verifier.decode(honest.statement, changed)
    assert product_verdict(honest.statement, changed) == MALFORMED


@pytest.mark.parametrize("site", [1, 2, 4])
def test_a_site_of_16_bits_has_no_full_width(honest: Honest, site: int) -> None:
    d = verifier.decode(honest.statement, honest.proof).layout.d
    layers = tuple(
        dataclasses.replace(layer, o_bits=16, down_bits=16, z_bits=16) for layer in d.layers
    )
    narrow = dataclasses.replace(d, layers=layers)
    assert modes.decode(bytes(4), narrow).data == bytes(4)
    with pytest.raises(MalformedError, match="a site of 16 bits is carried at full width"):
        modes.decode(bytes([0, 0, site, 0]), narrow)


@pytest.mark.parametrize(("siblings", "problem"), [(-1, "too few"), (1, "too many")])
def test_siblings_are_as_many_as_needed(honest: Honest, siblings: int, problem: str) -> None:
    starts, proof = honest.starts, honest.proof
    length, count = starts["opening 0 length"], starts["opening 0 sibling count last"]
    first = starts["opening 0 siblings last"]
    after = proof[first:]
    after = bytes(p.DIGEST_BYTES) + after if siblings > 0 else after[p.DIGEST_BYTES :]
    changed = bytearray(proof[:first] + after)
    for at, step in ((length, siblings * p.DIGEST_BYTES), (count, siblings)):
        value = int.from_bytes(proof[at : at + 4], "little") + step
        changed[at : at + 4] = value.to_bytes(4, "little")
    decoded = verifier.decode(honest.statement, bytes(changed))
    again = honest.challenges.again(honest.before_openings)
    with pytest.raises(RejectedError, match=problem):
        verifier.check_openings(again, decoded.layout, honest.claimed, decoded.openings)
    assert product_verdict(honest.statement, bytes(changed)) == REJECTED


def test_a_row_that_is_opened_twice_is_one_row() -> None:
    rows = [[1, 2], [3, 4]]
    leaves = [merkle.leaf(row) for row in rows]
    root = merkle.node(*leaves)
    merkle.check(root, 1, [1, 0, 1], [rows[1], rows[0], rows[1]], [])
    with pytest.raises(RejectedError, match="one row of a codeword is opened as two"):
        merkle.check(root, 1, [1, 0, 1], [rows[1], rows[0], rows[0]], [])


@pytest.fixture(scope="module")
def vectors() -> Any:
    """Vectors that the native crate is tested against."""
    return json.loads(VECTORS.read_text())


def _element(coefficients: list[str]) -> Ext:
    return Ext(*map(int, coefficients))


def test_field_and_transcript_agree_with_the_vectors(vectors: Any) -> None:
    for case in vectors["extension"]:
        a, b = _element(case["a"]), _element(case["b"])
        assert a * b == _element(case["product"])
        if a:
            assert a ** (p.MODULUS**3 - 2) == _element(case["inverse_of_a"])
    transcript = Transcript(vectors["transcript"]["domain"].encode())
    for step in vectors["transcript"]["steps"]:
        if "challenge" in step:
            assert transcript.draw() == _element(step["challenge"])
        elif step["absorb"] == "bytes":
            transcript.string(bytes.fromhex(step["value"]))
        elif step["absorb"] == "extension":
            transcript.ext(_element(step["value"]))
        else:
            {"base": transcript.base, "u64": transcript.u64}[step["absorb"]](int(step["value"]))


def test_hashes_agree_with_the_vectors(vectors: Any) -> None:
    for case in vectors["hash"]["leaves"]:
        assert merkle.leaf([int(value) for value in case["row"]]).hex() == case["leaf"]
    case = vectors["hash"]["node"]
    left, right = bytes.fromhex(case["left"]), bytes.fromhex(case["right"])
    assert merkle.node(left, right).hex() == case["digest"]


def test_schedules_agree_with_the_vectors(vectors: Any) -> None:
    """One line for each number of variables, one column for each number of openings."""
    for num_vars, columns in enumerate(vectors["schedules"], p.NUM_VARS.least):
        for openings, expected in zip((1, 2, 3, 4, 8), columns, strict=True):
            assert _written(num_vars, p.level(openings)) == expected


def _written(num_vars: int, level: int) -> str:
    plan = schedule(Size(num_vars, 32), level)
    parts = ["ood 1, pow 0"]
    for index, phase in enumerate(plan.phases, 1):
        domain = f"2^{phase.variables + phase.rate}/{phase.fold}"
        outside = int(index < len(plan.phases))
        counts = f"queries {phase.queries}, pow {phase.work}, ood {outside}, pow 0"
        parts.append(f"{domain}: {counts}")
    return " | ".join([*parts, f"sumcheck {plan.last_vars}, pow 0"])
