"""One proof and its statement in one file, decoded strictly: every byte has exactly one meaning.

All integers are little-endian. The layout:

| bytes | what |
|---|---|
| 8 | `MAGIC` |
| u32 | version: 2 of a whole model's proof, 3 of a proof in parts |
| u64, u64 | length of the statement, length of the proof; with the 28 bytes up to here, the file's size |
| 64, 64 | model id, binding |
| u32 x 3 | rows, listed logits per answer token, number of sequences |
| per sequence | u32 prompt length, u32 answer length, u32 longest answer allowed, the tokens of both as u32, then for each answer token its listed (u32 id, i64 logit) pairs |
| rest | the proof |

A file that decodes is written back by `encode` to the same bytes. Decoding says nothing about
whether the statement is true: `esper.prover.verify` does.
"""  # noqa: E501

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from esper.prover import Sequence, Statement

MAGIC: Final = b"ESPRPROF"
VERSION: Final = 2
PARTS_VERSION: Final = 3
"""Of a file with a proof in parts, whose model id is that of the model in these parts."""
MAX_PROOF_BYTES: Final = 1 << 26
"""Of a proof in parts, which is the larger form: ``docs/parts.md``, section 7."""
MAX_FILE_BYTES: Final = MAX_PROOF_BYTES + (1 << 23)
"""Nothing larger is read: the largest proof, and a statement."""

_HEADER: Final = struct.Struct("<8sIQQ")
_SHAPE: Final = struct.Struct("<64s64sIII")
_LENGTHS: Final = struct.Struct("<III")
_PAIR: Final = struct.Struct("<Iq")
_TOKEN_BYTES: Final = 4
_PIECE_BYTES: Final = 1 << 18


class ProofFileError(ValueError):
    """The bytes are no proof file, or the statement does not fit into one."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"proof file: {field}: {problem}")
        self.field = field
        """Which part of the file is wrong."""


def write(path: Path, statement: Statement, proof: bytes) -> None:
    """Write the file. Raises `ProofFileError` for values outside their fields, and `OSError`."""
    path.write_bytes(encode(statement, proof))


def read(path: Path) -> tuple[Statement, bytes]:
    """Read statement and proof. Raises `ProofFileError` naming the part, and `OSError`."""
    return decode(_content(path))


def read_any(path: Path) -> tuple[Statement, bytes, bool]:
    """Read statement and proof of either form, and whether it is in parts. Raises as `read`."""
    return decode_any(_content(path))


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        # Asked for at once, the largest size would be allocated for the smallest file.
        pieces, left = [], MAX_FILE_BYTES
        while piece := file.read(_PIECE_BYTES):
            pieces.append(piece)
            left -= len(piece)
            if left < 0:
                raise ProofFileError(
                    "size", f"more than {MAX_FILE_BYTES} bytes, so this is no proof"
                )
    return b"".join(pieces)


def encode(statement: Statement, proof: bytes, *, in_parts: bool = False) -> bytes:
    """Return the bytes of the file. Raises `ProofFileError` for values outside their fields."""
    body = _encode_statement(statement)
    version = PARTS_VERSION if in_parts else VERSION
    data = _HEADER.pack(MAGIC, version, len(body), len(proof)) + body + proof
    if len(data) > MAX_FILE_BYTES:
        raise ProofFileError("size", f"{len(data)} bytes, at most {MAX_FILE_BYTES} are allowed")
    return data


def decode(data: bytes) -> tuple[Statement, bytes]:
    """Return statement and proof of a whole model.

    Raises `ProofFileError` naming the part that is wrong; a proof in parts is one.
    """
    statement, proof, in_parts = decode_any(data)
    if in_parts:
        raise ProofFileError("version", "a proof of a model in parts, and one of a whole is needed")
    return statement, proof


def decode_any(data: bytes) -> tuple[Statement, bytes, bool]:
    """Return statement and proof of either form, and whether it is in parts.

    Raises `ProofFileError` naming the part that is wrong.
    """
    if len(data) < _HEADER.size:
        raise ProofFileError("header", f"{len(data)} bytes, the header alone has {_HEADER.size}")
    magic, version, statement_length, proof_length = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise ProofFileError("magic", "this is not a proof file")
    if version not in (VERSION, PARTS_VERSION):
        raise ProofFileError(
            "version", f"{version}, this program reads version {VERSION} and {PARTS_VERSION}"
        )
    expected = _HEADER.size + statement_length + proof_length
    if len(data) != expected:
        raise ProofFileError(
            "size", f"{len(data)} bytes, the header announces {expected}: cut short or appended to"
        )
    end = _HEADER.size + statement_length
    statement = _decode_statement(data[_HEADER.size : end])
    return statement, data[end:], version == PARTS_VERSION


def _encode_statement(statement: Statement) -> bytes:
    for field, value in (("model_id", statement.model_id), ("binding", statement.binding)):
        if len(value) != 64:
            raise ProofFileError(field, f"{len(value)} bytes, must be 64")
    parts: list[bytes] = []
    try:
        parts.append(
            _SHAPE.pack(
                statement.model_id,
                statement.binding,
                statement.rows,
                statement.top_k,
                len(statement.sequences),
            )
        )
    except struct.error as error:
        raise ProofFileError("shape", str(error)) from error
    for index, sequence in enumerate(statement.sequences):
        parts.append(_encode_sequence(f"sequence {index}", sequence, statement.top_k))
    return b"".join(parts)


def _encode_sequence(name: str, sequence: Sequence, top_k: int) -> bytes:
    if len(sequence.top) != len(sequence.answer):
        raise ProofFileError(
            name, f"{len(sequence.top)} lists of logits for {len(sequence.answer)} answer tokens"
        )
    tokens = (*sequence.prompt, *sequence.answer)
    try:
        parts = [
            _LENGTHS.pack(len(sequence.prompt), len(sequence.answer), sequence.max_answer),
            struct.pack(f"<{len(tokens)}I", *tokens),
        ]
        for pairs in sequence.top:
            if len(pairs) != top_k:
                raise ProofFileError(name, f"{len(pairs)} listed logits, top_k is {top_k}")
            parts += [_PAIR.pack(token, logit) for token, logit in pairs]
    except struct.error as error:
        raise ProofFileError(name, str(error)) from error
    return b"".join(parts)


class _Reader:
    """Takes parts off a block of bytes; a part that is not there is an error that names it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int, field: str) -> bytes:
        # Sizes come from the file: compare with what is there before anything is allocated.
        if size > self.left():
            raise ProofFileError(field, f"needs {size} bytes, {self.left()} are left")
        part = self._data[self._at : self._at + size]
        self._at += size
        return part

    def tokens(self, count: int, field: str) -> tuple[int, ...]:
        return struct.unpack(f"<{count}I", self.take(_TOKEN_BYTES * count, field))


def _decode_statement(data: bytes) -> Statement:
    reader = _Reader(data)
    model_id, binding, rows, top_k, count = _SHAPE.unpack(reader.take(_SHAPE.size, "shape"))
    if count * _LENGTHS.size > reader.left():
        raise ProofFileError("sequences", f"{count} announced, {reader.left()} bytes are left")
    sequences = tuple(_decode_sequence(reader, f"sequence {i}", top_k) for i in range(count))
    if reader.left():
        raise ProofFileError("statement", f"{reader.left()} bytes follow the last sequence")
    return Statement(
        model_id=model_id,
        binding=binding,
        rows=rows,
        top_k=top_k,
        sequences=sequences,
    )


def _decode_sequence(reader: _Reader, name: str, top_k: int) -> Sequence:
    prompt_length, answer_length, max_answer = _LENGTHS.unpack(reader.take(_LENGTHS.size, name))
    prompt = reader.tokens(prompt_length, f"{name}, prompt")
    answer = reader.tokens(answer_length, f"{name}, answer")
    pairs = list(
        _PAIR.iter_unpack(reader.take(_PAIR.size * answer_length * top_k, f"{name}, logits"))
    )
    top = tuple(tuple(pairs[i * top_k : (i + 1) * top_k]) for i in range(answer_length))
    return Sequence(prompt=prompt, answer=answer, max_answer=max_answer, top=top)
