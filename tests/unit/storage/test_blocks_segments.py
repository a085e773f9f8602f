"""Segment files: what is written is read, what is damaged is found and named."""

from pathlib import Path

import pytest

from esper.consensus.chain import BlockBytes
from esper.primitives.ids import BlockId
from esper.storage.segments.block_files import BlockFileError, BlockFiles
from esper.storage.segments.segment_reader import (
    HEAD_BYTES,
    MAGIC,
    MAX_RECORD_BYTES,
    SEGMENT_BYTES,
    Locator,
    SegmentCutError,
    SegmentError,
    SegmentReader,
)
from esper.storage.segments.segment_writer import SegmentWriter
from tests.support.storage.block_file_writer import BlockFileWriter

RECORDS = [b"first", b"", bytes(1000), b"last"]


def written(folder: Path, segment_bytes: int = SEGMENT_BYTES) -> list[Locator]:
    writer = SegmentWriter(folder, segment_bytes=segment_bytes)
    return [writer.append(record) for record in RECORDS]


def records(folder: Path) -> list[bytes]:
    return [payload for _, payload in SegmentReader(folder)]


def test_records_come_back_in_order_and_by_place(tmp_path: Path) -> None:
    places = written(tmp_path)
    assert records(tmp_path) == RECORDS
    reader = SegmentReader(tmp_path)
    assert [reader.read(place) for place in reversed(places)] == RECORDS[::-1]


def test_appending_goes_on_where_it_stopped(tmp_path: Path) -> None:
    for record in RECORDS:
        SegmentWriter(tmp_path).append(record)
    assert records(tmp_path) == RECORDS


def test_files_roll_over(tmp_path: Path) -> None:
    places = written(tmp_path, segment_bytes=500)
    assert [place.file for place in places] == [0, 0, 0, 1]
    assert records(tmp_path) == RECORDS
    assert list(SegmentReader(tmp_path).files()) == [0, 1]


def test_a_name_in_other_digits_is_no_segment(tmp_path: Path) -> None:
    SegmentWriter(tmp_path).append(b"one")
    (tmp_path / "\u0663\u0663.seg").write_bytes(b"")
    assert list(SegmentReader(tmp_path).files()) == [0]


def test_every_flipped_byte_is_found_and_its_record_named(tmp_path: Path) -> None:
    places = written(tmp_path)
    path = tmp_path / "000000.seg"
    sound = path.read_bytes()
    starts = [place.offset for place in places]
    for position in range(len(sound)):
        path.write_bytes(sound[:position] + bytes([sound[position] ^ 1]) + sound[position + 1 :])
        with pytest.raises(SegmentError) as raised:
            records(tmp_path)
        expected = max([0, *(start for start in starts if start <= position)])
        assert (raised.value.path, raised.value.offset) == (path, expected)
        assert not isinstance(raised.value, SegmentCutError)


def test_every_cut_end_is_told_and_repaired(tmp_path: Path) -> None:
    places = written(tmp_path)
    path = tmp_path / "000000.seg"
    sound = path.read_bytes()
    ends = [place.offset for place in places[1:]] + [len(sound)]
    for length in range(len(sound)):
        path.write_bytes(sound[:length])
        whole = sum(end <= length for end in ends)
        if length not in (0, len(MAGIC), *ends):
            with pytest.raises(SegmentCutError):
                records(tmp_path)
        SegmentWriter(tmp_path).append(b"next")
        assert records(tmp_path) == [*RECORDS[:whole], b"next"]


def test_damage_before_the_end_is_not_repaired(tmp_path: Path) -> None:
    place = written(tmp_path)[2]
    path = tmp_path / "000000.seg"
    damaged = bytearray(path.read_bytes())
    damaged[place.offset + HEAD_BYTES] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(SegmentError, match="bytes are damaged; restore the file"):
        SegmentWriter(tmp_path)
    assert path.read_bytes() == damaged


def test_records_cannot_change_places(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path)
    first, second = writer.append(b"aaaa"), writer.append(b"bbbb")
    path = tmp_path / "000000.seg"
    data = path.read_bytes()
    size = second.offset - first.offset
    path.write_bytes(data[: first.offset] + data[second.offset :] + data[first.offset :][:size])
    with pytest.raises(SegmentError, match="head is damaged"):
        records(tmp_path)


def test_records_cannot_move_to_another_file(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "000001.seg").write_bytes((tmp_path / "000000.seg").read_bytes())
    with pytest.raises(SegmentError) as raised:
        records(tmp_path)
    assert raised.value.path.name == "000001.seg"


def test_too_long_a_record(tmp_path: Path) -> None:
    with pytest.raises(SegmentError, match=f"at most {MAX_RECORD_BYTES}"):
        SegmentWriter(tmp_path).append(bytes(MAX_RECORD_BYTES + 1))


def test_a_file_that_is_no_segment(tmp_path: Path) -> None:
    (tmp_path / "000000.seg").write_bytes(b"something else")
    with pytest.raises(SegmentError, match="not a segment file"):
        records(tmp_path)


def test_blocks_and_proofs(tmp_path: Path) -> None:
    blocks = [BlockBytes(b"header %d" % i, b"body", b"proof %d" % i) for i in range(3)]
    writer = BlockFileWriter(tmp_path)
    for number, block in enumerate(blocks):
        writer.append(BlockId(bytes([number]) * 64), block)
    assert list(BlockFiles(tmp_path)) == blocks
    assert list(BlockFiles(tmp_path / "nothing")) == []


def test_a_missing_proof_is_named(tmp_path: Path) -> None:
    BlockFileWriter(tmp_path).append(BlockId(b"\xab" * 64), BlockBytes(b"", b"", b""))
    (tmp_path / "proofs" / "000000.seg").unlink()
    with pytest.raises(BlockFileError, match="proof of block abababab"):
        list(BlockFiles(tmp_path))


def test_a_sound_record_that_is_no_block(tmp_path: Path) -> None:
    SegmentWriter(tmp_path / "blocks").append(b"junk")
    with pytest.raises(BlockFileError, match="at byte 8"):
        list(BlockFiles(tmp_path))


def test_a_proof_without_a_block_is_left_alone(tmp_path: Path) -> None:
    # What a crash between the two writes leaves.
    block = BlockBytes(b"header", b"body", b"proof")
    writer = BlockFileWriter(tmp_path)
    writer.append(BlockId(b"\1" * 64), block)
    (tmp_path / "blocks" / "000000.seg").unlink()
    BlockFileWriter(tmp_path).append(BlockId(b"\2" * 64), block)
    assert list(BlockFiles(tmp_path)) == [block]
