"""Traces of two machines: the first difference is named, and files of anybody are judged."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from esper.node.offline.replay import LayerDifference, TraceMismatchError, compared
from esper.node.offline.traces import (
    MOST_BYTES,
    SequenceTrace,
    Trace,
    TraceFileError,
    decode_trace,
    read_trace_file,
    trace_bytes,
    write_trace_file,
)
from esper.primitives.ids import ModelId

LAYERS = 3


def row(*changed: int) -> bytes:
    """Digests of three layers and the logits, some of them others."""
    return b"".join(bytes([100 if n in changed else n]) * 32 for n in range(LAYERS + 1))


def trace(*rows: bytes) -> Trace:
    tokens = tuple(range(len(rows)))
    first = SequenceTrace((7, 8), (row(), row()))
    return Trace(ModelId(bytes(64)), (first, SequenceTrace(tokens, rows)))


SOUND = trace(row(), row(), row())


def test_the_first_difference_is_by_position_then_by_layer() -> None:
    assert compared(SOUND, SOUND) is None
    broken = trace(row(), row(1, 2, 3), row(0, 1, 2, 3))
    assert compared(SOUND, broken) == LayerDifference(1, 1, 1)
    assert compared(SOUND, trace(row(), row(), row(3))) == LayerDifference(1, 2, None)


def test_traces_of_other_things_are_not_compared() -> None:
    other = replace(SOUND, model_id=ModelId(bytes([1]) * 64))
    with pytest.raises(TraceMismatchError, match="another model"):
        compared(SOUND, other)
    first = replace(SOUND.sequences[0], tokens=(7, 9))
    with pytest.raises(TraceMismatchError, match="tokens are others"):
        compared(SOUND, replace(SOUND, sequences=(first, SOUND.sequences[1])))
    with pytest.raises(TraceMismatchError, match="number of layers"):
        compared(SOUND, trace(row()[32:], row()[32:], row()[32:]))


def test_a_file_comes_back_and_is_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "a.trace"
    write_trace_file(file, SOUND)
    assert read_trace_file(file) == SOUND
    with pytest.raises(TraceFileError, match=r"a\.trace cannot be written: File exists"):
        write_trace_file(file, SOUND)
    with pytest.raises(TraceFileError, match=r"b\.trace cannot be read: No such file"):
        read_trace_file(tmp_path / "b.trace")
    file.write_bytes(b"{")
    with pytest.raises(TraceFileError, match=r"a\.trace: no trace"):
        read_trace_file(file)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"model_id": "00"},
        {"model_id": "x" * 128},
        {"sequences": []},
        {"sequences": [{"tokens": [1], "digests": []}]},
        {"sequences": [{"tokens": [], "digests": []}]},
        {"sequences": [{"tokens": [1], "digests": ["AAAA"]}]},
        {"more": 1},
    ],
)
def test_what_is_no_trace_is_refused(change: dict[str, object]) -> None:
    content = json.loads(trace_bytes(SOUND))
    with pytest.raises(TraceFileError, match="no trace"):
        decode_trace(json.dumps(content | change).encode())


def test_digests_of_one_text_have_one_size() -> None:
    with pytest.raises(TraceFileError, match="as many digests"):
        decode_trace(trace_bytes(trace(row(), row()[32:])))


def test_a_file_that_is_too_long_is_not_read() -> None:
    with pytest.raises(TraceFileError, match="at most"):
        decode_trace(b" " * (MOST_BYTES + 1))
