"""Proof files with damage in every record: mending them costs as much as they are long."""

from pathlib import Path

import pytest

from esper.storage.segments.segment_reader import MAGIC, Locator, SegmentReader, record_bytes
from esper.storage.segments.voiding import void_damage

RECORDS = 200


def test_damage_in_every_record_is_read_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, data = SegmentReader(tmp_path), bytearray(MAGIC)
    for _ in range(RECORDS):
        record = bytearray(record_bytes(Locator(0, len(data)), b"\1" * 20))
        record[-1] ^= 1
        data += record
    reader.path(0).write_bytes(data)
    usual, reads = SegmentReader._read_record, []

    def counted(*arguments: object) -> bytes:
        reads.append(1)
        return usual(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(SegmentReader, "_read_record", counted)
    assert void_damage(reader, (), Locator(0, len(data))) == RECORDS
    assert len(reads) <= 3 * RECORDS
    assert all(one.error is None for one in reader.scan())
