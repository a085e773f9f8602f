"""Files of traces: what the layers of a machine made of some texts, to compare with another's."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from esper.primitives.ids import ModelId

FORMAT: Final = "esper-trace"
MOST_BYTES: Final = 64 << 20
"""Of a file: 4 sequences of 256 positions with 400 layers have less."""
MOST_SEQUENCES: Final = 64
DIGEST_BYTES: Final = 32


class TraceFileError(Exception):
    """A file that cannot be read or written, or is no trace."""


@dataclass(frozen=True, slots=True)
class SequenceTrace:
    """One text."""

    tokens: tuple[int, ...]
    """Token ids that the model read."""
    digests: tuple[bytes, ...]
    """By position: a digest of 32 bytes for each layer, one for the logits, joined."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Texts that one model read."""

    model_id: ModelId
    """64 bytes."""
    sequences: tuple[SequenceTrace, ...]
    """In their order."""


class _Sequence(msgspec.Struct, forbid_unknown_fields=True):
    tokens: list[int]
    digests: list[bytes]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: Literal["esper-trace"]
    version: Literal[1]
    model_id: str
    sequences: list[_Sequence]


def trace_bytes(trace: Trace) -> bytes:
    """A trace as JSON: digests in base64, the model's id in hexadecimal digits."""
    sequences = [_Sequence(list(one.tokens), list(one.digests)) for one in trace.sequences]
    return msgspec.json.encode(_File("esper-trace", 1, trace.model_id.hex(), sequences))


def decode_trace(data: bytes) -> Trace:
    """Read a trace of anybody. Raises TraceFileError."""
    if len(data) > MOST_BYTES:
        raise TraceFileError(f"a trace has at most {MOST_BYTES} bytes")
    try:
        found = msgspec.json.decode(data, type=_File)
        model_id = bytes.fromhex(found.model_id)
    except (msgspec.DecodeError, ValueError) as error:
        raise TraceFileError(f"no trace: {error}") from error
    if len(model_id) != 64 or not 1 <= len(found.sequences) <= MOST_SEQUENCES:
        raise TraceFileError("no trace: the model's id or the number of texts is wrong")
    for one in found.sequences:
        sizes = {len(digests) for digests in one.digests}
        if len(one.digests) != len(one.tokens) or len(sizes) != 1 or not _is_whole(max(sizes)):
            raise TraceFileError("no trace: every token has as many digests as the others")
    sequences = tuple(
        SequenceTrace(tuple(one.tokens), tuple(one.digests)) for one in found.sequences
    )
    return Trace(ModelId(model_id), sequences)


def _is_whole(size: int) -> bool:
    return size > 0 and size % DIGEST_BYTES == 0


def read_trace_file(file: Path) -> Trace:
    """The trace in a file. Raises TraceFileError."""
    try:
        with file.open("rb") as stream:
            # What it has, not what it may have: a read makes room for all that it asks for.
            data = stream.read(min(os.fstat(stream.fileno()).st_size, MOST_BYTES + 1))
    except OSError as error:
        raise TraceFileError(f"{file} cannot be read: {error.strerror}") from error
    try:
        return decode_trace(data)
    except TraceFileError as error:
        raise TraceFileError(f"{file}: {error}") from error


def write_trace_file(file: Path, trace: Trace) -> None:
    """Write a trace into a new file. Raises TraceFileError, also for one that is there."""
    try:
        with file.open("xb") as stream:
            stream.write(trace_bytes(trace))
    except OSError as error:
        raise TraceFileError(f"{file} cannot be written: {error.strerror}") from error
