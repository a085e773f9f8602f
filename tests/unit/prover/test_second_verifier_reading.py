"""What both verifiers refuse before they compute anything: statements and descriptors.

Each case names the check of the second verifier that refuses it; the product's refuses it too.
"""

from __future__ import annotations

import dataclasses

import pytest

from esper.primitives.ids import ModelId
from esper.prover import Statement, prove
from tests.spec.proof import verifier
from tests.spec.proof.decoding.descriptor import model_id
from tests.spec.proof.decoding.model_layout import ModelLayout
from tests.spec.proof.errors import RefusedError
from tests.spec.proof.verifier import decode
from tests.support.second_verifier import (
    ACCEPTED,
    MALFORMED,
    REJECTED,
    common_verdict,
    random_model,
)

pytest.importorskip("esper._native", reason="needs the compiled extension: run `make build`")

BINDING = bytes(range(64))
NUMBERS = (
    *("version", "layers", "vocab", "dim", "hidden", "heads", "kv_heads", "head_dim"),
    *("max_seq", "bos", "eos", "emax", "final_shift", "eps_term", "logit_bound", "cells"),
    "embed_bits",
    *(f"reach.{name}" for name in ("norm", "qk", "v", "gate", "z", "o", "down")),
    *("norm1_shift", "norm2_shift", "score_shift", "gate_bits", "z_bits"),
    *("o_bits", "down_bits"),
    *(f"shift.{name}" for name in ("q", "k", "v", "o", "gate", "up", "down")),
)
"""The numbers of a descriptor up to the end of the first layer."""


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> tuple[Statement, bytes]:
    """Two sequences of a random model."""
    model = random_model(tmp_path_factory.mktemp("model"), 1)
    return prove(model, [[1, 5, 9], [3, 4]], max_answer=3, binding=BINDING)


def refusal(statement: Statement, proof: bytes) -> str:
    """Why the second verifier refuses."""
    with pytest.raises(RefusedError) as caught:
        verifier.verify(statement, proof)
    return str(caught.value)


def _first(statement: Statement, **fields: object) -> Statement:
    """A copy whose first sequence has other fields."""
    first = dataclasses.replace(statement.sequences[0], **fields)  # type: ignore[arg-type]
    return dataclasses.replace(statement, sequences=(first, *statement.sequences[1:]))


def test_any_other_statement_is_refused(proven: tuple[Statement, bytes]) -> None:
    statement, proof = proven
    assert common_verdict(statement, proof) == ACCEPTED
    first = statement.sequences[0]
    (best, *middle, (last, logit)), *later = first.top
    bound = decode(statement, proof).layout.d.logit_bound

    def listed(*top: tuple[int, int]) -> Statement:
        return _first(statement, top=(top, *later))

    unlisted = next(i for i in range(41) if i not in {token for token, _ in first.top[0]})
    argument = "the fractional sum"
    others = [
        (dataclasses.replace(statement, binding=bytes(64)), argument),
        (dataclasses.replace(statement, model_id=ModelId(bytes(64))), "of another model"),
        (dataclasses.replace(statement, rows=2 * statement.rows), ""),
        (dataclasses.replace(statement, rows=1), "rows"),
        (dataclasses.replace(statement, rows=6), "rows"),
        (dataclasses.replace(statement, rows=64), "rows"),
        (dataclasses.replace(statement, top_k=0), "top_k"),
        (dataclasses.replace(statement, top_k=42), "top_k"),
        (dataclasses.replace(statement, top_k=1025), "top_k"),
        (dataclasses.replace(statement, top_k=statement.top_k - 1), "length of a list"),
        (dataclasses.replace(statement, sequences=statement.sequences[::-1]), argument),
        (dataclasses.replace(statement, sequences=statement.sequences[:1]), ""),
        (dataclasses.replace(statement, sequences=()), "number of sequences"),
        (dataclasses.replace(statement, sequences=statement.sequences * 1025), "of sequences"),
        (_first(statement, prompt=(*first.prompt[:-1], first.prompt[-1] ^ 1)), ""),
        (_first(statement, prompt=()), "length of an answer"),
        (_first(statement, prompt=first.prompt * 9), "length of a sequence"),
        (_first(statement, prompt=(*first.prompt[:-1], 41)), "tokens"),
        (_first(statement, answer=(*first.answer[:-1], first.answer[-1] ^ 1)), "best token"),
        (_first(statement, answer=(), top=()), "length of an answer"),
        (_first(statement, answer=(40, *first.answer[1:])), "end of an answer"),
        (_first(statement, max_answer=0), "longest answer"),
        (_first(statement, max_answer=9), "longest answer"),
        (_first(statement, max_answer=2), "length of an answer"),
        (_first(statement, max_answer=4), "short answer"),
        (_first(statement, top=first.top[:-1]), "number of lists"),
        (listed(best, *middle), "length of a list"),
        (listed((best[0], best[1] + 1), *middle, (last, logit)), argument),
        (listed((best[0], bound), *middle, (last, logit)), argument),
        (listed((best[0], bound + 1), *middle, (last, logit)), "list is"),
        (listed(best, *middle, (last, logit - 1)), argument),
        (listed(best, *middle, (last, -bound)), argument),
        (listed(best, *middle, (last, -bound - 1)), "list is"),
        (listed(best, *middle, (unlisted, logit)), argument),
        (listed(best, *middle, (41, logit)), "list is"),
        (listed(best, *middle, middle[-1]), "order"),
        (listed(best, *middle[::-1], (last, logit)), "order"),
        (listed(*middle, best, (last, logit)), "order"),
        (listed((last, best[1]), *middle, (best[0], logit)), "best token"),
    ]
    for number, (other, problem) in enumerate(others):
        assert problem in refusal(other, proof), number
        assert common_verdict(other, proof) != ACCEPTED, number


def test_more_listed_logits_than_the_limit_are_refused(proven: tuple[Statement, bytes]) -> None:
    """K times the answer tokens of all sequences; each list by itself is short enough."""
    statement, proof = proven
    many = dataclasses.replace(statement.sequences[0], answer=(1,) * 3200, max_answer=3200)
    other = dataclasses.replace(statement, top_k=41, sequences=(many,))
    assert "listed logits" in refusal(other, proof)
    assert common_verdict(other, proof) == REJECTED


def _numbered(proof: bytes, place: int, value: int) -> tuple[bytes, bytes]:
    """The proof with another number in its descriptor, and the id of that descriptor."""
    size = int.from_bytes(proof[:4], "little")
    descriptor = bytearray(proof[4 : 4 + size])
    descriptor[8 * place : 8 * place + 8] = value.to_bytes(8, "little")
    return proof[:4] + descriptor + proof[4 + size :], model_id(bytes(descriptor))


@pytest.mark.parametrize(
    ("number", "values", "problem"),
    [
        ("version", [0, 1, 3], "descriptor's version"),
        ("layers", [0, 2**8 + 1], "layers"),
        ("layers", [1, 3], "descriptor's length"),
        ("vocab", [0, 1, 2**18 + 1], "vocab"),
        ("dim", [0, 2**14 + 1], "dim"),
        ("hidden", [0, 2**16 + 1], "hidden"),
        ("heads", [0, 2**8 + 1], "heads"),
        ("heads", [7], "number of key heads"),
        ("kv_heads", [0, 2**8 + 1], "kv_heads"),
        ("kv_heads", [4], "number of key heads"),
        ("head_dim", [0, 1, 2**9 + 1], "head_dim"),
        ("head_dim", [5, 7], "head_dim"),
        ("max_seq", [0, 2**16 + 1], "max_seq"),
        ("max_seq", [2**16], "number of cells"),
        ("bos", [41], "bos or eos"),
        ("eos", [41], "bos or eos"),
        ("emax", [31], "emax"),
        ("emax", [2], "emax"),
        ("emax", [29, 30], "width of a norm"),
        ("final_shift", [0, 47], "final_shift"),
        ("eps_term", [0, 2**60, 2**63], "eps_term"),
        ("eps_term", [2**60 - 1], "emax"),
        ("logit_bound", [0, 2**46], "logit_bound"),
        ("cells", [0, 2**30 + 1], "cells"),
        ("cells", [1, 2**30], "number of cells"),
        ("embed_bits", [0, 33], "embed_bits"),
        ("reach.norm", [0, 2**15], "reach"),
        ("reach.down", [0, 2**15], "reach"),
        ("norm1_shift", [0, 47], "norm1_shift"),
        ("norm2_shift", [0, 47], "norm2_shift"),
        ("score_shift", [0, 17], "score_shift"),
        ("gate_bits", [11, 13, 14, 17], "gate_bits"),
        ("z_bits", [14, 17, 26], "width of z"),
        ("o_bits", [14, 17, 28], "width of an update"),
        ("down_bits", [14, 17, 28], "width of an update"),
        ("shift.q", [15, 17], "shift"),
        ("shift.k", [15, 17], "shift"),
        ("shift.v", [0, 37], "shift"),
        ("shift.down", [0, 37], "shift"),
    ],
)
def test_descriptors_outside_their_limits_are_malformed(
    proven: tuple[Statement, bytes], number: str, values: list[int], problem: str
) -> None:
    statement, proof = proven
    for value in values:
        changed, name = _numbered(proof, NUMBERS.index(number), value)
        named = dataclasses.replace(statement, model_id=ModelId(name))
        assert refusal(named, changed) == f"the {problem} is refused", value
        assert common_verdict(named, changed) == MALFORMED, value


def test_most_numbers_have_32_bits(proven: tuple[Statement, bytes]) -> None:
    statement, proof = proven
    for number in ("version", "layers", "cells", "reach.o", "score_shift", "shift.up"):
        changed, name = _numbered(proof, NUMBERS.index(number), 2**32 + 1)
        named = dataclasses.replace(statement, model_id=ModelId(name))
        assert "more than 32 bits" in refusal(named, changed), number
        assert common_verdict(named, changed) == MALFORMED, number


def test_a_root_or_layers_too_many_are_malformed(proven: tuple[Statement, bytes]) -> None:
    statement, proof = proven
    size = int.from_bytes(proof[:4], "little")
    descriptor = proof[4 : 4 + size]
    first = 8 * NUMBERS.index("norm1_shift")
    layer = descriptor[first : first + 8 * 14]
    for problem, changed in (
        ("descriptor's length", descriptor[:-96] + bytes(32) + descriptor[-96:]),
        (
            "layers times heads",
            _with(descriptor[:first] + 254 * layer + descriptor[first:], layers=256, heads=18),
        ),
    ):
        named = dataclasses.replace(statement, model_id=ModelId(model_id(changed)))
        data = len(changed).to_bytes(4, "little") + changed + proof[4 + size :]
        assert problem in refusal(named, data)
        assert common_verdict(named, data) == MALFORMED


def test_a_witness_that_cannot_be_committed_is_refused(proven: tuple[Statement, bytes]) -> None:
    """Scores of 252 heads over 2^14 positions alone are 2^36 cells."""
    statement, proof = proven
    size = int.from_bytes(proof[:4], "little")
    d = decode(statement, proof).layout.d
    wider = ModelLayout(dataclasses.replace(d, heads=252, max_seq=2**14))
    changed = _with(proof[4 : 4 + size], heads=252, max_seq=2**14, cells=wider.cells)
    one = dataclasses.replace(
        statement,
        model_id=ModelId(model_id(changed)),
        rows=2**14,
        sequences=statement.sequences[:1],
    )
    data = proof[:4] + changed + proof[4 + size :]
    assert "more cells than can be committed" in refusal(one, data)
    assert common_verdict(one, data) == REJECTED


def _with(descriptor: bytes, **numbers: int) -> bytes:
    changed = bytearray(descriptor)
    for name, value in numbers.items():
        place = 8 * NUMBERS.index(name)
        changed[place : place + 8] = value.to_bytes(8, "little")
    return bytes(changed)


def test_descriptors_are_refused_alike(proven: tuple[Statement, bytes]) -> None:
    """Each number of a descriptor near its own value and far, under the id of what comes out."""
    statement, proof = proven
    size = int.from_bytes(proof[:4], "little")
    descriptor = proof[4 : 4 + size]
    refused: set[str] = set()
    for word in range(24 + 14 * 2):
        value = int.from_bytes(descriptor[8 * word : 8 * word + 8], "little")
        for other in sorted({0, value - 1, value + 1, 37, 2**14, 2**32 - 1, 2**60} - {value, -1}):
            changed, name = _numbered(proof, word, other)
            named = dataclasses.replace(statement, model_id=ModelId(name))
            refused.add(common_verdict(named, changed))
    assert refused == {MALFORMED, REJECTED}
