"""The proof's file: one meaning for every byte, an error that names the part for all others."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.primitives.ids import ModelId
from esper.prover import Sequence, Statement, proof_file
from esper.prover.proof_file import ProofFileError, decode, encode

TOKENS = st.integers(0, 2**32 - 1)
LOGITS = st.integers(-(2**63), 2**63 - 1)
HEADER_BYTES = 28

EXAMPLE = Statement(
    model_id=ModelId(bytes(range(64))),
    binding=bytes(64),
    rows=16,
    top_k=2,
    sequences=(
        Sequence(
            prompt=(1, 5, 6),
            answer=(7, 2),
            max_answer=4,
            top=(((7, 90), (8, -1)), ((2, 5), (3, 5))),
        ),
        Sequence(prompt=(1,), answer=(2,), max_answer=1, top=(((2, -(2**40)), (9, -(2**41))),)),
    ),
)


def with_first(sequence: Sequence) -> Statement:
    return replace(EXAMPLE, sequences=(sequence,))


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    top_k = draw(st.integers(0, 3))
    pairs = st.tuples(*[st.tuples(TOKENS, LOGITS)] * top_k)

    @st.composite
    def sequences(draw: st.DrawFn) -> Sequence:
        answer = tuple(draw(st.lists(TOKENS, max_size=3)))
        return Sequence(
            prompt=tuple(draw(st.lists(TOKENS, max_size=3))),
            answer=answer,
            max_answer=draw(st.integers(0, 2**32 - 1)),
            top=tuple(draw(pairs) for _ in answer),
        )

    return Statement(
        model_id=ModelId(draw(st.binary(min_size=64, max_size=64))),
        binding=draw(st.binary(min_size=64, max_size=64)),
        rows=draw(st.integers(0, 2**32 - 1)),
        top_k=top_k,
        sequences=tuple(draw(st.lists(sequences(), max_size=3))),
    )


@given(statements(), st.binary(max_size=40))
def test_what_is_written_is_read(statement: Statement, proof: bytes) -> None:
    assert decode(encode(statement, proof)) == (statement, proof)


@given(st.integers(0), st.integers(1, 255))
def test_every_changed_byte_is_refused_or_changes_the_meaning(at: int, change: int) -> None:
    data = bytearray(encode(EXAMPLE, b"proof"))
    data[at % len(data)] ^= change
    try:
        decoded = decode(bytes(data))
    except ProofFileError:
        return
    assert decoded != (EXAMPLE, b"proof")
    assert encode(*decoded) == bytes(data)


def test_every_shortened_file_is_refused() -> None:
    data = encode(EXAMPLE, b"proof")
    for length in range(len(data)):
        with pytest.raises(ProofFileError):
            decode(data[:length])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_statement_or_an_error(body: bytes) -> None:
    header = struct.pack("<8sIQQ", proof_file.MAGIC, proof_file.VERSION, len(body), 0)
    try:
        statement, proof = decode(header + body)
    except ProofFileError:
        return
    assert encode(statement, proof) == header + body


@pytest.mark.parametrize(
    ("at", "value", "field"),
    [
        (0, b"X", "magic"),
        (8, b"\x01", "version"),
        (12, b"\x00", "size"),
        (20, b"\xff" * 8, "size"),
        # The number of sequences, then the first one's lengths: nothing is allocated for them.
        (HEADER_BYTES + 136, b"\xff" * 4, "sequences"),
        (HEADER_BYTES + 140, b"\xff" * 4, "sequence 0, prompt"),
        (HEADER_BYTES + 144, b"\xff" * 4, "sequence 0, answer"),
        (HEADER_BYTES + 132, b"\xff" * 4, "sequence 0, logits"),
        (HEADER_BYTES + 136, b"\x01", "statement"),
    ],
)
def test_the_error_names_the_part(at: int, value: bytes, field: str) -> None:
    data = bytearray(encode(EXAMPLE, b"proof"))
    data[at : at + len(value)] = value
    with pytest.raises(ProofFileError) as caught:
        decode(bytes(data))
    assert caught.value.field == field


def test_appended_bytes_are_refused() -> None:
    with pytest.raises(ProofFileError, match="appended"):
        decode(encode(EXAMPLE, b"proof") + b"\0")


@pytest.mark.parametrize(
    ("statement", "field"),
    [
        (replace(EXAMPLE, model_id=ModelId(b"short")), "model_id"),
        (replace(EXAMPLE, binding=b""), "binding"),
        (replace(EXAMPLE, rows=2**32), "shape"),
        (replace(EXAMPLE, top_k=1), "sequence 0"),
        (with_first(Sequence((-1,), (), 1, ())), "sequence 0"),
        (with_first(Sequence((), (1,), 1, ())), "sequence 0"),
        (with_first(Sequence((1,), (), 2**32, ())), "sequence 0"),
    ],
)
def test_a_statement_that_does_not_fit_is_not_written(statement: Statement, field: str) -> None:
    with pytest.raises(ProofFileError) as caught:
        encode(statement, b"")
    assert caught.value.field == field


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "answer.proof"
    proof_file.write(path, EXAMPLE, b"proof")
    assert proof_file.read(path) == (EXAMPLE, b"proof")
    monkeypatch.setattr(proof_file, "MAX_FILE_BYTES", path.stat().st_size - 1)
    with pytest.raises(ProofFileError, match="more than"):
        proof_file.read(path)
    with pytest.raises(ProofFileError, match="at most"):
        proof_file.write(path, EXAMPLE, b"proof")
