"""The verifier of a model in parts: each part item by item, tied by the residuals between them.

What it adds to the verifier of whole models is in ``docs/parts.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tests.spec.proof import parameters as p
from tests.spec.proof.argument.residual import Start
from tests.spec.proof.arithmetic.transcript import Transcript
from tests.spec.proof.decoding import descriptor, embedding, modes
from tests.spec.proof.decoding.descriptor import Descriptor
from tests.spec.proof.decoding.embedding import unpacked
from tests.spec.proof.decoding.model_layout import ModelLayout
from tests.spec.proof.decoding.reader import Reader
from tests.spec.proof.decoding.statement import Batch, Statement, batch
from tests.spec.proof.decoding.witness_layout import WitnessLayout
from tests.spec.proof.errors import MalformedError, RejectedError
from tests.spec.proof.verifier import (
    Decoded,
    absorb_public,
    check_argument,
    check_openings,
    decode_body,
)

_LENGTH = 4
_WORD = 8


@dataclass(frozen=True)
class Boundary:
    """The residual between two parts."""

    rows: Mapping[int, Sequence[int]]
    """By the number of the row."""
    hash: bytes
    size: int
    """Bytes."""

    def named(self, tokens: Sequence[int]) -> Sequence[int]:
        """Rows are named by their numbers."""
        return range(len(tokens))


@dataclass(frozen=True)
class DecodedParts:
    """All parts, whose bytes hold what they should."""

    boundaries: list[Boundary]
    parts: list[Decoded]

    @property
    def ids(self) -> list[bytes]:
        """Of the parts."""
        return [part.layout.d.model_id for part in self.parts]


def verify_parts(statement: Statement, parts_id: bytes, proof: bytes) -> None:
    """Raises MalformedError or RejectedError unless the proof shows the statement."""
    decoded = decode_parts(statement, parts_id, proof)
    for index in range(len(decoded.parts)):
        verify_part(statement, decoded, index)


def verify_part(statement: Statement, decoded: DecodedParts, index: int) -> None:
    """One part of them: between the residual before it and that behind it."""
    part = decoded.parts[index]
    transcript = Transcript(p.PART_NAME)
    absorb_public(transcript, statement, part.layout)
    transcript.u64(index)
    transcript.u64(len(decoded.parts))
    for value in (*decoded.ids, *(boundary.hash for boundary in decoded.boundaries)):
        transcript.string(value)
    transcript.string(part.layout.modes.data)
    handed = decoded.boundaries[index] if index < len(decoded.boundaries) else None
    claimed = check_argument(transcript, part, handed)
    check_openings(transcript, part.layout, claimed, part.openings)


def parts_id(ids: Sequence[bytes]) -> bytes:
    """The id of a model in parts."""
    return descriptor.tagged(p.PARTS_ID_TAG, *ids)


def decode_parts(statement: Statement, wanted: bytes, proof: bytes) -> DecodedParts:
    """All that is read before anything is computed but hashes."""
    if len(proof) not in p.PARTS_PROOF_BYTES:
        raise MalformedError("the proof is too long")
    reader = Reader(proof)
    described = _descriptors(reader)
    all_parts = [d for _, d in described]
    if parts_id([d.model_id for d in all_parts]) != wanted:
        raise RejectedError("the descriptors are those of another model")
    rows = batch(statement, all_parts[0])
    for d in all_parts:
        WitnessLayout(d, modes.off(d), rows, ModelLayout(d))
    if (len(all_parts) - 1) * rows.rows * all_parts[0].dim not in p.RESIDUAL_VALUES:
        raise RejectedError("the residuals are too large")
    boundaries = [_boundary(reader, i, all_parts[0], rows) for i in range(len(all_parts) - 1)]
    starts: list[Boundary | None] = [None, *boundaries]
    parts = []
    for (data, d), start in zip(described, starts, strict=True):
        length = reader.unsigned(_LENGTH)
        _require(length in p.PROOF_BYTES, "length of a part")
        own = Reader(reader.take(length))
        parts.append(_part(own, data, d, rows, start))
    reader.end()
    return DecodedParts(boundaries, parts)


def _descriptors(reader: Reader) -> list[tuple[bytes, Descriptor]]:
    count = reader.unsigned(_LENGTH)
    _require(count in p.PARTS, "number of parts")
    found: list[tuple[bytes, Descriptor]] = []
    layers = 0
    for index in range(count):
        data = reader.take(reader.unsigned(_LENGTH))
        d = descriptor.decode(data, of_part=True)
        part = d.part
        assert part is not None
        _require(part.index == index and part.count == count, "order of the parts")
        _require(part.first_layer == layers, "layers of adjacent parts")
        _require(_common(d) == _common(found[0][1] if found else d), "part of another model")
        layers += len(d.layers)
        found.append((data, d))
    return found


def _common(d: Descriptor) -> Descriptor:
    """What all parts of a model have in common."""
    assert d.part is not None
    part = replace(d.part, index=0, first_layer=0)
    return replace(d, layers=(), cells=0, root=b"", model_id=b"", part=part)


def _boundary(reader: Reader, index: int, d: Descriptor, rows: Batch) -> Boundary:
    bits = d.emax + 2
    width = (bits * d.dim + 7) // 8
    data = reader.take(width * rows.rows)
    values = {
        row: unpacked(data[row * width : (row + 1) * width], bits, d.dim)
        for row in range(rows.rows)
    }
    for row in values.values():
        squares = sum(value * value for value in row) + d.eps_term
        _require(squares < 4 ** (d.emax + 1), "residual")
    sizes = (number.to_bytes(_WORD, "little") for number in (index, rows.rows, d.dim))
    return Boundary(values, descriptor.tagged(p.BOUNDARY_TAG, *sizes, data), len(data))


def _part(
    reader: Reader, data: bytes, d: Descriptor, rows: Batch, taken: Boundary | None
) -> Decoded:
    on = modes.decode(reader.take(2 + len(d.layers)), d)
    layout = WitnessLayout(d, on, rows, ModelLayout(d))
    start: Start
    if taken is None:
        embedded = embedding.decode(reader, rows.tokens, d)
        embedding.check(embedded, d)
        start = embedded
    else:
        start = taken
    return decode_body(reader, data, layout, start)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise MalformedError(f"the {what} is refused")
